//! Routes: virtual hosts, and what becomes of requests.

use super::clusters::{Clusters, duration, limit, number};
use super::matching;
use super::node::{Fields, Node};
use super::output::{Hash, Redirect, Respond, Retries, Rewrite, Route, Share, VirtualHost};

/// The virtual hosts of a route configuration.
pub(super) fn virtual_hosts(mut configuration: Fields, clusters: &mut Clusters) -> Vec<VirtualHost> {
    configuration.skip("name");
    let mut hosts = Vec::new();
    for host in configuration.items("virtual_hosts") {
        let Some(mut host) = host.fields() else { continue };
        host.skip("name");
        let patterns = host.items("domains").into_iter().filter_map(domain).collect();
        let retries = host.fields("retry_policy").map(retries);
        let mut routes = Vec::new();
        for node in host.items("routes") {
            routes.extend(
                node.fields()
                    .and_then(|fields| route(fields, retries.as_ref(), clusters)),
            );
        }
        let host_pattern = VirtualHost {
            hosts: patterns,
            routes,
        };
        if host_pattern.hosts.is_empty() || host_pattern.routes.is_empty() {
            host.note("no domain or no route of it could be imported, so it is left out");
        } else {
            hosts.push(host_pattern);
        }
    }
    hosts
}

/// A host without a port: ports do not matter here.
fn domain(node: Node) -> Option<String> {
    let domain = node.value().as_str().unwrap_or_default().to_owned();
    let host = match domain.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() || port == "*" => host.to_owned(),
        _ => domain.clone(),
    };
    if host.is_empty() || host.ends_with('*') && host != "*" {
        node.leave_out("hosts are whole, `*` or `*.` and what they end with");
        return None;
    }
    if host != domain {
        node.leave_out(format_args!("it is `{host}` on every port"));
    } else {
        node.used();
    }
    // `*-a.test` is one of Envoy's too.
    match host.strip_prefix('*') {
        Some(rest) if !rest.is_empty() && !rest.starts_with('.') => None,
        _ => Some(host),
    }
}

fn route(mut fields: Fields, of_host: Option<&Retries>, clusters: &mut Clusters) -> Option<Route> {
    let name = fields.text("name");
    let matched = fields.fields("match").map(matching::import);
    let Some(matches) = matched.unwrap_or_default() else {
        fields
            .into_node()
            .leave_out("what it is for cannot be said here, so it would be for more");
        return None;
    };
    let mut route = Route {
        name,
        matches,
        ..Route::default()
    };
    if let Some(action) = fields.fields("route") {
        return forward(action, route, of_host, clusters);
    }
    if let Some(redirect) = fields.fields("redirect") {
        route.redirect = Some(import_redirect(redirect));
        return Some(route);
    }
    if let Some(mut answer) = fields.fields("direct_response") {
        let status = number(&mut answer, "status")?;
        let body = answer
            .fields("body")
            .and_then(|mut body| body.text("inline_string"));
        route.respond = Some(Respond { status, body });
        return Some(route);
    }
    fields.note("it has no action that there is here, and is left out");
    None
}

fn forward(
    mut action: Fields,
    mut route: Route,
    of_host: Option<&Retries>,
    clusters: &mut Clusters,
) -> Option<Route> {
    if let Some(cluster) = action.take("cluster") {
        route.upstream = find(cluster, clusters);
    } else if let Some(mut weighted) = action.fields("weighted_clusters") {
        weighted.skip("total_weight");
        for share in weighted.items("clusters") {
            let Some(mut share) = share.fields() else { continue };
            let weight = number(&mut share, "weight").unwrap_or(1);
            if let Some(upstream) = share.take("name").and_then(|name| find(name, clusters)) {
                // One without weight gets nothing.
                route
                    .split
                    .extend((weight > 0).then_some(Share { upstream, weight }));
            }
        }
    }
    let names: Vec<String> = route
        .upstream
        .iter()
        .cloned()
        .chain(route.split.iter().map(|share| share.upstream.clone()))
        .collect();
    if names.is_empty() {
        action.note("it leads to no cluster that was imported, and is left out");
        return None;
    }
    route.timeout = limit(&mut action, "timeout");
    // It is for silence of the whole stream there: clients have limits of their own here.
    if let Some(limit) = limit(&mut action, "idle_timeout")
        && any(&names, |name| clusters.set_body_timeout(name, &limit))
    {
        action.note("another route has another `idle_timeout` for the same cluster, and that one counts: upstreams have it here");
    }
    rewrite(&mut action, &mut route);
    let own = action.fields("retry_policy").map(retries);
    if let Some(retries) = own.as_ref().or(of_host)
        && any(&names, |name| clusters.set_retries(name, retries))
    {
        action.note("another route has another `retry_policy` for the same cluster, and that one counts: upstreams have them here");
    }
    for policy in action.items("hash_policy") {
        if let Some(hash) = policy.fields().and_then(hash)
            && any(&names, |name| clusters.set_hash(name, &hash))
        {
            action.note("another `hash_policy` for the same cluster counts: upstreams have one here");
        }
    }
    Some(route)
}

/// Whether something holds for one of the names; it is done for all of them.
fn any(names: &[String], what: impl FnMut(&String) -> bool) -> bool {
    names.iter().map(what).fold(false, |any, holds| any | holds)
}

fn rewrite(action: &mut Fields, route: &mut Route) {
    let mut rewrite = Rewrite {
        host: action.text("host_rewrite_literal"),
        ..Rewrite::default()
    };
    if let Some(prefix) = action.take("prefix_rewrite") {
        // It is what the prefix of the match becomes, or the whole path.
        match (&route.matches.path_prefix, &route.matches.path) {
            (Some(_), _) => rewrite.path_prefix = prefix.text(),
            (None, Some(_)) => rewrite.path = prefix.text(),
            (None, None) if prefix.value() == "/" => prefix.used(),
            (None, None) => prefix.leave_out("the route has no prefix that it could be put in the place of"),
        }
    }
    if rewrite != Rewrite::default() {
        route.rewrite = Some(rewrite);
    }
}

fn import_redirect(mut redirect: Fields) -> Redirect {
    let https = redirect.flag("https_redirect") == Some(true);
    let scheme = redirect.text("scheme_redirect");
    let status = match redirect.text("response_code").as_deref() {
        None | Some("MOVED_PERMANENTLY") => 301,
        Some("FOUND") => 302,
        Some("SEE_OTHER") => 303,
        Some("TEMPORARY_REDIRECT") => 307,
        Some(_) => 308,
    };
    Redirect {
        status,
        scheme: if https { Some("https".to_owned()) } else { scheme },
        host: redirect.text("host_redirect"),
        path: redirect.text("path_redirect"),
        path_prefix: redirect.text("prefix_rewrite"),
        strip_query: redirect.flag("strip_query") == Some(true),
    }
}

fn retries(mut policy: Fields) -> Retries {
    // When a request may be sent again is decided by whether that does harm.
    policy.skip("retry_on");
    let statuses = policy.items("retriable_status_codes").into_iter();
    let statuses = statuses.filter_map(|status| status.text()?.parse().ok());
    Retries {
        attempts: number(&mut policy, "num_retries").or(Some(1)),
        per_try_timeout: duration(&mut policy, "per_try_timeout"),
        statuses: statuses.collect(),
    }
}

fn hash(mut policy: Fields) -> Option<Hash> {
    policy.skip("terminal");
    if let Some(mut header) = policy.fields("header") {
        let header = header.text("header_name")?;
        return Some(Hash::Header(header));
    }
    if let Some(mut cookie) = policy.fields("cookie") {
        return Some(Hash::Cookie(cookie.text("name")?));
    }
    if let Some(mut properties) = policy.fields("connection_properties")
        && properties.flag("source_ip") == Some(true)
    {
        return Some(Hash::Source(true));
    }
    None
}

/// The name of a cluster that was imported.
pub(super) fn find(node: Node, clusters: &Clusters) -> Option<String> {
    let name = node.value().as_str().filter(|name| clusters.get(name).is_some());
    let name = name.map(str::to_owned);
    match name {
        Some(_) => node.used(),
        None => node.leave_out("no cluster of that name was imported"),
    }
    name
}
