//! What plugins can ask about a connection: the properties that only the proxy knows.

use proxywasm_host::{PropertyPath, PropertySource, PropertyValue};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// A connection of a client.
#[derive(Debug)]
pub(crate) struct ConnectionProperties {
    id: u64,
    source: SocketAddr,
    destination: SocketAddr,
    /// That of the stream at hand: HTTP/1.1 has one at a time.
    upstream: Mutex<Option<SocketAddr>>,
    /// The name of the stream's route.
    route: Mutex<Option<Arc<str>>>,
}

/// A connection as plugins see it that take it for bytes.
#[derive(Debug)]
pub(crate) struct BytestreamProperties(pub(crate) Arc<ConnectionProperties>);

/// A request on a connection.
#[derive(Debug)]
pub(crate) struct StreamProperties {
    connection: Arc<ConnectionProperties>,
    protocol: &'static str,
    received: SystemTime,
}

// === impl ConnectionProperties ===

impl ConnectionProperties {
    /// A connection from `source`, accepted at `destination`, under an id that no other of this process has.
    pub(crate) fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            source,
            destination,
            upstream: Mutex::new(None),
            route: Mutex::new(None),
        }
    }

    /// The address of the client.
    pub(crate) fn source(&self) -> SocketAddr {
        self.source
    }

    /// The route was chosen.
    pub(crate) fn set_route(&self, name: Option<Arc<str>>) {
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    fn route(&self) -> Option<Arc<str>> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The upstream was chosen.
    pub(crate) fn set_upstream(&self, address: Option<SocketAddr>) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn upstream(&self) -> Option<SocketAddr> {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PropertySource for ConnectionProperties {
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        let address = |address: SocketAddr| Some(address.to_string().into());
        let port = |address: SocketAddr| Some(PropertyValue::Int(i64::from(address.port())));
        match path.as_bytes() {
            b"source\0address" => address(self.source),
            b"source\0port" => port(self.source),
            b"destination\0address" => address(self.destination),
            b"destination\0port" => port(self.destination),
            b"upstream\0address" => address(self.upstream()?),
            b"upstream\0port" => port(self.upstream()?),
            b"route_name" | b"xds\0route_name" => Some((&*self.route()?).into()),
            b"connection_id" | b"connection\0id" => Some(PropertyValue::Uint(self.id)),
            b"connection\0mtls" => Some(PropertyValue::Bool(false)),
            _ => None,
        }
    }
}

impl PropertySource for BytestreamProperties {
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        self.0.property(path)
    }
}

// === impl StreamProperties ===

impl StreamProperties {
    /// A stream whose head came just now.
    pub(crate) fn new(connection: Arc<ConnectionProperties>, version: http::Version) -> Self {
        connection.set_upstream(None);
        let protocol = if version == http::Version::HTTP_10 {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        };
        Self {
            connection,
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
            _ => self.connection.property(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let source: SocketAddr = "192.0.2.1:1000".parse().unwrap();
        let destination: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        let connection = Arc::new(ConnectionProperties::new(source, destination));
        let properties = StreamProperties::new(Arc::clone(&connection), http::Version::HTTP_10);
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
        connection.set_upstream(Some(destination));
        assert_eq!(get("upstream\0port"), Some(PropertyValue::Int(80)));
        let bytes = BytestreamProperties(connection);
        let get = |path: &str| bytes.property(PropertyPath::new(path.as_bytes()));
        assert_eq!(get("upstream\0address"), Some("[2001:db8::1]:80".into()));
        assert_eq!(get("request\0time"), None, "bytes are no request");
    }
}
