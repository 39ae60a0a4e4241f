//! Listeners in the configuration file.

use super::units::Period;
use crate::settings::AcceptMode;
use crate::upstream::{DEFAULT_CONNECT_TIMEOUT, HttpTarget, UpstreamTarget};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::Spanned;
use std::net::SocketAddr;

/// One entry of `listeners`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerEntry {
    pub(super) address: Spanned<SocketAddr>,
    #[serde(default)]
    pub(super) accept: AcceptEntry,
    #[serde(default)]
    pub(super) plugins: Vec<Spanned<String>>,
    #[serde(default)]
    upstream: UpstreamEntry,
    connect_timeout: Option<Period>,
}

/// `accept` of a listener.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AcceptEntry {
    #[default]
    PerWorker,
    OneAcceptor,
}

/// `upstream` of a listener.
#[derive(Debug)]
struct UpstreamEntry(UpstreamTarget);

// === impl ListenerEntry ===

impl ListenerEntry {
    pub(super) fn upstream_target(&self) -> UpstreamTarget {
        match &self.upstream.0 {
            UpstreamTarget::Echo => UpstreamTarget::Echo,
            UpstreamTarget::Http(target) => UpstreamTarget::Http(HttpTarget {
                connect_timeout: self
                    .connect_timeout
                    .map_or(DEFAULT_CONNECT_TIMEOUT, |period| period.0),
                ..target.clone()
            }),
        }
    }
}

// === impl AcceptEntry ===

impl From<AcceptEntry> for AcceptMode {
    fn from(entry: AcceptEntry) -> Self {
        match entry {
            AcceptEntry::PerWorker => Self::PerWorker,
            AcceptEntry::OneAcceptor => Self::OneAcceptor,
        }
    }
}

// === impl UpstreamEntry ===

impl Default for UpstreamEntry {
    fn default() -> Self {
        Self(UpstreamTarget::Echo)
    }
}

impl<'de> Deserialize<'de> for UpstreamEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}
