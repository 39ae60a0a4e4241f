//! Routes: a listener of ours has one upstream, so one route is imported.

use super::clusters::{Cluster, Clusters};
use super::node::{Fields, Node};
use serde_json::Value;

/// A route on its way.
struct Candidate {
    route: Node,
    /// Its virtual host is for all authorities.
    any_domain: bool,
}

/// The upstream of the route that takes every request, or else of the only one there is.
pub(super) fn upstream(mut configuration: Fields, clusters: &Clusters) -> Option<Cluster> {
    let mut candidates = Vec::new();
    for host in configuration.items("virtual_hosts") {
        let Some(mut host) = host.fields() else { continue };
        host.skip("name");
        let domains = host.take("domains");
        let domains = domains.map(Node::json).unwrap_or_default();
        let any_domain = domains
            .as_array()
            .is_some_and(|domains| domains.iter().any(|domain| domain == "*"));
        if !any_domain {
            host.note(format!(
                "its `domains`, {domains}, are not heeded: a listener serves all authorities alike"
            ));
        }
        let routes = host.items("routes").into_iter();
        candidates.extend(routes.map(|route| Candidate { route, any_domain }));
    }
    let catch_all = candidates.iter().position(Candidate::takes_all);
    let only = (candidates.len() == 1).then_some(0);
    let chosen = catch_all.or(only);
    let place = chosen.and_then(|chosen| candidates.get(chosen));
    let place = place.map(|candidate| candidate.route.path().to_owned());
    let mut upstream = None;
    for (index, candidate) in candidates.into_iter().enumerate() {
        match &place {
            Some(_) if Some(index) == chosen => upstream = candidate.upstream(clusters),
            Some(place) => candidate.route.leave_out(format_args!(
                "a listener has one upstream, which is that of {place}"
            )),
            None => candidate
                .route
                .leave_out("a listener has one upstream, and none of several routes takes every request"),
        }
    }
    upstream
}

// === impl Candidate ===

impl Candidate {
    fn takes_all(&self) -> bool {
        let value = self.route.value();
        let matched = value.get("match").and_then(Value::as_object);
        let all = matched.is_some_and(|matched| {
            matched.len() == 1 && matched.get("prefix").and_then(Value::as_str) == Some("/")
        });
        all && self.any_domain && value.get("route").is_some()
    }

    fn upstream(self, clusters: &Clusters) -> Option<Cluster> {
        let takes_all = self.takes_all();
        let mut fields = self.route.fields()?;
        if let Some(matched) = fields.take("match") {
            match takes_all {
                true => matched.used(),
                false => matched.leave_out("every request goes to the upstream of this route"),
            }
        }
        let mut route = fields.fields("route")?;
        let Some(cluster) = route.take("cluster") else {
            route.note("no cluster is named");
            return None;
        };
        find(cluster, clusters)
    }
}

/// The cluster that a field names.
pub(super) fn find(node: Node, clusters: &Clusters) -> Option<Cluster> {
    let found = node.value().as_str().and_then(|name| clusters.get(name)).cloned();
    match found {
        Some(_) => node.used(),
        None => node.leave_out("no cluster of that name was imported"),
    }
    found
}
