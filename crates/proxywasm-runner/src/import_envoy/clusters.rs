//! Clusters: upstreams, if their addresses stand in the file.

use super::durations::period;
use super::node::{Fields, Node};
use super::output::Upstream;
use std::collections::BTreeMap;

/// A cluster that can be reached.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// `HOST:PORT`.
    pub(super) address: String,
    pub(super) connect_timeout: Option<String>,
}

/// All that can be reached, by name.
#[derive(Debug, Default)]
pub(super) struct Clusters(BTreeMap<String, Cluster>);

/// Those whose addresses the file has; the others are found out while Envoy runs.
const WITH_ADDRESSES: [&str; 3] = ["STATIC", "STRICT_DNS", "LOGICAL_DNS"];

// === impl Clusters ===

impl Clusters {
    pub(super) fn add(&mut self, node: Node) {
        let Some(mut fields) = node.fields() else { return };
        let Some(name) = fields.text("name") else {
            fields.note("it has no name, so nobody can use it");
            return;
        };
        let kind = fields.text("type").unwrap_or_else(|| "STATIC".to_owned());
        if !WITH_ADDRESSES.contains(&kind.as_str()) {
            let node = fields.into_node();
            return node.leave_out(format_args!(
                "cluster `{name}` is of type {kind}, whose addresses are not in the file"
            ));
        }
        let connect_timeout = duration(&mut fields, "connect_timeout");
        let Some(address) = fields.fields("load_assignment").and_then(first_address) else {
            fields.note(format!(
                "cluster `{name}` has no address that can be reached, and is left out"
            ));
            return;
        };
        if let Some(transport) = fields.take("transport_socket") {
            transport.leave_out("connections to it are not encrypted");
        }
        let cluster = Cluster {
            address,
            connect_timeout,
        };
        self.0.insert(name, cluster);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Cluster> {
        self.0.get(name)
    }

    /// As upstreams: Envoy lets plugins call every cluster.
    pub(super) fn into_upstreams(self) -> Vec<Upstream> {
        let upstreams = self.0.into_iter();
        upstreams
            .map(|(name, cluster)| Upstream {
                name,
                url: format!("http://{}", cluster.address),
                connect_timeout: cluster.connect_timeout,
            })
            .collect()
    }
}

/// The address of the first endpoint.
fn first_address(mut assignment: Fields) -> Option<String> {
    assignment.skip("cluster_name");
    let mut first = None;
    for locality in assignment.items("endpoints") {
        let Some(mut locality) = locality.fields() else {
            continue;
        };
        for endpoint in locality.items("lb_endpoints") {
            if first.is_some() {
                endpoint.leave_out("an upstream has one address, and it has one already");
                continue;
            }
            let address = endpoint
                .fields()
                .and_then(|mut endpoint| endpoint.fields("endpoint"))
                .and_then(|mut endpoint| endpoint.take("address"));
            first = address.and_then(socket_address);
        }
    }
    first
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
