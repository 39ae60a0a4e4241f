//! What clients may take, and how long, in the configuration file.

use super::units::{Period, Size};
use crate::server::{HttpOptions, WindowBudget};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::num::NonZeroU32;

/// `http` of a listener: what clients may take, and how long.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpLimitsEntry {
    /// Whether HTTP/2 is spoken: offered by ALPN over TLS, with prior knowledge (h2c) without. Default: true.
    http2: Option<bool>,
    /// Whether CONNECT goes to the upstream, whose answer decides; its bytes then pass in both directions, and no plugin sees them. Plugins and
    /// routes see the request with the path `/`. Default: false, and it is answered with 405.
    connect: Option<bool>,
    /// Headers that a request may have over HTTP/1.1; with more it is answered with 431. Default: 100.
    max_headers: Option<usize>,
    /// Bytes that the head of a request may have, between 1 KiB and 1 MiB; with more it is answered with 431. Default: 64 KiB.
    #[schemars(with = "Option<Size>")]
    max_header_bytes: Option<Spanned<Size>>,
    /// How long a client may take for the head of a request, from its first byte; also to begin, after it has connected. Then its connection is
    /// closed. Default: 60s.
    head_timeout: Option<Period>,
    /// How long a connection may be idle before the next request. Default: 60s.
    idle_timeout: Option<Period>,
    /// How long a client may take for the next piece of a request's body, once it is wanted; then it is answered with 408. Streams of gRPC over
    /// HTTP/2 may be silent for longer. Default: 60s.
    body_timeout: Option<Period>,
    /// How long a client may take nothing of a response; then its stream is reset, or its connection closed. Default: 60s.
    write_timeout: Option<Period>,
    /// How long nothing may pass in either direction of a connection that was upgraded, as for WebSocket; then it is closed. Default: 1h.
    tunnel_timeout: Option<Period>,
    /// After how long a connection takes no more requests, so that clients spread anew. Default: never.
    max_connection_age: Option<Period>,
    /// Streams that an HTTP/2 client may have open at once on a connection. Default: 128.
    max_streams: Option<NonZeroU32>,
    /// Bytes of a request's body that an HTTP/2 client may send ahead of what is read. Default: 256 KiB.
    #[schemars(with = "Option<Size>")]
    stream_window: Option<Spanned<Size>>,
    /// The same for all streams of a connection. Default: 1 MiB.
    #[schemars(with = "Option<Size>")]
    connection_window: Option<Spanned<Size>>,
    /// The same for all connections of the listener together, beyond the 64 KiB that each has in any case: once it is taken, connections that
    /// begin have no more than these. Default: 256 MiB.
    window_budget: Option<Size>,
    /// After how much silence an HTTP/2 client is asked for a sign of life. Default: 60s.
    ping_interval: Option<Period>,
    /// How long it may take for it; then its connection is closed. Default: 20s.
    ping_timeout: Option<Period>,
    /// Streams that an HTTP/2 client may open and reset again before they are seen; past that its connection is closed. Default: 20.
    max_pending_resets: Option<usize>,
    /// Streams that may be reset for errors of an HTTP/2 client; past that its connection is closed. Default: 1024.
    max_error_resets: Option<usize>,
    /// Frames that carry nothing (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, RST_STREAM, CONTINUATION, empty DATA) that an HTTP/2 client may send at
    /// once; past that its connection is closed. A tenth of it comes back each second, and 3 with each frame of a response. Default: 1000.
    max_idle_frames: Option<NonZeroU32>,
}

/// The largest window of HTTP/2.
const MAX_WINDOW: usize = (1 << 31) - 1;

// === impl HttpLimitsEntry ===

impl HttpLimitsEntry {
    /// The options, or what is wrong with them and where.
    pub(super) fn options(&self) -> Result<HttpOptions, (Location, String)> {
        let default = HttpOptions::default();
        let windows = 1 << 10..=MAX_WINDOW;
        let period = |given: Option<Period>, default| given.map_or(default, |period| period.0);
        Ok(HttpOptions {
            http2: self.http2.unwrap_or(default.http2),
            connect: self.connect.unwrap_or(default.connect),
            max_headers: self.max_headers.unwrap_or(default.max_headers),
            max_header_bytes: match &self.max_header_bytes {
                Some(size) => within(size, "max_header_bytes", &(1 << 10..=1 << 20))?,
                None => default.max_header_bytes,
            },
            head_timeout: period(self.head_timeout, default.head_timeout),
            idle_timeout: period(self.idle_timeout, default.idle_timeout),
            body_timeout: period(self.body_timeout, default.body_timeout),
            write_timeout: period(self.write_timeout, default.write_timeout),
            tunnel_timeout: period(self.tunnel_timeout, default.tunnel_timeout),
            max_connection_age: self.max_connection_age.map(|period| period.0),
            max_streams: self.max_streams.map_or(default.max_streams, NonZeroU32::get),
            stream_window: match &self.stream_window {
                Some(size) => within(size, "stream_window", &windows)?,
                None => default.stream_window,
            },
            connection_window: match &self.connection_window {
                Some(size) => within(size, "connection_window", &windows)?,
                None => default.connection_window,
            },
            window_budget: match self.window_budget {
                Some(size) => WindowBudget::new(size.0),
                None => default.window_budget,
            },
            ping_interval: period(self.ping_interval, default.ping_interval),
            ping_timeout: period(self.ping_timeout, default.ping_timeout),
            max_pending_resets: self.max_pending_resets.unwrap_or(default.max_pending_resets),
            max_error_resets: self.max_error_resets.unwrap_or(default.max_error_resets),
            max_idle_frames: self
                .max_idle_frames
                .map_or(default.max_idle_frames, NonZeroU32::get),
        })
    }
}

fn within<T: TryFrom<usize>>(
    size: &Spanned<Size>,
    name: &str,
    bounds: &std::ops::RangeInclusive<usize>,
) -> Result<T, (Location, String)> {
    let value = size.value.0;
    let converted = T::try_from(value).ok().filter(|_| bounds.contains(&value));
    converted.ok_or_else(|| {
        let message = format!(
            "`{name}` has to be between {} and {} bytes",
            bounds.start(),
            bounds.end()
        );
        (size.referenced, message)
    })
}
