//! Listeners in the configuration file.

use super::units::Period;
use crate::settings::AcceptMode;
use crate::upstream::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, HttpTarget, TcpTarget, UpstreamTarget};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::{Location, Spanned};
use std::net::SocketAddr;

/// One entry of `listeners`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerEntry {
    pub(super) address: Spanned<SocketAddr>,
    #[serde(default)]
    pub(super) protocol: ProtocolEntry,
    #[serde(default)]
    pub(super) accept: AcceptEntry,
    #[serde(default)]
    pub(super) plugins: Vec<Spanned<String>>,
    upstream: Option<Spanned<UpstreamEntry>>,
    connect_timeout: Option<Period>,
    idle_timeout: Option<Spanned<Period>>,
}

/// `protocol` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProtocolEntry {
    #[default]
    Http,
    Tcp,
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
    /// Where it goes, or what is wrong with that and where.
    pub(super) fn upstream_target(&self) -> Result<UpstreamTarget, (Location, &'static str)> {
        let location = self
            .upstream
            .as_ref()
            .map_or(self.address.referenced, |upstream| upstream.referenced);
        let target = self.upstream.as_ref().map(|upstream| upstream.value.0.clone());
        let connect_timeout = self
            .connect_timeout
            .map_or(DEFAULT_CONNECT_TIMEOUT, |period| period.0);
        if let Some(period) = self
            .idle_timeout
            .as_ref()
            .filter(|_| self.protocol == ProtocolEntry::Http)
        {
            return Err((
                period.referenced,
                "`idle_timeout` is for listeners with `protocol: tcp`",
            ));
        }
        let idle_timeout = self
            .idle_timeout
            .as_ref()
            .map_or(DEFAULT_IDLE_TIMEOUT, |period| period.value.0);
        match (self.protocol, target) {
            (ProtocolEntry::Http, None | Some(UpstreamTarget::Echo)) => Ok(UpstreamTarget::Echo),
            (ProtocolEntry::Http, Some(UpstreamTarget::Http(target))) => {
                Ok(UpstreamTarget::Http(HttpTarget {
                    connect_timeout,
                    ..target
                }))
            }
            (ProtocolEntry::Tcp, Some(UpstreamTarget::Tcp(target))) => Ok(UpstreamTarget::Tcp(TcpTarget {
                connect_timeout,
                idle_timeout,
                ..target
            })),
            (ProtocolEntry::Http, Some(UpstreamTarget::Tcp(_))) => Err((
                location,
                "an upstream over TCP needs a listener with `protocol: tcp`",
            )),
            (ProtocolEntry::Tcp, _) => Err((
                location,
                "a listener with `protocol: tcp` needs an upstream `tcp://HOST:PORT`",
            )),
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

impl<'de> Deserialize<'de> for UpstreamEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::ConfigFile;
    use std::path::Path;

    #[test]
    fn protocols_and_upstreams() {
        // The rest of a listener; where and what is wrong with it.
        let table = [
            ("", None),
            (", upstream: echo", None),
            (", protocol: tcp, upstream: 'tcp://h:1', idle_timeout: 1s", None),
            (
                ", protocol: tcp",
                Some(("1:24", "needs an upstream `tcp://HOST:PORT`")),
            ),
            (
                ", protocol: tcp, upstream: 'http://h'",
                Some(("1:62", "needs an upstream `tcp://HOST:PORT`")),
            ),
            (
                ", upstream: 'tcp://h:1'",
                Some(("1:47", "needs a listener with `protocol: tcp`")),
            ),
            (
                ", protocol: tcp, upstream: 'tcp://h'",
                Some(("1:62", "it lacks a port")),
            ),
            (
                ", idle_timeout: 1s",
                Some(("1:51", "is for listeners with `protocol: tcp`")),
            ),
        ];
        for (rest, expected) in table {
            let text = format!("listeners: [{{ address: 127.0.0.1:0{rest} }}]\n");
            let error = ConfigFile::parse(Path::new("file"), text).err();
            let shown = error.map(|error| error.to_string()).unwrap_or_default();
            match expected {
                None => assert_eq!(shown, "", "{rest}"),
                Some((place, message)) => {
                    assert!(
                        shown.contains(place) && shown.contains(message),
                        "{rest}: {shown}"
                    );
                }
            }
        }
    }
}
