//! Listeners in the configuration file.

use super::units::Period;
use crate::settings::AcceptMode;
use crate::upstream::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, HttpTarget, TcpTarget, UpstreamTarget};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::{Location, Spanned};
use std::net::SocketAddr;

/// One address to listen on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerEntry {
    /// The address and port; port 0 takes any that is free.
    pub(super) address: Spanned<SocketAddr>,
    /// What clients speak. Default: `http`.
    #[serde(default)]
    pub(super) protocol: ProtocolEntry,
    /// How connections come to workers. Default: `per_worker`.
    #[serde(default)]
    pub(super) accept: AcceptEntry,
    /// The filter chain, by names of `plugins`: in this order for requests and data of clients, the other way round for responses and
    /// data of the upstream. Default: none.
    #[serde(default)]
    pub(super) plugins: Vec<Spanned<String>>,
    /// Where it goes: `http://HOST[:PORT]`, or `echo`, the default, which answers with what it got; with `protocol: tcp`,
    /// `tcp://HOST:PORT`, which is required.
    upstream: Option<Spanned<UpstreamEntry>>,
    /// How long a connection to the upstream may take; then the client gets 504, or is reset with `protocol: tcp`. Default: `5s`.
    connect_timeout: Option<Period>,
    /// With `protocol: tcp`: when nothing comes from either side for so long, both connections are closed. Default: `1h`.
    idle_timeout: Option<Spanned<Period>>,
}

/// `protocol` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProtocolEntry {
    /// HTTP/1.1. Plugins see it by `wasi-http`, or the HTTP callbacks of the older ABIs.
    #[default]
    Http,
    /// Connections pass as bytes. Plugins see them by `wasi-bytestream`, or the TCP callbacks of the older ABIs.
    Tcp,
}

/// `accept` of a listener.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AcceptEntry {
    /// Each worker has a socket on the address (`SO_REUSEPORT`), and the kernel spreads connections over them.
    #[default]
    PerWorker,
    /// One thread accepts, and hands each connection to the worker that has the fewest.
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
