//! What tests over real sockets need: a runner in this process, origin servers behind it, and clients before it.
//!
//! Clients and origins are plain blocking sockets that speak HTTP/1.1 by hand, so that a test sees and sends exactly what is on
//! the wire.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test whose set-up fails has to fail, and says why"
)]

mod authority;
mod browser;
mod client;
mod curl;
pub mod frames;
mod grpc;
mod log;
mod nginx;
mod origin;
mod proxy;
mod registry;
mod stopping;
mod updated;
mod wire;

pub use authority::{Authority, client_tls, server_settings, server_tls};
pub use browser::Browser;
pub use client::Client;
pub use curl::{Curl, is_installed};
pub use grpc::{GrpcCall, GrpcServer};
pub use log::{Captured, capture_log};
pub use nginx::Nginx;
pub use origin::Origin;
pub use proxy::{Proxy, ProxyBuilder, Refusal, configured, plugin_code, proxy};
pub use registry::{Access, Registry, basic, response, tar_gz};
pub use stopping::Stopping;
pub use updated::{ConfigFolder, UpdatedProxy, relink, wait_until};
pub use wire::{Message, chunked, resident_bytes, socket_room};

use std::time::Duration;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
