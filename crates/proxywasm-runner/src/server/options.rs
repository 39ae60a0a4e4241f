//! Limits and times of connections of clients.

use super::windows::WindowBudget;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How a listener speaks HTTP: what clients may take and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Whether HTTP/2 is spoken: offered by ALPN over TLS, with prior knowledge without.
    pub http2: bool,
    /// Whether CONNECT goes to the upstream, which makes the tunnel. Otherwise it is answered with 405.
    pub connect: bool,
    /// The headers that a request may have over HTTP/1.1; with more it is answered with 431.
    pub max_headers: usize,
    /// The bytes that a request head may have, at least 8 KiB; with more it is answered with 431.
    pub max_header_bytes: usize,
    /// How long a client may take for a request head once it has begun, and to begin at all.
    pub head_timeout: Duration,
    /// How long a connection may be idle before the next request.
    pub idle_timeout: Duration,
    /// How long a client may take for the next piece of a request body, once it is wanted. Streams of gRPC over HTTP/2 may be silent for longer.
    pub body_timeout: Duration,
    /// How long a client may take nothing of a response; then its stream is reset, or its connection closed.
    pub write_timeout: Duration,
    /// How long nothing may pass, in neither direction, of what a connection was upgraded to.
    pub tunnel_timeout: Duration,
    /// After how long a connection takes no more requests, if it ends at all.
    pub max_connection_age: Option<Duration>,
    /// Streams that an HTTP/2 client may have open at once on a connection.
    pub max_streams: u32,
    /// Bytes of a request body that an HTTP/2 client may send ahead of what is read.
    pub stream_window: u32,
    /// The same for all streams of a connection.
    pub connection_window: u32,
    /// The same for all connections of the listener, beyond the 64 KiB that each has in any case.
    pub window_budget: WindowBudget,
    /// After how much silence an HTTP/2 client is asked for a sign of life.
    pub ping_interval: Duration,
    /// How long it may take for it; then its connection is closed.
    pub ping_timeout: Duration,
    /// Streams that an HTTP/2 client may open and reset before they are seen; past that its connection is closed. What is known as
    /// rapid reset.
    pub max_pending_resets: usize,
    /// Streams that are reset for errors of an HTTP/2 client; past that its connection is closed.
    pub max_error_resets: usize,
    /// Frames that carry nothing (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM, CONTINUATION, empty DATA) that an HTTP/2 client may send at
    /// once; past that its connection is closed. A tenth of it comes back each second, and 3 with each frame of a response.
    pub max_idle_frames: u32,
}

/// How long a client may take to begin, unless configured otherwise: for the header of the PROXY protocol, and again for TLS.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that a listener has at once unless configured otherwise.
pub const DEFAULT_MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

// === impl HttpOptions ===

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            http2: true,
            connect: false,
            max_headers: 100,
            max_header_bytes: 64 << 10,
            head_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            tunnel_timeout: Duration::from_secs(3600),
            max_connection_age: None,
            max_streams: 128,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            window_budget: WindowBudget::new(256 << 20),
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            max_pending_resets: 20,
            max_error_resets: 1024,
            max_idle_frames: 1000,
        }
    }
}
