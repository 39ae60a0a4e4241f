//! Connections to upstreams.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;

/// No connection to an upstream can be had.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nothing answered in time.
    #[error("no connection to the upstream {host}:{port} within {} ms", limit.as_millis())]
    Timeout {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The time it had.
        limit: Duration,
    },
    /// Refused, unreachable, or of an unknown name.
    #[error("no connection to the upstream {host}:{port}: {error}")]
    Failed {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The HTTP client refused the connection.
    #[error("the connection to the upstream cannot be used: {0}")]
    Unusable(#[source] hyper::Error),
}

/// Connects, trying each address of the host in turn.
pub(crate) async fn connect(
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let attempt = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?;
        Ok((stream, address))
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(error)) => Err(ConnectError::Failed {
            host: host.to_owned(),
            port,
            error,
        }),
        Err(_) => Err(ConnectError::Timeout {
            host: host.to_owned(),
            port,
            limit,
        }),
    }
}
