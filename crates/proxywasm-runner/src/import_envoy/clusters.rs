//! Clusters: upstreams, if their addresses stand in the file.

use super::durations::period;
use super::node::{Fields, Node};
use super::output::{Endpoint, Hash, Retries, Upstream};
use super::{traffic, transport};
use std::collections::BTreeMap;

/// All clusters that can be reached, by name.
#[derive(Debug, Default)]
pub(super) struct Clusters(BTreeMap<String, Upstream>);

/// How a cluster speaks HTTP.
#[derive(Default)]
struct ProtocolOptions {
    http2: bool,
    filters: Vec<Node>,
}

/// Those whose addresses the file has; the others are found out while Envoy runs.
const WITH_ADDRESSES: [&str; 3] = ["STATIC", "STRICT_DNS", "LOGICAL_DNS"];

const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

// === impl Clusters ===

impl Clusters {
    /// Takes a cluster over. Returns its name and its filters.
    pub(super) fn add(&mut self, node: Node) -> Option<(String, Vec<Node>)> {
        let mut fields = node.fields()?;
        let Some(name) = fields.text("name") else {
            fields.note("it has no name, so nobody can use it");
            return None;
        };
        let kind = fields.text("type").unwrap_or_else(|| "STATIC".to_owned());
        if !WITH_ADDRESSES.contains(&kind.as_str()) {
            let node = fields.into_node();
            node.leave_out(format_args!(
                "cluster `{name}` is of type {kind}, whose addresses are not in the file"
            ));
            return None;
        }
        let options = ProtocolOptions::of(&mut fields);
        let mut upstream = Upstream {
            name: name.clone(),
            connect_timeout: duration(&mut fields, "connect_timeout"),
            tls: transport::to_upstream(&mut fields),
            protocol: options.http2.then_some("http2"),
            balance: balance(&mut fields),
            ..Upstream::default()
        };
        let scheme = if upstream.tls.is_some() { "https" } else { "http" };
        let mut endpoints = fields
            .fields("load_assignment")
            .map(endpoints)
            .unwrap_or_default();
        for endpoint in &mut endpoints {
            endpoint.url = format!("{scheme}://{}", endpoint.url);
        }
        match endpoints.as_slice() {
            [] => {
                fields.note(format!(
                    "cluster `{name}` has no address that can be reached, and is left out"
                ));
                return None;
            }
            [Endpoint { url, .. }] => upstream.url = Some(url.clone()),
            _ => upstream.endpoints = endpoints,
        }
        traffic::import(&mut fields, &mut upstream);
        self.0.insert(name.clone(), upstream);
        Some((name, options.filters))
    }

    /// Its filters were these plugins.
    pub(super) fn set_plugins(&mut self, name: &str, plugins: Vec<String>) {
        if let Some(upstream) = self.0.get_mut(name) {
            upstream.plugins = plugins;
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Upstream> {
        self.0.get(name)
    }

    /// What a route says of trying again is said of an upstream here. Returns whether another route has said something else.
    pub(super) fn set_retries(&mut self, name: &str, retries: &Retries) -> bool {
        let Some(upstream) = self.0.get_mut(name) else {
            return false;
        };
        upstream.retries.get_or_insert_with(|| retries.clone()) != retries
    }

    /// The same for how long nothing may come of a response.
    pub(super) fn set_body_timeout(&mut self, name: &str, limit: &str) -> bool {
        let Some(upstream) = self.0.get_mut(name) else {
            return false;
        };
        let set = upstream
            .response_body_timeout
            .get_or_insert_with(|| limit.to_owned());
        set != limit
    }

    /// The same for what decides where a request goes.
    pub(super) fn set_hash(&mut self, name: &str, hash: &Hash) -> bool {
        match self.0.get_mut(name) {
            Some(upstream) if upstream.balance == Some("hash") => {
                upstream.hash.get_or_insert_with(|| hash.clone()) != hash
            }
            _ => false,
        }
    }

    /// As upstreams: Envoy lets plugins call every cluster.
    pub(super) fn into_upstreams(self) -> Vec<Upstream> {
        let upstreams = self.0.into_values();
        upstreams
            .map(|mut upstream| {
                // Without a key, Envoy's choice is random.
                if upstream.hash.is_none() {
                    upstream.balance = upstream.balance.filter(|balance| *balance != "hash");
                }
                upstream
            })
            .collect()
    }
}

// === impl ProtocolOptions ===

impl ProtocolOptions {
    /// The version of HTTP is in one field from version 3 on, in another before.
    fn of(cluster: &mut Fields) -> Self {
        let mut found = Self::default();
        if let Some(options) = cluster.take("http2_protocol_options") {
            found.http2 = true;
            ignore_empty(Some(options));
        }
        let extensions = cluster.take("typed_extension_protocol_options");
        for (name, options) in extensions.map(Node::entries).unwrap_or_default() {
            let Some(mut options) = (name == PROTOCOL_OPTIONS).then(|| options.fields()).flatten() else {
                continue;
            };
            options.skip("@type");
            found.filters.extend(options.items("http_filters"));
            if let Some(mut explicit) = options.fields("explicit_http_config") {
                if let Some(options) = explicit.take("http2_protocol_options") {
                    found.http2 = true;
                    ignore_empty(Some(options));
                }
                ignore_empty(explicit.take("http_protocol_options"));
            }
            // It is what ALPN decides.
            if let Some(mut auto) = options.fields("auto_config") {
                ignore_empty(auto.take("http2_protocol_options"));
                ignore_empty(auto.take("http_protocol_options"));
            }
        }
        found
    }
}

/// A message without fields says all by being there.
fn ignore_empty(node: Option<Node>) {
    if let Some(node) = node
        && node.value().as_object().is_some_and(serde_json::Map::is_empty)
    {
        node.used();
    }
}

fn balance(fields: &mut Fields) -> Option<&'static str> {
    let policy = fields.take("lb_policy")?;
    let balance = match policy.value().as_str() {
        Some("ROUND_ROBIN") => None,
        Some("LEAST_REQUEST") => Some("least_request"),
        Some("RING_HASH" | "MAGLEV") => Some("hash"),
        Some("RANDOM") => {
            policy.leave_out("servers are chosen one after the other");
            return None;
        }
        _ => return None,
    };
    policy.used();
    balance
}

/// The servers; their URLs lack a scheme.
fn endpoints(mut assignment: Fields) -> Vec<Endpoint> {
    assignment.skip("cluster_name");
    let mut endpoints = Vec::new();
    for locality in assignment.items("endpoints") {
        let Some(mut locality) = locality.fields() else {
            continue;
        };
        for endpoint in locality.items("lb_endpoints") {
            let Some(mut endpoint) = endpoint.fields() else {
                continue;
            };
            let weight = endpoint.text("load_balancing_weight");
            let weight = weight.and_then(|weight| weight.parse().ok());
            let place = endpoint.fields("endpoint");
            let place = place.and_then(|mut place| place.take("address"));
            if let Some(url) = place.and_then(address) {
                let weight = weight.filter(|weight| *weight != 1);
                endpoints.push(Endpoint { url, weight });
            }
        }
    }
    endpoints
}

/// `HOST:PORT`, or `unix:PATH`.
fn address(node: Node) -> Option<String> {
    if node.value().get("pipe").is_some() {
        let path = node.fields()?.fields("pipe")?.text("path")?;
        return Some(format!("unix:{path}"));
    }
    socket_address(node)
}

/// `HOST:PORT` of an address.
pub(super) fn socket_address(node: Node) -> Option<String> {
    let mut address = node.fields()?;
    let Some(mut socket) = address.fields("socket_address") else {
        address.note("only addresses with a host and a port are imported");
        return None;
    };
    let host = socket.text("address")?;
    let Some(port) = socket.text("port_value") else {
        socket.note("its `port_value` is missing");
        return None;
    };
    if let Some(protocol) = socket.take("protocol") {
        match protocol.value().as_str() {
            Some("TCP") => protocol.used(),
            _ => {
                protocol.leave_out("only TCP is spoken");
                return None;
            }
        }
    }
    Some(match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    })
}

/// A duration that our file can say, where 0 is for no bound.
pub(super) fn limit(fields: &mut Fields, name: &str) -> Option<String> {
    let node = fields.take(name)?;
    let limit = node.value().as_str().and_then(|text| match text {
        "0s" => Some("never".to_owned()),
        text => period(text),
    });
    match limit {
        Some(_) => node.used(),
        None => node.leave_out("a duration from a microsecond up is expected, or 0, and the default holds"),
    }
    limit
}

/// A duration that our file can say.
pub(super) fn duration(fields: &mut Fields, name: &str) -> Option<String> {
    let node = fields.take(name)?;
    match node.value().as_str().map(period) {
        Some(Some(period)) => {
            node.used();
            Some(period)
        }
        _ => {
            node.leave_out("a duration from a microsecond up is expected, and the default holds");
            None
        }
    }
}

/// A whole number.
pub(super) fn number(fields: &mut Fields, name: &str) -> Option<u64> {
    let node = fields.take(name)?;
    let number = node.value().as_u64();
    match number {
        Some(_) => node.used(),
        None => node.leave_out("a whole number is expected, and the default holds"),
    }
    number
}
