//! Listeners, and the filters of their connections and streams.

use super::Importer;
use super::any::{Typed, unpack};
use super::clusters::{Cluster, duration, socket_address};
use super::node::{Fields, Node};
use super::output::Listener;
use super::routes;
use std::net::SocketAddr;

/// What is known of a listener while its network filters are looked at.
#[derive(Default)]
struct Chain {
    protocol: Option<&'static str>,
    plugins: Vec<String>,
    upstream: Option<Cluster>,
    idle_timeout: Option<String>,
}

const CONNECTION_MANAGER: &str = "HttpConnectionManager";
const TCP_PROXY: &str = "TcpProxy";
const WASM: &str = "Wasm";
const ROUTER: &str = "Router";

impl Importer {
    pub(super) fn listener(&mut self, node: Node) {
        let path = node.path().to_owned();
        let Some(mut fields) = node.fields() else { return };
        let address = fields.take("address");
        let Some(address) = address.and_then(socket_address) else {
            fields.note("a listener without an address is left out");
            return;
        };
        if address.parse::<SocketAddr>().is_err() {
            let node = fields.into_node();
            return node.leave_out(format_args!("`{address}` is no IP address with a port"));
        }
        let mut chains = fields.items("filter_chains");
        chains.extend(fields.take("default_filter_chain"));
        let mut chains = chains.into_iter();
        let chain = chains.next();
        for other in chains {
            other.leave_out("a listener has one filter chain");
        }
        let mut chain = chain
            .and_then(Node::fields)
            .map_or_else(Chain::default, |chain| self.chain(chain));
        if chain.upstream.is_none() {
            let missing = "no upstream could be imported";
            match chain.protocol {
                Some("http") => self.notes.push(
                    &path,
                    format!("{missing}: the listener answers with the built-in echo"),
                ),
                _ => return self.notes.push(&path, format!("{missing}, so it is left out")),
            }
        }
        let (scheme, protocol) = match chain.protocol {
            Some("tcp") => ("tcp", Some("tcp")),
            _ => ("http", None),
        };
        let upstream = chain.upstream.take();
        self.output.listeners.push(Listener {
            address,
            protocol,
            plugins: chain.plugins,
            upstream: upstream.as_ref().map_or_else(
                || "echo".to_owned(),
                |cluster| format!("{scheme}://{}", cluster.address),
            ),
            connect_timeout: upstream.and_then(|cluster| cluster.connect_timeout),
            idle_timeout: chain.idle_timeout,
        });
    }

    fn chain(&mut self, mut fields: Fields) -> Chain {
        let mut chain = Chain::default();
        if let Some(transport) = fields.take("transport_socket") {
            transport.leave_out("connections are taken without TLS");
        }
        for filter in fields.items("filters") {
            let Some(mut filter) = filter.fields() else {
                continue;
            };
            filter.skip("name");
            let Some(typed) = filter.take("typed_config") else {
                filter.into_node().leave_out("it has no `typed_config`");
                continue;
            };
            if let Some(Typed { kind, message }) = unpack(typed) {
                self.network_filter(&mut chain, &kind, message);
            }
        }
        chain
    }

    fn network_filter(&mut self, chain: &mut Chain, kind: &str, mut message: Fields) {
        match last_name(kind) {
            _ if chain.protocol.is_some() => message.into_node().leave_out("it comes after the last filter"),
            CONNECTION_MANAGER => {
                chain.protocol = Some("http");
                if !chain.plugins.is_empty() {
                    let names = std::mem::take(&mut chain.plugins).join("`, `");
                    message.note(format!(
                        "`{names}` left out of the chain: plugins before this filter would see connections, but those of a listener \
                         for HTTP see requests"
                    ));
                }
                self.connection_manager(chain, message);
            }
            TCP_PROXY => {
                chain.protocol = Some("tcp");
                let cluster = message.take("cluster");
                chain.upstream = cluster.and_then(|cluster| routes::find(cluster, &self.clusters));
                chain.idle_timeout = duration(&mut message, "idle_timeout");
            }
            WASM => chain.plugins.extend(self.plugin_of(message)),
            _ => message
                .into_node()
                .leave_out(format_args!("there is no filter of type `{kind}`")),
        }
    }

    fn connection_manager(&mut self, chain: &mut Chain, mut message: Fields) {
        for filter in message.items("http_filters") {
            let Some(mut filter) = filter.fields() else {
                continue;
            };
            filter.skip("name");
            if filter.take("disabled").and_then(Node::flag) == Some(true) {
                filter
                    .into_node()
                    .leave_out("it is off but where a route turns it on");
                continue;
            }
            let Some(typed) = filter.take("typed_config") else {
                filter.into_node().leave_out("it has no `typed_config`");
                continue;
            };
            let Some(Typed { kind, message }) = unpack(typed) else {
                continue;
            };
            match last_name(&kind) {
                WASM => chain.plugins.extend(self.plugin_of(message)),
                // It is what a listener does in any case.
                ROUTER => drop(message),
                _ => message
                    .into_node()
                    .leave_out(format_args!("there is no filter of type `{kind}`")),
            }
        }
        if let Some(rds) = message.take("rds") {
            rds.leave_out("its routes are not in the file");
        }
        let routes = message.fields("route_config");
        chain.upstream = routes.and_then(|routes| routes::upstream(routes, &self.clusters));
    }
}

/// `Wasm` of `envoy.extensions.filters.http.wasm.v3.Wasm`: it was called otherwise in versions before 3.
fn last_name(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}
