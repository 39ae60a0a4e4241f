//! Listeners, and the filters of their connections and streams.

use super::Importer;
use super::any::{Typed, unpack};
use super::clusters::{duration, socket_address};
use super::node::{Fields, Node};
use super::output::{Listener, ServerTls, VirtualHost};
use super::{routes, transport};
use std::net::SocketAddr;

/// What is known of a listener while its network filters are looked at.
#[derive(Default)]
struct Chain {
    protocol: Option<&'static str>,
    tls: Option<ServerTls>,
    plugins: Vec<String>,
    /// Of TCP: the name of the cluster.
    upstream: Option<String>,
    virtual_hosts: Vec<VirtualHost>,
    idle_timeout: Option<String>,
}

const CONNECTION_MANAGER: &str = "HttpConnectionManager";
const TCP_PROXY: &str = "TcpProxy";
const WASM: &str = "Wasm";
const ROUTER: &str = "Router";
const UPSTREAM_CODEC: &str = "UpstreamCodec";

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
        let mut listener = Listener {
            address,
            tls: chain.tls.take(),
            plugins: std::mem::take(&mut chain.plugins),
            idle_timeout: chain.idle_timeout.take(),
            ..Listener::default()
        };
        let missing = "no upstream could be imported";
        match chain.protocol {
            Some("http") => route(&mut listener, std::mem::take(&mut chain.virtual_hosts)),
            _ => {
                let Some(cluster) = chain.upstream.and_then(|name| self.clusters.get(&name)) else {
                    return self.notes.push(&path, format!("{missing}, so it is left out"));
                };
                let first = cluster.endpoints.first().map(|endpoint| &endpoint.url);
                if cluster.endpoints.len() > 1 {
                    self.notes.push(
                        &path,
                        "a listener of TCP has one server here, so it gets the first of its cluster",
                    );
                }
                let scheme = if cluster.tls.is_some() { "tls" } else { "tcp" };
                let address = cluster.url.as_ref().or(first);
                let address = address.and_then(|url| url.split_once("://"));
                listener.protocol = Some("tcp");
                listener.upstream = address.map(|(_, address)| format!("{scheme}://{address}"));
                listener.upstream_tls.clone_from(&cluster.tls);
                listener.connect_timeout.clone_from(&cluster.connect_timeout);
            }
        }
        if chain.protocol == Some("http") && listener.routes.is_empty() && listener.virtual_hosts.is_empty() {
            let what = format!("{missing}: the listener answers with the built-in echo");
            self.notes.push(&path, what);
            listener.upstream = Some("echo".to_owned());
        }
        self.output.listeners.push(listener);
    }

    fn chain(&mut self, mut fields: Fields) -> Chain {
        let mut chain = Chain {
            tls: transport::of_clients(&mut fields),
            ..Chain::default()
        };
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
        chain
            .plugins
            .extend(self.http_filters(message.items("http_filters")));
        if let Some(rds) = message.take("rds") {
            rds.leave_out("its routes are not in the file");
        }
        if let Some(routes) = message.fields("route_config") {
            chain.virtual_hosts = routes::virtual_hosts(routes, &mut self.clusters);
        }
    }

    /// The plugins among the HTTP filters of a listener or a cluster.
    pub(super) fn http_filters(&mut self, filters: Vec<Node>) -> Vec<String> {
        let mut plugins = Vec::new();
        for filter in filters {
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
                WASM => plugins.extend(self.plugin_of(message)),
                // They are what a listener, or an upstream, does in any case.
                ROUTER | UPSTREAM_CODEC => drop(message),
                _ => message
                    .into_node()
                    .leave_out(format_args!("there is no filter of type `{kind}`")),
            }
        }
        plugins
    }
}

/// One virtual host for all is said with fewer words.
fn route(listener: &mut Listener, mut hosts: Vec<VirtualHost>) {
    match hosts.pop() {
        Some(only) if hosts.is_empty() && only.hosts == ["*"] => listener.routes = only.routes,
        last => {
            hosts.extend(last);
            listener.virtual_hosts = hosts;
        }
    }
}

/// `Wasm` of `envoy.extensions.filters.http.wasm.v3.Wasm`: it was called otherwise in versions before 3.
fn last_name(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}
