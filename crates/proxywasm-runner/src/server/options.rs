//! Limits and times of connections of clients.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How a listener speaks HTTP: what clients may take and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Whether HTTP/2 is spoken: offered by ALPN over TLS, with prior knowledge without.
    pub http2: bool,
    /// The headers that a request may have over HTTP/1.1; with more it is answered with 431.
    pub max_headers: usize,
    /// The bytes that a request head may have, at least 8 KiB; with more it is answered with 431.
    pub max_header_bytes: usize,
    /// How long a client may take for a request head, and how long a connection may be idle before the next.
    pub head_timeout: Duration,
    /// Streams that an HTTP/2 client may have open at once on a connection.
    pub max_streams: u32,
    /// Bytes of a request body that an HTTP/2 client may send ahead of what is read.
    pub stream_window: u32,
    /// The same for all streams of a connection.
    pub connection_window: u32,
    /// After how much silence an HTTP/2 client is asked for a sign of life.
    pub ping_interval: Duration,
    /// How long it may take for it; then its connection is closed.
    pub ping_timeout: Duration,
    /// Streams that an HTTP/2 client may open and reset before they are seen; past that its connection is closed. What is known as
    /// rapid reset.
    pub max_pending_resets: usize,
    /// Streams that are reset for errors of an HTTP/2 client; past that its connection is closed.
    pub max_error_resets: usize,
}

/// How long a client may take to begin: for the handshake of TLS, for the header of the PROXY protocol.
pub(crate) const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that a listener has at once unless configured otherwise.
pub const DEFAULT_MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

// === impl HttpOptions ===

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            http2: true,
            max_headers: 100,
            max_header_bytes: 64 << 10,
            head_timeout: Duration::from_secs(60),
            max_streams: 128,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            max_pending_resets: 20,
            max_error_resets: 1024,
        }
    }
}
