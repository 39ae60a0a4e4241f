//! Upstreams in the configuration file: servers that routes and the calls of plugins go to.

mod balance;
mod health;
mod traffic;

use super::routes::Compiled;
use super::tls::{self, ClientTlsEntry};
use super::units::{Limit, Period};
use super::url::{HttpProtocolEntry, UrlEntry};
use crate::cluster::{EndpointSettings, UpstreamSettings};
use crate::upstream::{HttpTarget, UpstreamTarget};
use balance::{BalanceEntry, HashEntry};
use health::{EjectionEntry, HealthCheckEntry};
use http::uri::Authority;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::num::NonZeroU32;
use std::path::Path;
use std::str::FromStr;
pub(super) use traffic::response_timeouts;
use traffic::{LimitsEntry, RetriesEntry};

/// An upstream: servers that are as good as each other. It has a `url` or `endpoints`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamEntry {
    /// The name by which routes and plugins call it.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// Its server: `http://HOST[:PORT]` or `https://HOST[:PORT]`; for a UNIX socket, `unix:/PATH` stands in the place of host and port. Each
    /// address that a name has is a server of its own.
    #[schemars(with = "Option<String>")]
    url: Option<Spanned<UrlEntry>>,
    /// Its servers, if there are several.
    #[serde(default)]
    endpoints: Vec<EndpointEntry>,
    /// How TLS is spoken to servers of `https`. Default: with the authorities that the system trusts.
    #[schemars(with = "Option<ClientTlsEntry>")]
    tls: Option<Spanned<ClientTlsEntry>>,
    /// The version of HTTP that requests go out with. Calls of plugins are of HTTP/1.1, and of HTTP/2 for gRPC, whatever this says. Default:
    /// `auto`.
    protocol: Option<HttpProtocolEntry>,
    /// The plugins that requests pass last, when their route is decided, and responses first. Calls of plugins pass none. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    plugins: Vec<Spanned<String>>,
    /// What gRPC calls of plugins name in `:authority`. Default: the address. HTTP calls name what the plugin gives.
    #[schemars(with = "Option<String>")]
    authority: Option<Spanned<String>>,
    /// How long a connection may take. Default: `5s`.
    connect_timeout: Option<Period>,
    /// How long a server may take for the head of a response once it has all of the request, and before that for each piece of the request's body;
    /// then the client gets 504. Not for routes with a `timeout`, where there is a `per_try_timeout`, nor for gRPC over HTTP/2. Default: `60s`.
    response_head_timeout: Option<Limit>,
    /// How long a server may send nothing within the body of a response, and take nothing of the request, while the client takes what comes; then
    /// the response breaks off. Not for gRPC over HTTP/2. Default: `5m`.
    response_body_timeout: Option<Limit>,
    /// After how long names of servers are resolved again. Default: `30s`.
    resolve_interval: Option<Period>,
    /// How a server is chosen. Default: `round_robin`.
    #[schemars(with = "Option<BalanceEntry>")]
    balance: Option<Spanned<BalanceEntry>>,
    /// With `balance: hash`: what of a request decides where it goes.
    #[schemars(with = "Option<HashEntry>")]
    hash: Option<Spanned<HashEntry>>,
    /// How servers are asked whether they are well. Default: they are not asked.
    health_check: Option<HealthCheckEntry>,
    /// How servers that fail are left out for a while.
    #[serde(default)]
    ejection: EjectionEntry,
    /// If less than this part of the servers is available, in percent by weights, all are used. Default: `50`.
    #[schemars(with = "Option<u8>")]
    panic_threshold: Option<Spanned<u8>>,
    /// How much may be under way, in all workers together.
    #[serde(default)]
    limits: LimitsEntry,
    /// What is sent again, to another server where there is one.
    #[serde(default)]
    retries: RetriesEntry,
}

/// One entry of `endpoints`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndpointEntry {
    /// `http://HOST[:PORT]` or `https://HOST[:PORT]`. For a UNIX socket, `unix:/PATH` stands in the place of host and port.
    #[schemars(with = "String")]
    url: Spanned<UrlEntry>,
    /// Its part of the requests, compared with the others'. Default: `1`.
    weight: Option<NonZeroU32>,
}

/// What is wrong with upstreams, and where.
pub(super) fn check(entries: &[UpstreamEntry]) -> Compiled<()> {
    for (index, entry) in entries.iter().enumerate() {
        let name = &entry.name;
        if name.value.is_empty() {
            return Err((name.referenced, "an upstream needs a name".to_owned()));
        }
        let mut others = entries.iter().take(index);
        if others.any(|other| other.name.value == name.value) {
            let message = format!("two upstreams are called `{}`; names have to differ", name.value);
            return Err((name.referenced, message));
        }
        entry.settings(None)?;
    }
    Ok(())
}

// === impl UpstreamEntry ===

impl UpstreamEntry {
    pub(super) fn name(&self) -> &str {
        &self.name.value
    }

    pub(super) fn plugins(&self) -> &[Spanned<String>] {
        &self.plugins
    }

    /// The settings of the upstream but for its plugins, or what is wrong with them and where. Files of TLS are relative to the folder; without one they are not
    /// looked at.
    pub(super) fn settings(&self, folder: Option<&Path>) -> Compiled<UpstreamSettings> {
        let endpoints = self.endpoints(folder)?;
        let Some(first) = endpoints.first() else {
            let message = "an upstream needs a `url` or `endpoints`";
            return Err((self.name.referenced, message.to_owned()));
        };
        let default = UpstreamSettings::new(self.name.value.as_str(), first.target.clone());
        Ok(UpstreamSettings {
            endpoints,
            authority: self.authority()?,
            balance: balance::compile(self.balance.as_ref(), self.hash.as_ref())?,
            resolve_interval: self
                .resolve_interval
                .map_or(default.resolve_interval, |period| period.0),
            health_check: self
                .health_check
                .as_ref()
                .map(HealthCheckEntry::compile)
                .transpose()?,
            ejection: self.ejection.settings(),
            panic_threshold: match &self.panic_threshold {
                None => default.panic_threshold,
                Some(percent) if percent.value <= 100 => percent.value,
                Some(percent) => {
                    let message = "`panic_threshold` is in percent: write 0 to 100";
                    return Err((percent.referenced, message.to_owned()));
                }
            },
            limits: self.limits.settings(),
            retries: self.retries.compile()?,
            ..default
        })
    }

    fn endpoints(&self, folder: Option<&Path>) -> Compiled<Vec<EndpointSettings>> {
        let own = self.url.as_ref().map(|url| (url, NonZeroU32::MIN));
        if let Some(url) = self.url.as_ref().filter(|_| !self.endpoints.is_empty()) {
            let message = "`url` and `endpoints` cannot both be given";
            return Err((url.referenced, message.to_owned()));
        }
        let several = self
            .endpoints
            .iter()
            .map(|entry| (&entry.url, entry.weight.unwrap_or(NonZeroU32::MIN)));
        let endpoints = own.into_iter().chain(several);
        endpoints
            .map(|(url, weight)| {
                let target = self.target(url, folder)?;
                Ok(EndpointSettings { target, weight })
            })
            .collect()
    }

    fn target(&self, url: &Spanned<UrlEntry>, folder: Option<&Path>) -> Compiled<HttpTarget> {
        let location = url.referenced;
        let url = &url.value.0;
        if let Some(tls) = self.tls.as_ref().filter(|_| !url.is_tls()) {
            let message = "`tls` is for servers of TLS: `https://HOST[:PORT]`";
            return Err((tls.referenced, message.to_owned()));
        }
        let tls = folder.map(|folder| tls::of_upstream(url, self.tls.as_ref(), location, folder));
        match url.clone().target(tls.transpose()?.flatten()) {
            UpstreamTarget::Http(mut target) => {
                if let Some(period) = self.connect_timeout {
                    target.endpoint.connect_timeout = period.0;
                }
                target.protocol = self.protocol.map_or(target.protocol, Into::into);
                target.timeouts = response_timeouts(self.response_head_timeout, self.response_body_timeout);
                Ok(target)
            }
            UpstreamTarget::Echo | UpstreamTarget::Tcp(_) => {
                let message = "it is no HTTP server; write `http://HOST[:PORT]` or `https://HOST[:PORT]`";
                Err((location, message.to_owned()))
            }
        }
    }

    fn authority(&self) -> Compiled<Option<String>> {
        let Some(authority) = &self.authority else {
            return Ok(None);
        };
        match Authority::from_str(&authority.value) {
            Ok(_) => Ok(Some(authority.value.clone())),
            Err(error) => {
                let message = format!(
                    "`{}` is no authority: {error}; write `HOST` or `HOST:PORT`",
                    authority.value
                );
                Err((authority.referenced, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::ConfigFile;
    use std::path::Path;

    #[test]
    fn upstreams_are_checked() {
        // The rest of an upstream, and what is wrong with it.
        let table = [
            ("url: 'http://h'", ""),
            (
                "endpoints: [{ url: 'http://h:1', weight: 3 }, { url: 'http://h:2' }]",
                "",
            ),
            ("url: 'http://h', balance: hash, hash: { header: x-user }", ""),
            ("url: 'http://h', balance: hash, hash: { source: true }", ""),
            ("url: 'http://h', balance: least_request", ""),
            (
                "url: 'http://h', health_check: { path: '/x?y', interval: 2s, timeout: 1s }, ejection: { failures: 0 }",
                "",
            ),
            (
                "url: 'http://h', limits: { requests: 5, pending: 0 }, retries: { attempts: 0 }",
                "",
            ),
            (
                "url: 'http://h', retries: { statuses: [503], per_try_timeout: 1s, budget_percent: 50, budget_min: 0, body: 1 KiB }",
                "",
            ),
            (
                "url: 'http://h', connect_timeout: 1s, response_head_timeout: 2m, response_body_timeout: never",
                "",
            ),
            ("url: 'http://h', response_head_timeout: 0s", "or `never`"),
            ("", "an upstream needs a `url` or `endpoints`"),
            ("url: 'tcp://h:1'", "it is no HTTP server"),
            ("url: 'https://h', tls: { server_name: s }, protocol: http2", ""),
            ("url: 'http://h', tls: {}", "`tls` is for servers of TLS"),
            (
                "url: 'http://h', endpoints: [{ url: 'http://h' }]",
                "`url` and `endpoints` cannot both be given",
            ),
            ("endpoints: [{ url: 'http://h', weight: 0 }]", "zero"),
            ("url: 'http://h', authority: 'a b'", "`a b` is no authority"),
            ("url: 'http://h', balance: hash", "`balance: hash` needs a `hash`"),
            (
                "url: 'http://h', hash: { source: true }",
                "`hash` is for `balance: hash`",
            ),
            (
                "url: 'http://h', balance: hash, hash: {}",
                "a `hash` needs one of `header`, `cookie` and `source`",
            ),
            (
                "url: 'http://h', balance: hash, hash: { header: a, cookie: b }",
                "a `hash` needs one of",
            ),
            (
                "url: 'http://h', balance: hash, hash: { header: 'a b' }",
                "`a b` is no name of a header",
            ),
            ("url: 'http://h', panic_threshold: 101", "write 0 to 100"),
            (
                "url: 'http://h', health_check: { path: x }",
                "`x` is no path: it has to begin with `/`",
            ),
            (
                "url: 'http://h', health_check: { host: x }",
                "`host` of a health check needs a `path`",
            ),
            (
                "url: 'http://h', health_check: { interval: 1s, timeout: 2s }",
                "a check may not take longer than `interval`",
            ),
            (
                "url: 'http://h', retries: { statuses: [404] }",
                "the status 404 is no failure of a server: write 500 to 599",
            ),
        ];
        for (rest, expected) in table {
            let text =
                format!("listeners: [{{ address: 127.0.0.1:0 }}]\nupstreams: [{{ name: it, {rest} }}]\n");
            let error = ConfigFile::parse(Path::new("file"), text).err();
            let shown = error.map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(shown.is_empty(), expected.is_empty(), "{rest}: {shown}");
            assert!(
                expected.is_empty() || shown.starts_with("file:2:") && shown.contains(expected),
                "{rest}: {shown}"
            );
        }
    }
}
