//! Malformed and hostile peers: what clients and upstreams may not send, what is made of it, and that the next client is served all the same.
//!
//! Each file has a table. A row cites what asks for its outcome: RFC 9110 (semantics), RFC 9112 (HTTP/1.1) or RFC 9113 (HTTP/2).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

mod bodies;
mod fields;
mod floods;
mod framing;
mod http2;
mod limits;
mod mutations;
mod noted;
mod responses;
mod slow;
mod table;
mod targets;
mod tunnels;
mod upstreams;
