//! What the proxy speaks, with clients and servers that are not of this repository: HTTP/2, TLS, gRPC, WebSocket, UNIX sockets, the PROXY
//! protocol.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

mod callouts;
mod grpc;
mod http2;
mod properties;
mod reload;
mod sockets;
mod tcp;
mod tls;
mod upgrades;
mod upstream_tls;
