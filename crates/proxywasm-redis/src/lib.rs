//! A connection to a Redis or Valkey server for callers that must not wait for it: hostcalls of Proxy-Wasm plugins, on the threads that
//! carry a proxy's streams.
//!
//! A [`Connector`] has one thread, which owns one pipelined connection and everything that can take long: to connect, to connect again
//! with a jittered back-off, to probe. Callers, on whatever thread, hand it a [`Request`] and either wait for at most a bound of
//! milliseconds ([`Connector::call`]) or not at all ([`Connector::submit`]). While the server is known not to answer, a call is refused at
//! once, so that one slow server does not add up to a slow proxy: of all threads that wait for it, each loses the bound once, not for each
//! call. Push messages of RESP3 (keys that have changed, published messages) go to [`Listener`]s.
//!
//! It is no client library: commands are those of the crate `redis`, which does the talking. It repeats no request, knows neither
//! clusters nor sentinels, and keeps no copy of anything; near caches are built on it. What is stored where is the affair of the crates
//! that use it: `wasi-kvstore` and `wasi-queue`.
//!
//! # Example
//!
//! A server that is not there costs nobody any time:
//!
//! ```
//! use proxywasm_redis::{CallError, Connector, RedisSettings, cmd};
//!
//! // Nothing listens on port 1. That is no error: a server can come later.
//! let connector = Connector::start(RedisSettings::new("redis://127.0.0.1:1"))?;
//! let mut get = cmd("GET");
//! get.arg("greeting");
//! assert_eq!(connector.call(get), Err(CallError::Unavailable));
//! assert_eq!(connector.counters().refused, 1);
//! # Ok::<(), proxywasm_redis::StartError>(())
//! ```
#![forbid(unsafe_code)]

mod connector;
mod health;
mod link;
mod names;
mod reply;
mod request;
mod settings;
#[cfg(feature = "test-server")]
pub mod test_server;

pub use connector::{Connector, Listener};
pub use health::{Counters, State};
pub use names::{escape, random_id};
pub use redis::{Cmd, Pipeline, Value, cmd, pipe};
pub use request::{Request, Script};
pub use settings::{RedisSettings, StartError};

use redis::RedisError;
use thiserror::Error;

/// What comes of a request: an answer for each command, or the one of a script.
pub type Answer = Result<Vec<Value>, CallError>;

/// Why a call has no answer.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The server is away, or has not answered in time. Whether it did what it was asked is unknown, unless the call was refused at
    /// once.
    #[error("the Redis server cannot be reached, or did not answer in time")]
    Unavailable,
    /// The server refused.
    #[error("the Redis server refused: {0}")]
    Refused(String),
}

impl From<RedisError> for CallError {
    fn from(error: RedisError) -> Self {
        // Without a code it is no answer of the server.
        match error.code() {
            Some(_) => Self::Refused(error.to_string()),
            None => Self::Unavailable,
        }
    }
}

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
