//! What plugins can ask about a connection: the properties that only the proxy knows.

mod outcome;

pub(crate) use outcome::Outcome;

use crate::cluster::Shared;
use crate::routing::Route;
use crate::tls::TlsSession;
use crate::transport::Address;
use crate::upstream::{ConnectError, ProxyVersion, proxy_header};
use proxywasm_host::{PropertyPath, PropertySource, PropertyValue};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct ConnectionProperties {
    id: u64,
    source: Address,
    destination: Address,
    tls: Option<TlsSession>,
}

/// Where a stream goes, once it is known.
#[derive(Debug, Default)]
pub(crate) struct UpstreamProperties(Mutex<Way>);

#[derive(Debug, Default)]
struct Way {
    /// The name of its route.
    route: Option<Arc<str>>,
    virtual_host: Option<Arc<str>>,
    upstream: Option<NamedUpstream>,
    /// What the upstream of a listener is called, which has no name.
    unnamed: Option<String>,
    connection: Option<Arc<UpstreamConnection>>,
    /// Why there was no connection, the last time.
    failure: Option<String>,
    outcome: Option<Outcome>,
}

/// A connection to an upstream.
#[derive(Debug)]
pub(crate) struct UpstreamConnection {
    pub(crate) address: Address,
    pub(crate) local: Option<Address>,
    pub(crate) tls: Option<TlsSession>,
}

/// What was told of the way of a stream, for the access log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) route: Option<Arc<str>>,
    pub(crate) upstream: Option<String>,
    pub(crate) attempts: Option<u64>,
    pub(crate) address: Option<Address>,
}

/// An upstream with a name, and how it is used for a request.
#[derive(Debug)]
pub(crate) struct NamedUpstream {
    pub(crate) shared: Arc<Shared>,
    /// Servers that it has now.
    pub(crate) endpoints: u64,
    /// Servers to which the request was sent, this one included.
    pub(crate) attempts: u64,
}

/// A connection as plugins see it that take it for bytes.
#[derive(Debug)]
pub(crate) struct BytestreamProperties {
    pub(crate) connection: Arc<ConnectionProperties>,
    pub(crate) upstream: Arc<UpstreamProperties>,
}

/// A request on a connection.
#[derive(Debug)]
pub(crate) struct StreamProperties {
    connection: Arc<ConnectionProperties>,
    upstream: Arc<UpstreamProperties>,
    protocol: &'static str,
    received: SystemTime,
}

// === impl ConnectionProperties ===

impl ConnectionProperties {
    /// A connection from `source`, accepted at `destination`, under an id that no other of this process has.
    pub(crate) fn new(source: Address, destination: Address) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            source,
            destination,
            tls: None,
        }
    }

    /// Where the client is.
    pub(crate) fn source(&self) -> &Address {
        &self.source
    }

    /// It is one of TLS.
    pub(crate) fn set_tls(&mut self, session: TlsSession) {
        self.tls = Some(session);
    }

    /// What was agreed on, if it is one of TLS.
    pub(crate) fn tls(&self) -> Option<&TlsSession> {
        self.tls.as_ref()
    }

    /// What tells an upstream of it by the PROXY protocol.
    pub(crate) fn proxy_header(&self, version: ProxyVersion) -> io::Result<Vec<u8>> {
        proxy_header(version, &self.source, &self.destination)
    }

    /// Whether it is one of TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl PropertySource for ConnectionProperties {
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        match path.as_bytes() {
            // Listeners are not told apart by it, which is what Envoy calls 0.
            b"listener_direction" => Some(PropertyValue::Int(0)),
            b"source\0address" => Some(self.source.to_string().into()),
            b"source\0port" => port(&self.source),
            b"destination\0address" => Some(self.destination.to_string().into()),
            b"destination\0port" => port(&self.destination),
            b"connection_id" | b"connection\0id" => Some(PropertyValue::Uint(self.id)),
            path => {
                let name = path.strip_prefix(b"connection\0")?;
                match &self.tls {
                    Some(session) => session.property(name),
                    None => (name == b"mtls").then_some(PropertyValue::Bool(false)),
                }
            }
        }
    }
}

// === impl UpstreamProperties ===

impl UpstreamProperties {
    /// The route was chosen.
    pub(crate) fn set_route(&self, route: Option<&Route>) {
        let mut way = self.way();
        way.route = route.and_then(|route| route.name.clone());
        way.virtual_host = route.and_then(|route| route.virtual_host.clone());
    }

    /// The upstream was chosen, or tried again.
    pub(crate) fn set_upstream(&self, upstream: NamedUpstream) {
        self.way().upstream = Some(upstream);
    }

    /// The connection was chosen.
    pub(crate) fn set(&self, connection: Arc<UpstreamConnection>) {
        self.way().connection = Some(connection);
    }

    /// There is no connection.
    pub(crate) fn set_failure(&self, error: &ConnectError) {
        self.way().failure = Some(error.to_string());
    }

    /// The proxy itself answers.
    pub(crate) fn set_outcome(&self, outcome: Outcome) {
        self.way().outcome = Some(outcome);
    }

    /// How it came that the proxy answers, if it does.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.way().outcome
    }

    /// The upstream has no name, but is called so.
    pub(crate) fn set_unnamed(&self, called: &str) {
        self.way().unnamed = Some(called.to_owned());
    }

    /// What was told so far.
    pub(crate) fn told(&self) -> Told {
        let way = self.way();
        let named = way.upstream.as_ref();
        Told {
            route: way.route.clone(),
            upstream: named
                .map(|upstream| upstream.shared.name().to_owned())
                .or_else(|| way.unnamed.clone()),
            attempts: named.map(|upstream| upstream.attempts),
            address: way
                .connection
                .as_ref()
                .map(|connection| connection.address.clone()),
        }
    }

    /// What was told so far, as a property.
    pub(crate) fn property(&self, path: &[u8]) -> Option<PropertyValue> {
        let way = self.way();
        match path {
            b"route_name" | b"xds\0route_name" => Some((&**way.route.as_ref()?).into()),
            b"virtual_host_name" => Some((&**way.virtual_host.as_ref()?).into()),
            b"response\0flags" => {
                let flags = way.outcome.map_or(0, |outcome| outcome.flags);
                Some(PropertyValue::Int(flags))
            }
            b"cluster_name" => {
                let upstream = way.upstream.as_ref()?;
                Some(upstream.shared.name().into())
            }
            b"upstream\0num_endpoints" => Some(PropertyValue::Uint(way.upstream.as_ref()?.endpoints)),
            b"upstream\0request_attempt_count" => Some(PropertyValue::Uint(way.upstream.as_ref()?.attempts)),
            b"upstream\0transport_failure_reason" => Some(way.failure.as_deref()?.into()),
            path => way
                .connection
                .as_ref()?
                .property(path.strip_prefix(b"upstream\0")?),
        }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl UpstreamConnection ===

impl UpstreamConnection {
    /// A property by its name in `upstream`.
    fn property(&self, name: &[u8]) -> Option<PropertyValue> {
        match name {
            b"address" => Some(self.address.to_string().into()),
            b"port" => port(&self.address),
            b"local_address" => Some(self.local.as_ref()?.ip()?.to_string().into()),
            b"local_port" => port(self.local.as_ref()?),
            // What only the other side of a connection has.
            b"mtls" | b"requested_server_name" => None,
            name => self.tls.as_ref()?.property(name),
        }
    }
}

// === impl BytestreamProperties ===

impl PropertySource for BytestreamProperties {
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        let upstream = self.upstream.property(path.as_bytes());
        upstream.or_else(|| self.connection.property(path))
    }
}

// === impl StreamProperties ===

impl StreamProperties {
    /// A stream whose head came just now.
    pub(crate) fn new(
        connection: Arc<ConnectionProperties>,
        upstream: Arc<UpstreamProperties>,
        version: http::Version,
    ) -> Self {
        let protocol = match version {
            http::Version::HTTP_10 => "HTTP/1.0",
            http::Version::HTTP_2 => "HTTP/2",
            _ => "HTTP/1.1",
        };
        Self {
            connection,
            upstream,
            protocol,
            received: SystemTime::now(),
        }
    }
}

impl PropertySource for StreamProperties {
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        match path.as_bytes() {
            b"request\0protocol" => Some(self.protocol.into()),
            b"request\0time" => Some(PropertyValue::Timestamp(self.received)),
            path_bytes => {
                let upstream = self.upstream.property(path_bytes);
                upstream.or_else(|| self.connection.property(path))
            }
        }
    }
}

fn port(address: &Address) -> Option<PropertyValue> {
    let port = address.ip()?.port();
    Some(PropertyValue::Int(i64::from(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn answers() {
        let source: SocketAddr = "192.0.2.1:1000".parse().unwrap();
        let destination: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        let connection = Arc::new(ConnectionProperties::new(source.into(), destination.into()));
        let upstream = Arc::new(UpstreamProperties::default());
        let properties = StreamProperties::new(
            Arc::clone(&connection),
            Arc::clone(&upstream),
            http::Version::HTTP_10,
        );
        let get = |path: &str| properties.property(PropertyPath::new(path.as_bytes()));
        let table = [
            ("source\0address", Some("192.0.2.1:1000".into())),
            ("source\0port", Some(PropertyValue::Int(1000))),
            ("destination\0address", Some("[2001:db8::1]:80".into())),
            ("destination\0port", Some(PropertyValue::Int(80))),
            ("connection\0mtls", Some(PropertyValue::Bool(false))),
            ("request\0protocol", Some("HTTP/1.0".into())),
            ("upstream\0address", None),
            ("source", None),
            ("nothing", None),
        ];
        for (path, expected) in table {
            assert_eq!(get(path), expected, "{path:?}");
        }
        assert!(matches!(get("request\0time"), Some(PropertyValue::Timestamp(_))));
        assert_eq!(get("connection_id"), get("connection\0id"));
        assert_eq!(get("response\0flags"), Some(PropertyValue::Int(0)));
        upstream.set_outcome(Outcome::NO_ROUTE);
        assert_eq!(get("response\0flags"), Some(PropertyValue::Int(256)));
        upstream.set(Arc::new(UpstreamConnection {
            address: destination.into(),
            local: Some(source.into()),
            tls: None,
        }));
        assert_eq!(get("upstream\0port"), Some(PropertyValue::Int(80)));
        assert_eq!(get("upstream\0local_port"), Some(PropertyValue::Int(1000)));
        assert_eq!(get("upstream\0tls_version"), None);
        let bytes = BytestreamProperties { connection, upstream };
        let get = |path: &str| bytes.property(PropertyPath::new(path.as_bytes()));
        assert_eq!(get("upstream\0address"), Some("[2001:db8::1]:80".into()));
        assert_eq!(get("request\0time"), None, "bytes are no request");
    }
}
