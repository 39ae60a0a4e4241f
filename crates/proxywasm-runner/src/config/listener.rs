//! Listeners in the configuration file.

use super::access_log::AccessLogEntry;
use super::http::{HeadersEntry, PathsEntry};
use super::limits::HttpLimitsEntry;
use super::routes::{self, Compiled, RouteEntry, VirtualHostEntry};
use super::tls::{self, ClientTlsEntry, ServerTlsEntry};
use super::units::{Limit, Period};
use super::upstreams::response_timeouts;
use super::url::{HttpProtocolEntry, ProxyVersionEntry};
use crate::access_log::AccessLogSettings;
use crate::routing::{ECHO, RouteTable};
use crate::server::{DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_CONNECTIONS, HttpOptions};
use crate::settings::AcceptMode;
use crate::tls::ServerTls;
use crate::transport::Address;
use crate::upstream::{UpstreamTarget, UpstreamUrl};
use proxywasm_host::FilterChain;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::{Location, Spanned};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

/// One address to listen on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerEntry {
    /// The address and port, `IP:PORT`, where port 0 takes any that is free; or a UNIX socket, `unix:/PATH`, which is made and at the end
    /// removed.
    #[schemars(with = "String")]
    pub(super) address: Spanned<AddressEntry>,
    /// What it is called in figures and logs. Default: its address.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
    /// The name of the sockets that it takes where systemd hands over such (`FileDescriptorName=`), whatever their address. Sockets that have
    /// the address are taken without. Default: none.
    pub(super) socket: Option<String>,
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
    /// Where it goes: `http://HOST[:PORT]` or `https://HOST[:PORT]`, the name of one of `upstreams`, or `echo`, the default, which answers with what it got; with
    /// `protocol: tcp`, `tcp://HOST:PORT` or `tls://HOST:PORT`, which is required. For a UNIX socket, `unix:/PATH` stands in the place of
    /// host and port.
    #[schemars(with = "Option<String>")]
    upstream: Option<Spanned<UpstreamEntry>>,
    /// How TLS is spoken to an upstream of `https` or `tls`. Default: with the authorities that the system trusts.
    #[schemars(with = "Option<ClientTlsEntry>")]
    upstream_tls: Option<Spanned<ClientTlsEntry>>,
    /// The version of HTTP that the upstream gets: `auto`, `http1` or `http2`. Default: `auto`.
    #[schemars(with = "Option<HttpProtocolEntry>")]
    upstream_protocol: Option<Spanned<HttpProtocolEntry>>,
    /// With `protocol: tcp`: has the upstream told who the client is, by the PROXY protocol, `v1` or `v2`. Default: it is not told.
    #[schemars(with = "Option<ProxyVersionEntry>")]
    upstream_proxy_protocol: Option<Spanned<ProxyVersionEntry>>,
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
    /// With `protocol: http`: how long the upstream may take for the head of a response once it has all of the request, and before that for each
    /// piece of the request's body; then the client gets 504. Not for gRPC over HTTP/2. Default: `60s`.
    #[schemars(with = "Option<Limit>")]
    response_head_timeout: Option<Spanned<Limit>>,
    /// With `protocol: http`: how long the upstream may send nothing within the body of a response, and take nothing of the request, while the
    /// client takes what comes; then the response breaks off. Not for gRPC over HTTP/2. Default: `5m`.
    #[schemars(with = "Option<Limit>")]
    response_body_timeout: Option<Spanned<Limit>>,
    /// With `protocol: tcp`: when nothing comes from either side for so long, both connections are closed. Default: `1h`.
    #[schemars(with = "Option<Period>")]
    idle_timeout: Option<Spanned<Period>>,
    /// Whether a proxy before this one says by the PROXY protocol, version 1 or 2, whose connections they are; those without its header are
    /// closed. Who can reach the address can then claim any. Default: false.
    #[serde(default)]
    pub(super) proxy_protocol: bool,
    /// The TLS that clients speak. Default: they speak none.
    #[schemars(with = "Option<ServerTlsEntry>")]
    pub(super) tls: Option<Spanned<ServerTlsEntry>>,
    /// With `protocol: http`: what clients may take, and how long.
    #[schemars(with = "Option<HttpLimitsEntry>")]
    http: Option<Spanned<HttpLimitsEntry>>,
    /// How long a client may take for the header of the PROXY protocol, and again for TLS; then its connection is closed. Default: `10s`.
    handshake_timeout: Option<Period>,
    /// Connections that it has at once, in all workers; more are closed at once. Default: 16384.
    max_connections: Option<NonZeroUsize>,
    /// Where its requests, or with `protocol: tcp` its connections, are logged. Default: nowhere.
    #[schemars(with = "Option<AccessLogEntry>")]
    access_log: Option<Spanned<AccessLogEntry>>,
}

/// `address` of a listener.
#[derive(Debug)]
pub(super) struct AddressEntry(pub(super) Address);

/// `protocol` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProtocolEntry {
    /// HTTP/1.1 and HTTP/2. Plugins see it by `wasi-http`, or the HTTP callbacks of the older ABIs.
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
    /// One thread accepts, and hands each connection to the worker that has the fewest. UNIX sockets are always accepted so.
    OneAcceptor,
}

/// `upstream` of a listener: a URL, `echo`, or the name of one of `upstreams`.
#[derive(Debug)]
enum UpstreamEntry {
    Url(UpstreamUrl),
    Named(String),
}

// === impl ListenerEntry ===

impl ListenerEntry {
    /// What types cannot say, and where it is wrong.
    pub(super) fn check(&self) -> Result<(), (Location, String)> {
        self.check_upstream()
            .map_err(|(location, message)| (location, message.to_owned()))?;
        self.http_options()?;
        self.access_log(Path::new("."))?;
        if let Some(tls) = &self.tls {
            let is_http = self.protocol == ProtocolEntry::Http;
            tls.value
                .check(is_http)
                .map_err(|(location, message)| (location, message.to_owned()))?;
        }
        Ok(())
    }

    /// How it speaks HTTP, or what is wrong with that and where.
    pub(super) fn http_options(&self) -> Result<HttpOptions, (Location, String)> {
        match &self.http {
            None => Ok(HttpOptions::default()),
            Some(entry) if self.protocol == ProtocolEntry::Http => entry.value.options(),
            Some(entry) => Err((
                entry.referenced,
                "`http` is for listeners with `protocol: http`".to_owned(),
            )),
        }
    }

    /// Where it logs, or what is wrong with that and where. Files are relative to `folder`.
    pub(super) fn access_log(&self, folder: &Path) -> Result<Option<AccessLogSettings>, (Location, String)> {
        let entry = self.access_log.as_ref();
        let settings = entry.map(|entry| entry.value.settings(entry.referenced, folder));
        settings.transpose()
    }

    /// How many connections it may have.
    pub(super) fn max_connections(&self) -> NonZeroUsize {
        self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS)
    }

    /// How long a client may take to begin.
    pub(super) fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
            .map_or(DEFAULT_HANDSHAKE_TIMEOUT, |period| period.0)
    }

    /// Reads certificates and keys, whose files are relative to `folder`.
    pub(super) fn load_tls(&self, folder: &Path) -> Result<Option<ServerTls>, (Location, String)> {
        let Some(tls) = &self.tls else {
            return Ok(None);
        };
        let http2 = self.http_options().ok().map(|options| options.http2);
        let http2 = http2.filter(|_| self.protocol == ProtocolEntry::Http);
        let loaded = tls.value.load(folder, http2);
        loaded
            .map(Some)
            .map_err(|error| (tls.referenced, error.to_string()))
    }

    /// Where it goes, or what is wrong with that and where. Files of TLS are relative to `folder`.
    pub(super) fn upstream_target(&self, folder: &Path) -> Result<UpstreamTarget, (Location, String)> {
        let url = self.url().cloned().unwrap_or(UpstreamUrl::Echo);
        let location = self.upstream_location();
        let tls = tls::of_upstream(&url, self.upstream_tls.as_ref(), location, folder)?;
        Ok(match url.target(tls) {
            UpstreamTarget::Echo => UpstreamTarget::Echo,
            UpstreamTarget::Http(mut target) => {
                if let Some(period) = &self.connect_timeout {
                    target.endpoint.connect_timeout = period.value.0;
                }
                if let Some(protocol) = &self.upstream_protocol {
                    target.protocol = protocol.value.into();
                }
                let limit = |entry: &Option<Spanned<Limit>>| entry.as_ref().map(|entry| entry.value);
                target.timeouts = response_timeouts(
                    limit(&self.response_head_timeout),
                    limit(&self.response_body_timeout),
                );
                UpstreamTarget::Http(target)
            }
            UpstreamTarget::Tcp(mut target) => {
                if let Some(period) = &self.connect_timeout {
                    target.endpoint.connect_timeout = period.value.0;
                }
                if let Some(period) = &self.idle_timeout {
                    target.idle_timeout = period.value.0;
                }
                let version = self.upstream_proxy_protocol.as_ref();
                target.proxy_protocol = version.map(|version| version.value.into());
                UpstreamTarget::Tcp(target)
            }
        })
    }

    /// The upstream that it names, with its place.
    pub(super) fn named_upstream(&self) -> Option<Spanned<String>> {
        let upstream = self.upstream.as_ref()?;
        match &upstream.value {
            UpstreamEntry::Url(_) => None,
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
        let of_upstream = [
            self.connect_timeout
                .as_ref()
                .map(|entry| (entry.referenced, "connect_timeout")),
            self.response_head_timeout
                .as_ref()
                .map(|entry| (entry.referenced, "response_head_timeout")),
            self.response_body_timeout
                .as_ref()
                .map(|entry| (entry.referenced, "response_body_timeout")),
        ];
        match (&table, of_upstream.into_iter().flatten().next()) {
            (Some(_), Some((location, name))) => error(
                location,
                &format!("`{name}` is given where the upstream is, under `upstreams`"),
            ),
            _ => Ok(table),
        }
    }

    /// Whether what is said about the upstream fits together.
    fn check_upstream(&self) -> Result<(), (Location, &'static str)> {
        let url = self.url();
        match (self.protocol, url) {
            (ProtocolEntry::Http, Some(UpstreamUrl::Tcp { .. })) => {
                return Err((
                    self.upstream_location(),
                    "an upstream over TCP needs a listener with `protocol: tcp`",
                ));
            }
            (ProtocolEntry::Tcp, None | Some(UpstreamUrl::Echo | UpstreamUrl::Http { .. })) => {
                return Err((
                    self.upstream_location(),
                    "a listener with `protocol: tcp` needs an upstream `tcp://HOST:PORT`",
                ));
            }
            _ => {}
        }
        if let Some(tls) = self
            .upstream_tls
            .as_ref()
            .filter(|_| !url.is_some_and(UpstreamUrl::is_tls))
        {
            return Err((
                tls.referenced,
                "`upstream_tls` is for upstreams of TLS: `https://HOST[:PORT]` or `tls://HOST:PORT`",
            ));
        }
        let of_responses = self
            .response_head_timeout
            .as_ref()
            .or(self.response_body_timeout.as_ref());
        if let Some(limit) = of_responses.filter(|_| self.protocol == ProtocolEntry::Tcp) {
            return Err((
                limit.referenced,
                "`response_head_timeout` and `response_body_timeout` are for listeners with `protocol: http`",
            ));
        }
        match (
            self.protocol,
            &self.idle_timeout,
            &self.upstream_proxy_protocol,
            &self.upstream_protocol,
        ) {
            (ProtocolEntry::Http, Some(period), _, _) => Err((
                period.referenced,
                "`idle_timeout` is for listeners with `protocol: tcp`",
            )),
            (ProtocolEntry::Http, _, Some(version), _) => Err((
                version.referenced,
                "`upstream_proxy_protocol` is for listeners with `protocol: tcp`: connections to upstreams of HTTP serve many clients",
            )),
            (ProtocolEntry::Tcp, _, _, Some(protocol)) => Err((
                protocol.referenced,
                "`upstream_protocol` is for listeners with `protocol: http`",
            )),
            _ => Ok(()),
        }
    }

    fn url(&self) -> Option<&UpstreamUrl> {
        match &self.upstream.as_ref()?.value {
            UpstreamEntry::Url(url) => Some(url),
            UpstreamEntry::Named(_) => None,
        }
    }

    fn upstream_location(&self) -> Location {
        let upstream = self.upstream.as_ref();
        upstream.map_or(self.address.referenced, |upstream| upstream.referenced)
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

// === impl AddressEntry ===

impl<'de> Deserialize<'de> for AddressEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
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
        text.parse().map(Self::Url).map_err(de::Error::custom)
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
                ", protocol: tcp, upstream: 'tls://h:1', upstream_proxy_protocol: v1",
                None,
            ),
            (
                ", upstream: 'https://h', upstream_tls: { server_name: s, minimum_version: 1.3 }",
                None,
            ),
            (
                ", upstream: 'unix:/run/app', upstream_protocol: http2, max_connections: 1",
                None,
            ),
            (
                ", upstream: 'http://h', upstream_tls: {}",
                Some(("1:73", "is for upstreams of TLS")),
            ),
            (
                ", upstream_proxy_protocol: v2",
                Some(("1:62", "is for listeners with `protocol: tcp`")),
            ),
            (
                ", protocol: tcp, upstream: 'tcp://h:1', upstream_protocol: http1",
                Some(("1:94", "is for listeners with `protocol: http`")),
            ),
            (
                ", protocol: tcp, upstream: 'tcp://h:1', http: {}",
                Some(("1:81", "is for listeners with `protocol: http`")),
            ),
            (
                ", protocol: tcp, upstream: 'tcp://h:1', response_body_timeout: 1m",
                Some(("1:98", "are for listeners with `protocol: http`")),
            ),
            (
                ", upstream: 'http://h', response_head_timeout: never, response_body_timeout: 1m",
                None,
            ),
            (
                ", routes: [{ upstream: echo, timeout: never }], response_head_timeout: 1m",
                Some(("1:106", "is given where the upstream is, under `upstreams`")),
            ),
            (
                ", http: { stream_window: 4 GiB }",
                Some(("1:60", "has to be between 1024 and 2147483647 bytes")),
            ),
            (
                ", tls: { certificates: [] }",
                Some(("1:58", "needs a certificate")),
            ),
            (
                ", tls: { certificates: [{ certificate: c, key: k }], client_certificates: required }",
                Some(("1:58", "needs the file `client_ca`")),
            ),
            (
                ", tls: { certificates: [{ certificate: c, key: k }], client_ca: a }",
                Some(("1:99", "does nothing without `client_certificates")),
            ),
            (
                ", tls: { certificates: [{ certificate: c, key: k }], alpn: [h2] }",
                Some(("1:94", "is for listeners with `protocol: tcp`")),
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
