//! The rules of calls and streams, by the core alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

mod calls;
mod streams;
mod support;
