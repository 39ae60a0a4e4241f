//! What clients may take, and how long, in the configuration file.

use super::units::{Period, Size};
use crate::server::HttpOptions;
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
    /// Headers that a request may have over HTTP/1.1; with more it is answered with 431. Default: 100.
    max_headers: Option<usize>,
    /// Bytes that the head of a request may have, between 1 KiB and 1 MiB; with more it is answered with 431. Default: 64 KiB.
    #[schemars(with = "Option<Size>")]
    max_header_bytes: Option<Spanned<Size>>,
    /// How long a client may take for the head of a request, and how long a connection may be idle before the next. Default: 60s.
    head_timeout: Option<Period>,
    /// Streams that an HTTP/2 client may have open at once on a connection. Default: 128.
    max_streams: Option<NonZeroU32>,
    /// Bytes of a request's body that an HTTP/2 client may send ahead of what is read. Default: 256 KiB.
    #[schemars(with = "Option<Size>")]
    stream_window: Option<Spanned<Size>>,
    /// The same for all streams of a connection. Default: 1 MiB.
    #[schemars(with = "Option<Size>")]
    connection_window: Option<Spanned<Size>>,
    /// After how much silence an HTTP/2 client is asked for a sign of life. Default: 60s.
    ping_interval: Option<Period>,
    /// How long it may take for it; then its connection is closed. Default: 20s.
    ping_timeout: Option<Period>,
    /// Streams that an HTTP/2 client may open and reset again before they are seen; past that its connection is closed. Default: 20.
    max_pending_resets: Option<usize>,
    /// Streams that may be reset for errors of an HTTP/2 client; past that its connection is closed. Default: 1024.
    max_error_resets: Option<usize>,
}

/// The largest window of HTTP/2.
const MAX_WINDOW: usize = (1 << 31) - 1;

// === impl HttpLimitsEntry ===

impl HttpLimitsEntry {
    /// The options, or what is wrong with them and where.
    pub(super) fn options(&self) -> Result<HttpOptions, (Location, String)> {
        let default = HttpOptions::default();
        let windows = 1 << 10..=MAX_WINDOW;
        Ok(HttpOptions {
            http2: self.http2.unwrap_or(default.http2),
            max_headers: self.max_headers.unwrap_or(default.max_headers),
            max_header_bytes: match &self.max_header_bytes {
                Some(size) => within(size, "max_header_bytes", &(1 << 10..=1 << 20))?,
                None => default.max_header_bytes,
            },
            head_timeout: self.head_timeout.map_or(default.head_timeout, |period| period.0),
            max_streams: self.max_streams.map_or(default.max_streams, NonZeroU32::get),
            stream_window: match &self.stream_window {
                Some(size) => within(size, "stream_window", &windows)?,
                None => default.stream_window,
            },
            connection_window: match &self.connection_window {
                Some(size) => within(size, "connection_window", &windows)?,
                None => default.connection_window,
            },
            ping_interval: self
                .ping_interval
                .map_or(default.ping_interval, |period| period.0),
            ping_timeout: self.ping_timeout.map_or(default.ping_timeout, |period| period.0),
            max_pending_resets: self.max_pending_resets.unwrap_or(default.max_pending_resets),
            max_error_resets: self.max_error_resets.unwrap_or(default.max_error_resets),
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
