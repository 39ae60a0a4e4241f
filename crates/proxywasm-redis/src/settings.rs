//! Where the server is, and how long anyone waits for it.

use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError};
use std::io;
use std::time::Duration;
use thiserror::Error;

/// Settings of a [`crate::Connector`].
#[derive(Clone)]
pub struct RedisSettings {
    /// The address of the server: `redis://[user:password@]host[:port][/database]`, or `redis+unix:///path` for a socket.
    pub url: String,
    /// How long [`crate::Connector::call`] waits for an answer. 5 milliseconds.
    pub bound: Duration,
    /// How long the server may take to accept a connection, or to answer a probe, until the connection is given up. One second.
    pub patience: Duration,
    /// How long after the last probe an idle connection is probed again. Half a second.
    pub keepalive: Duration,
    /// The longest wait between two attempts to connect. One second; the first is a twentieth of it.
    pub max_backoff: Duration,
}

/// Why a connector cannot be made. That a server is not there is no such reason.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is none. The message does not repeat it, because it may hold a password.
    #[error("the address of the Redis server cannot be used: {0}; give one like redis://host:6379")]
    Address(#[source] RedisError),
    /// The thread or its runtime cannot be made.
    #[error("the thread for the Redis server cannot be started: {0}")]
    Thread(#[from] io::Error),
}

// === impl RedisSettings ===

impl RedisSettings {
    /// A server, with everything else as it is by default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            bound: Duration::from_millis(5),
            patience: Duration::from_secs(1),
            keepalive: Duration::from_millis(500),
            max_backoff: Duration::from_secs(1),
        }
    }

    /// The address with what the connector relies on: RESP3 for push messages, and no delay of small packets.
    pub(crate) fn address(&self) -> Result<ConnectionInfo, StartError> {
        let address = self
            .url
            .as_str()
            .into_connection_info()
            .map_err(StartError::Address)?;
        let protocol = address
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let tcp = address.tcp_settings().clone().set_nodelay(true);
        Ok(address.set_redis_settings(protocol).set_tcp_settings(tcp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for url in [
            "redis://localhost",
            "redis://u:p@[::1]:7000/2",
            "redis+unix:///run/redis.sock",
        ] {
            assert!(RedisSettings::new(url).address().is_ok(), "{url}");
        }
        for url in ["", "localhost:6379", "http://localhost", "redis://:secret@"] {
            let error = RedisSettings::new(url).address().err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
