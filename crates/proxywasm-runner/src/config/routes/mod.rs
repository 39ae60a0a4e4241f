//! Routes of a listener in the configuration file.

mod action;
mod matching;
#[cfg(test)]
mod tests;

use super::units::Limit;
use crate::routing::{ECHO, HostPattern, Route, RouteTable, Share, VirtualHost};
use action::{HeaderEditsEntry, RedirectEntry, RespondEntry, RewriteEntry, ShareEntry};
use matching::MatchEntry;
pub(super) use matching::{Compiled, header_name};
use proxywasm_host::FilterChain;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// One entry of `virtual_hosts`: the routes for some hosts. The host of a request decides for one virtual host: the one that has its
/// name, else the one with the longest suffix, else the one for `*`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualHostEntry {
    /// Hosts without ports: `example.test`, `*.example.test` for all below it, or `*` for those that no other virtual host has.
    #[schemars(with = "Vec<String>")]
    hosts: Vec<Spanned<String>>,
    /// The routes, of which the first that fits is taken. A request that none fits is answered with 404.
    #[schemars(with = "Vec<RouteEntry>")]
    routes: Vec<Spanned<RouteEntry>>,
}

/// One entry of `routes`. It has one of `upstream`, `split`, `redirect` and `respond`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    /// Its name, which plugins can read as the property `route_name`. Default: none.
    name: Option<String>,
    /// Which requests it is for. Default: all.
    #[serde(default, rename = "match")]
    matches: MatchEntry,
    /// The name of the upstream that requests go to, or `echo`.
    #[schemars(with = "Option<String>")]
    upstream: Option<Spanned<String>>,
    /// Upstreams that share requests by weights.
    #[schemars(with = "Option<Vec<ShareEntry>>")]
    split: Option<Spanned<Vec<ShareEntry>>>,
    /// Where clients are sent instead.
    #[schemars(with = "Option<RedirectEntry>")]
    redirect: Option<Spanned<RedirectEntry>>,
    /// What clients are answered.
    #[schemars(with = "Option<RespondEntry>")]
    respond: Option<Spanned<RespondEntry>>,
    /// What the upstream gets other than what came.
    #[schemars(with = "Option<RewriteEntry>")]
    rewrite: Option<Spanned<RewriteEntry>>,
    /// How long the head of a response may take, with all that is tried again, before the client gets 504. Default: as long as
    /// `response_head_timeout` of the upstream says.
    #[schemars(with = "Option<Limit>")]
    timeout: Option<Spanned<Limit>>,
    /// The plugins that requests pass instead of the listener's, by the route that they had as they arrived. Default: the listener's.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) plugins: Option<Vec<Spanned<String>>>,
    /// What becomes of the headers of requests, after plugins. Default: nothing.
    #[serde(default)]
    request_headers: HeaderEditsEntry,
    /// What becomes of the headers of responses, before plugins. Default: nothing.
    #[serde(default)]
    response_headers: HeaderEditsEntry,
}

/// The routes of a listener: those of `virtual_hosts`, or `routes` for all hosts.
pub(super) fn compile(
    routes: &[Spanned<RouteEntry>],
    virtual_hosts: &[VirtualHostEntry],
    known_upstream: &dyn Fn(&Spanned<String>) -> Compiled<()>,
    chain: &dyn Fn(&[Spanned<String>]) -> FilterChain,
) -> Compiled<Option<RouteTable>> {
    let compile = |routes: &[Spanned<RouteEntry>]| compile_routes(routes, known_upstream, chain);
    let mut compiled: Vec<VirtualHost> = Vec::new();
    if !routes.is_empty() {
        compiled.push(VirtualHost {
            hosts: vec![HostPattern::Any],
            routes: compile(routes)?,
        });
    }
    for entry in virtual_hosts {
        let mut hosts = Vec::new();
        for text in &entry.hosts {
            let pattern: HostPattern = text
                .value
                .parse()
                .map_err(|error| (text.referenced, format!("{error}")))?;
            let mut others = compiled.iter().flat_map(|host| &host.hosts).chain(&hosts);
            if others.any(|other| *other == pattern) {
                let message =
                    format!("the host `{pattern}` has routes already; this would never be looked at");
                return Err((text.referenced, message));
            }
            hosts.push(pattern);
        }
        compiled.push(VirtualHost {
            hosts,
            routes: compile(&entry.routes)?,
        });
    }
    Ok((!compiled.is_empty()).then(|| RouteTable::new(compiled)))
}

fn compile_routes(
    entries: &[Spanned<RouteEntry>],
    known_upstream: &dyn Fn(&Spanned<String>) -> Compiled<()>,
    chain: &dyn Fn(&[Spanned<String>]) -> FilterChain,
) -> Compiled<Vec<Route>> {
    let mut routes: Vec<Route> = Vec::new();
    for entry in entries {
        let route = entry.value.compile(entry, known_upstream, chain)?;
        let mut before = routes.iter().zip(entries);
        if let Some((_, other)) = before.find(|(other, _)| other.matches.covers(&route.matches)) {
            let message = format!(
                "this route is never taken: all its requests fit the one of line {}, which comes first",
                other.referenced.line()
            );
            return Err((entry.referenced, message));
        }
        routes.push(route);
    }
    Ok(routes)
}

// === impl VirtualHostEntry ===

impl VirtualHostEntry {
    pub(super) fn routes(&self) -> &[Spanned<RouteEntry>] {
        &self.routes
    }
}

// === impl RouteEntry ===

impl RouteEntry {
    fn compile(
        &self,
        own: &Spanned<Self>,
        known_upstream: &dyn Fn(&Spanned<String>) -> Compiled<()>,
        chain: &dyn Fn(&[Spanned<String>]) -> FilterChain,
    ) -> Compiled<Route> {
        let matches = self.matches.compile()?;
        let actions = [
            self.upstream.as_ref().map(|entry| entry.referenced),
            self.split.as_ref().map(|entry| entry.referenced),
            self.redirect.as_ref().map(|entry| entry.referenced),
            self.respond.as_ref().map(|entry| entry.referenced),
        ];
        if let Some(second) = actions.into_iter().flatten().nth(1) {
            let message = "a route has only one of `upstream`, `split`, `redirect` and `respond`";
            return Err((second, message.to_owned()));
        }
        let shares = self.shares(known_upstream)?;
        if shares.is_none() {
            let misplaced = [
                self.rewrite.as_ref().map(|entry| (entry.referenced, "rewrite")),
                self.timeout.as_ref().map(|entry| (entry.referenced, "timeout")),
            ];
            if let Some((location, name)) = misplaced.into_iter().flatten().next() {
                let message = format!("`{name}` is for routes with `upstream` or `split`");
                return Err((location, message));
            }
        }
        let action = match (shares, &self.redirect, &self.respond) {
            (Some(shares), _, _) => action::forward(
                shares,
                self.rewrite.as_ref().map(|entry| &entry.value),
                self.timeout.as_ref().map(|entry| entry.value),
                &matches.path,
            )?,
            (None, Some(redirect), _) => redirect.value.compile(redirect.referenced, &matches.path)?,
            (None, None, Some(respond)) => respond.value.compile()?,
            (None, None, None) => {
                let message = "a route needs one of `upstream`, `split`, `redirect` and `respond`";
                return Err((own.referenced, message.to_owned()));
            }
        };
        Ok(Route {
            name: self.name.as_deref().map(Into::into),
            chain: self.plugins.as_deref().map(chain),
            request_headers: self.request_headers.compile()?,
            response_headers: self.response_headers.compile()?,
            ..Route::new(matches, action)
        })
    }

    /// The upstreams of the route, if it has any.
    fn shares(
        &self,
        known_upstream: &dyn Fn(&Spanned<String>) -> Compiled<()>,
    ) -> Compiled<Option<Vec<Share>>> {
        if let Some(name) = &self.upstream {
            check_upstream(name, known_upstream)?;
            return Ok(Some(vec![Share {
                upstream: name.value.clone(),
                weight: 1,
            }]));
        }
        let Some(split) = &self.split else { return Ok(None) };
        if split.value.is_empty() {
            return Err((split.referenced, "a split needs an upstream".to_owned()));
        }
        for share in &split.value {
            check_upstream(&share.upstream, known_upstream)?;
        }
        Ok(Some(split.value.iter().map(ShareEntry::share).collect()))
    }
}

fn check_upstream(
    name: &Spanned<String>,
    known_upstream: &dyn Fn(&Spanned<String>) -> Compiled<()>,
) -> Compiled<()> {
    if name.value == ECHO {
        return Ok(());
    }
    known_upstream(name)
}
