//! The backends, each of which has to pass the same suite.
#![cfg(test)]

mod in_process;
#[cfg(feature = "redis")]
mod redis;
mod suite;
