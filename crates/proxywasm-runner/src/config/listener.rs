//! Listeners in the configuration file.

use super::http::{HeadersEntry, PathsEntry};
use super::routes::{self, Compiled, RouteEntry, VirtualHostEntry};
use super::units::Period;
use crate::routing::{ECHO, RouteTable};
use crate::settings::AcceptMode;
use crate::upstream::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, HttpTarget, TcpTarget, UpstreamTarget};
use proxywasm_host::FilterChain;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::{Location, Spanned};
use std::net::SocketAddr;

/// One address to listen on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerEntry {
    /// The address and port; port 0 takes any that is free.
    #[schemars(with = "String")]
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
    #[schemars(with = "Vec<String>")]
    pub(super) plugins: Vec<Spanned<String>>,
    /// Where it goes: `http://HOST[:PORT]`, the name of one of `upstreams`, or `echo`, the default, which answers with what it got; with `protocol: tcp`,
    /// `tcp://HOST:PORT`, which is required.
    #[schemars(with = "Option<String>")]
    upstream: Option<Spanned<UpstreamEntry>>,
    /// Where requests go instead, by what they are: the first route that fits is taken. A request that none fits is answered with 404.
    #[serde(default)]
    #[schemars(with = "Vec<RouteEntry>")]
    pub(super) routes: Vec<Spanned<RouteEntry>>,
    /// Routes that depend on the host of a request.
    #[serde(default)]
    pub(super) virtual_hosts: Vec<VirtualHostEntry>,
    /// Headers by which upstreams and plugins learn of the client.
    #[serde(default)]
    pub(super) headers: HeadersEntry,
    /// What becomes of paths before plugins and routes see them.
    #[serde(default)]
    pub(super) paths: PathsEntry,
    /// How long a connection to the upstream may take; then the client gets 504, or is reset with `protocol: tcp`. Default: `5s`.
    #[schemars(with = "Option<Period>")]
    connect_timeout: Option<Spanned<Period>>,
    /// With `protocol: tcp`: when nothing comes from either side for so long, both connections are closed. Default: `1h`.
    #[schemars(with = "Option<Period>")]
    idle_timeout: Option<Spanned<Period>>,
}

/// `protocol` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProtocolEntry {
    /// HTTP/1.1. Plugins see it by `wasi-http`, or the HTTP callbacks of the older ABIs.
    #[default]
    Http,
    /// Connections pass as bytes. Plugins see them by `wasi-bytestream`, or the TCP callbacks of the older ABIs.
    Tcp,
}

/// `accept` of a listener.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AcceptEntry {
    /// Each worker has a socket on the address (`SO_REUSEPORT`), and the kernel spreads connections over them.
    #[default]
    PerWorker,
    /// One thread accepts, and hands each connection to the worker that has the fewest.
    OneAcceptor,
}

/// `upstream` of a listener: a URL, `echo`, or the name of one of `upstreams`.
#[derive(Debug)]
enum UpstreamEntry {
    Target(UpstreamTarget),
    Named(String),
}

// === impl ListenerEntry ===

impl ListenerEntry {
    /// Where it goes, or what is wrong with that and where.
    pub(super) fn upstream_target(&self) -> Result<UpstreamTarget, (Location, &'static str)> {
        let location = self
            .upstream
            .as_ref()
            .map_or(self.address.referenced, |upstream| upstream.referenced);
        let target = self.upstream.as_ref().and_then(|upstream| match &upstream.value {
            UpstreamEntry::Target(target) => Some(target.clone()),
            UpstreamEntry::Named(_) => None,
        });
        let connect_timeout = self
            .connect_timeout
            .as_ref()
            .map_or(DEFAULT_CONNECT_TIMEOUT, |period| period.value.0);
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

    /// The upstream that it names, with its place.
    pub(super) fn named_upstream(&self) -> Option<Spanned<String>> {
        let upstream = self.upstream.as_ref()?;
        match &upstream.value {
            UpstreamEntry::Target(_) => None,
            UpstreamEntry::Named(name) => Some(Spanned {
                value: name.clone(),
                referenced: upstream.referenced,
                defined: upstream.defined,
            }),
        }
    }

    /// The plugins that its routes name.
    pub(super) fn plugins_of_routes(&self) -> impl Iterator<Item = &Spanned<String>> {
        let hosts = self.virtual_hosts.iter().flat_map(VirtualHostEntry::routes);
        let routes = self.routes.iter().chain(hosts);
        routes.flat_map(|route| route.value.plugins.iter().flatten())
    }

    /// Its routes, or what is wrong with them and where.
    pub(super) fn route_table(
        &self,
        known_upstream: &dyn Fn(&Spanned<String>) -> Compiled<()>,
        chain: &dyn Fn(&[Spanned<String>]) -> FilterChain,
    ) -> Compiled<Option<RouteTable>> {
        let table = routes::compile(&self.routes, &self.virtual_hosts, known_upstream, chain)?;
        let error = |location, message: &str| Err((location, message.to_owned()));
        let table = match (table, self.named_upstream(), &self.upstream) {
            (Some(_), _, _) if self.protocol == ProtocolEntry::Tcp => {
                return error(
                    self.address.referenced,
                    "routes are for listeners with `protocol: http`",
                );
            }
            (Some(_), _, Some(upstream)) => {
                return error(
                    upstream.referenced,
                    "`upstream` and `routes` cannot both be given: a route without `match` is for all requests",
                );
            }
            (None, Some(name), _) => {
                known_upstream(&name)?;
                Some(RouteTable::to_upstream(&name.value))
            }
            (table, _, _) => table,
        };
        match (&table, &self.connect_timeout) {
            (Some(_), Some(timeout)) => error(
                timeout.referenced,
                "`connect_timeout` is given where the upstream is, under `upstreams`",
            ),
            _ => Ok(table),
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
        // A name has no scheme.
        if text != ECHO && !text.contains(':') {
            return Ok(Self::Named(text));
        }
        text.parse().map(Self::Target).map_err(de::Error::custom)
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
