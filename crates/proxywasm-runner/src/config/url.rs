//! Upstreams as text, and how they are spoken to.

use crate::upstream::{HttpProtocol, ProxyVersion, UpstreamUrl};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// A URL, or `echo`.
#[derive(Debug, Clone)]
pub(super) struct UrlEntry(pub(super) UpstreamUrl);

/// The version of HTTP that an upstream gets.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HttpProtocolEntry {
    /// Over TLS what the upstream chooses by ALPN, HTTP/2 or HTTP/1.1; without TLS HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS with prior knowledge (h2c).
    Http2,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProxyVersionEntry {
    /// The one of text.
    V1,
    /// The one of bytes.
    V2,
}

// === impl UrlEntry ===

impl<'de> Deserialize<'de> for UrlEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

// === impl HttpProtocolEntry ===

impl From<HttpProtocolEntry> for HttpProtocol {
    fn from(entry: HttpProtocolEntry) -> Self {
        match entry {
            HttpProtocolEntry::Auto => Self::Auto,
            HttpProtocolEntry::Http1 => Self::Http1,
            HttpProtocolEntry::Http2 => Self::Http2,
        }
    }
}

// === impl ProxyVersionEntry ===

impl From<ProxyVersionEntry> for ProxyVersion {
    fn from(entry: ProxyVersionEntry) -> Self {
        match entry {
            ProxyVersionEntry::V1 => Self::V1,
            ProxyVersionEntry::V2 => Self::V2,
        }
    }
}
