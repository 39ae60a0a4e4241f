//! Which way a request goes: virtual hosts, their routes, and what a route does.
//!
//! A [`RouteTable`] is compiled when the configuration is read; to find a route takes no allocation, but for a host that is not in
//! lower case. The virtual host is the one with the exact name, else the one with the longest suffix, else the one for all; within
//! it, the first route that fits is taken.

mod action;
mod matching;
mod path;

pub use action::{
    Action, DirectResponse, Forward, HeadTimeout, HeaderEdits, PathRewrite, Redirect, Share, Split,
};
pub use matching::{
    HeaderMatch, HostPattern, HostPatternError, PathMatch, Pattern, QueryMatch, RouteMatch, ValueMatch, part,
    whole,
};
pub use path::{EscapedSlashes, PathRefusal, PathRules};

use http::header::HOST;
use http::request;
use proxywasm_host::FilterChain;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The built-in upstream, as routes name it.
pub const ECHO: &str = "echo";

/// The routes of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    exact: HashMap<String, usize>,
    /// The longest first.
    suffixes: Vec<(String, usize)>,
    any: Option<usize>,
    virtual_hosts: Vec<VirtualHost>,
    /// The number of the first route of each.
    first_numbers: Vec<usize>,
    has_chains: bool,
}

/// A route in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoutePlace {
    host: usize,
    route: usize,
    /// Counted through all virtual hosts.
    pub(crate) number: usize,
}

/// The routes for some hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualHost {
    /// The hosts. One that several virtual hosts have is the first one's.
    pub hosts: Vec<HostPattern>,
    /// The routes, of which the first that fits is taken.
    pub routes: Vec<Route>,
}

/// Some requests, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name, for plugins and logs.
    pub name: Option<Arc<str>>,
    /// The name of its virtual host, for plugins: the first of its hosts.
    pub(crate) virtual_host: Option<Arc<str>>,
    /// The requests.
    pub matches: RouteMatch,
    /// What becomes of them.
    pub action: Action,
    /// The plugins that they pass instead of the listener's. This is decided by the request as it arrives, all else by what plugins
    /// make of it.
    pub chain: Option<FilterChain>,
    /// What becomes of the headers of requests, after plugins.
    pub request_headers: HeaderEdits,
    /// What becomes of the headers of responses, before plugins.
    pub response_headers: HeaderEdits,
}

// === impl RouteTable ===

impl RouteTable {
    /// The routes of some virtual hosts.
    pub fn new(mut virtual_hosts: Vec<VirtualHost>) -> Self {
        for host in &mut virtual_hosts {
            let name = host.hosts.first().map(|pattern| Arc::from(pattern.to_string()));
            for route in &mut host.routes {
                route.virtual_host.clone_from(&name);
            }
        }
        let mut table = Self {
            exact: HashMap::new(),
            suffixes: Vec::new(),
            any: None,
            has_chains: virtual_hosts
                .iter()
                .flat_map(|host| &host.routes)
                .any(|route| route.chain.is_some()),
            virtual_hosts: Vec::new(),
            first_numbers: Vec::new(),
        };
        let mut routes = 0;
        for (index, host) in virtual_hosts.iter().enumerate() {
            table.first_numbers.push(routes);
            routes += host.routes.len();
            for pattern in &host.hosts {
                match pattern {
                    HostPattern::Exact(name) => {
                        table.exact.entry(name.clone()).or_insert(index);
                    }
                    HostPattern::Suffix(suffix) => table.suffixes.push((suffix.clone(), index)),
                    HostPattern::Any => {
                        table.any.get_or_insert(index);
                    }
                }
            }
        }
        table
            .suffixes
            .sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table.virtual_hosts = virtual_hosts;
        table
    }

    /// One route, for all requests, to one upstream.
    pub fn to_upstream(name: &str) -> Self {
        Self::new(vec![VirtualHost {
            hosts: vec![HostPattern::Any],
            routes: vec![Route::new(
                RouteMatch::default(),
                Action::Forward(Forward::to(name)),
            )],
        }])
    }

    /// The virtual hosts.
    pub fn virtual_hosts(&self) -> &[VirtualHost] {
        &self.virtual_hosts
    }

    /// The route of a request. Its target is in origin form.
    pub(crate) fn find(&self, head: &request::Parts) -> Option<&Route> {
        self.at(self.place(head)?)
    }

    /// The same, as its place in the table.
    pub(crate) fn place(&self, head: &request::Parts) -> Option<RoutePlace> {
        let index = self.virtual_host(head)?;
        let host = self.virtual_hosts.get(index)?;
        let route = host.routes.iter().position(|route| route.matches.fits(head))?;
        Some(RoutePlace {
            host: index,
            route,
            number: self.first_numbers.get(index)?.checked_add(route)?,
        })
    }

    /// The route at a place.
    pub(crate) fn at(&self, place: RoutePlace) -> Option<&Route> {
        self.virtual_hosts.get(place.host)?.routes.get(place.route)
    }

    /// The upstream that all requests go to, if that is so.
    pub(crate) fn only_upstream(&self) -> Option<&str> {
        let [host] = self.virtual_hosts.as_slice() else {
            return None;
        };
        match (host.hosts.as_slice(), host.routes.as_slice()) {
            ([HostPattern::Any], [route]) if route.matches.covers(&RouteMatch::default()) => {
                match &route.action {
                    Action::Forward(forward) => forward.split.only(),
                    Action::Redirect(_) | Action::Respond(_) => None,
                }
            }
            _ => None,
        }
    }

    /// Whether a route has plugins of its own.
    pub(crate) fn has_chains(&self) -> bool {
        self.has_chains
    }

    fn virtual_host(&self, head: &request::Parts) -> Option<usize> {
        if self.exact.is_empty() && self.suffixes.is_empty() {
            self.any
        } else {
            let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
            self.host_index(host.unwrap_or_default()).or(self.any)
        }
    }

    fn host_index(&self, host: &str) -> Option<usize> {
        let (host, _) = split_port(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        };
        self.exact.get(host.as_ref()).copied().or_else(|| {
            let mut suffixes = self.suffixes.iter();
            let found =
                suffixes.find(|(suffix, _)| host.len() > suffix.len() && host.ends_with(suffix.as_str()));
            found.map(|(_, index)| *index)
        })
    }
}

// === impl Route ===

impl Route {
    /// A route without a name, plugins and changes of headers.
    pub fn new(matches: RouteMatch, action: Action) -> Self {
        Self {
            name: None,
            virtual_host: None,
            matches,
            action,
            chain: None,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
        }
    }
}

/// A host and its port.
pub(crate) fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests;
