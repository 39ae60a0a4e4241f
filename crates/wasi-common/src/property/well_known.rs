//! The catalogue of properties that belong to the host: their names are those that plugins of ABI 0.2.1 know from Envoy.

use super::PropertyPath;

/// A property that belongs to the host, whether or not a host knows its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WellKnown {
    /// Its path, the segments joined by dots; `NAME` stands for any last segment, as of one header.
    pub path: &'static str,
    /// The type of its value, and so its encoding.
    pub kind: PropertyKind,
    /// From when on it can be read.
    pub since: Since,
    /// Who knows it.
    pub known_by: KnownBy,
}

/// Types of properties. [`PropertyValue`](super::PropertyValue) says how each is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyKind {
    /// Text, which need not be UTF-8.
    Text,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    Uint,
    /// A boolean.
    Bool,
    /// A point in time.
    Timestamp,
    /// A length of time.
    Duration,
    /// Names and values.
    Map,
    /// A protocol buffer message.
    Message,
}

/// From when on a property can be read. All stay readable until the stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Since {
    /// Always, also for no stream.
    Always,
    /// From the begin of a stream.
    Stream,
    /// From the request head, of an HTTP stream.
    RequestHead,
    /// From when an upstream was chosen and connected to: with an HTTP stream hence from the response on, unless a plugin answers.
    Upstream,
    /// From the response head, of an HTTP stream.
    ResponseHead,
    /// From the response trailers, if there are any.
    ResponseTrailers,
    /// When the stream has ended.
    End,
}

/// Who knows a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownBy {
    /// The settings of the plugin.
    Plugin,
    /// The message itself: [`Common::property`](crate::Common::property) answers for every host.
    Stream,
    /// The driver of the stream, by [`PropertySource`](super::PropertySource), if it knows.
    Driver,
    /// The configuration of the host, if it says so, by [`Common::process_properties`](crate::Common::process_properties).
    Configuration,
    /// Nobody: it is reserved, and not found.
    Nobody,
}

/// Every property that belongs to the host. A plugin cannot set what begins with the first segment of one, so that no plugin can make
/// another believe something about a connection.
pub const WELL_KNOWN: &[WellKnown] = {
    use KnownBy::{Configuration, Driver, Nobody, Plugin, Stream as Message};
    use PropertyKind::{Bool, Duration, Int, Map, Message as Proto, Text, Timestamp, Uint};
    use Since::{Always, End, RequestHead, ResponseHead, ResponseTrailers, Stream, Upstream};
    &[
        row("plugin_name", Text, Always, Plugin),
        row("plugin_root_id", Text, Always, Plugin),
        row("plugin_vm_id", Text, Always, Plugin),
        row("node.id", Text, Always, Configuration),
        row("node.cluster", Text, Always, Configuration),
        row("node.metadata", Map, Always, Configuration),
        row("node.metadata.NAME", Text, Always, Configuration),
        row("request.path", Text, RequestHead, Message),
        row("request.url_path", Text, RequestHead, Message),
        row("request.query", Text, RequestHead, Message),
        row("request.host", Text, RequestHead, Message),
        row("request.scheme", Text, RequestHead, Message),
        row("request.method", Text, RequestHead, Message),
        row("request.headers", Map, RequestHead, Message),
        row("request.headers.NAME", Text, RequestHead, Message),
        row("request.headers_bytes", Int, RequestHead, Message),
        row("request.referer", Text, RequestHead, Message),
        row("request.useragent", Text, RequestHead, Message),
        row("request.id", Text, RequestHead, Message),
        row("request.size", Int, RequestHead, Message),
        row("request.total_size", Int, RequestHead, Message),
        row("request.protocol", Text, Stream, Driver),
        row("request.time", Timestamp, Stream, Driver),
        row("request.duration", Duration, End, Message),
        row("response.code", Int, ResponseHead, Message),
        row("response.code_details", Text, ResponseHead, Message),
        row("response.headers", Map, ResponseHead, Message),
        row("response.headers.NAME", Text, ResponseHead, Message),
        row("response.headers_bytes", Int, ResponseHead, Message),
        row("response.size", Int, ResponseHead, Message),
        row("response.total_size", Int, ResponseHead, Message),
        row("response.grpc_status", Int, ResponseHead, Message),
        row("response.trailers", Map, ResponseTrailers, Message),
        row("response.trailers.NAME", Text, ResponseTrailers, Message),
        row("response.backend_latency", Duration, ResponseHead, Message),
        row("response.flags", Int, Stream, Driver),
        row("connection.id", Uint, Stream, Driver),
        row("connection_id", Uint, Stream, Driver),
        row("connection.mtls", Bool, Stream, Driver),
        row("connection.requested_server_name", Text, Stream, Driver),
        row("connection.tls_version", Text, Stream, Driver),
        row("connection.subject_local_certificate", Text, Stream, Driver),
        row("connection.subject_peer_certificate", Text, Stream, Driver),
        row("connection.dns_san_local_certificate", Text, Stream, Driver),
        row("connection.dns_san_peer_certificate", Text, Stream, Driver),
        row("connection.uri_san_local_certificate", Text, Stream, Driver),
        row("connection.uri_san_peer_certificate", Text, Stream, Driver),
        row("connection.sha256_peer_certificate_digest", Text, Stream, Driver),
        row("connection.peer_certificate", Text, Stream, Driver),
        row("connection.transport_failure_reason", Text, Stream, Nobody),
        row("connection.termination_details", Text, End, Nobody),
        row("source.address", Text, Stream, Driver),
        row("source.port", Int, Stream, Driver),
        row("destination.address", Text, Stream, Driver),
        row("destination.port", Int, Stream, Driver),
        row("upstream.address", Text, Upstream, Driver),
        row("upstream.port", Int, Upstream, Driver),
        row("upstream.local_address", Text, Upstream, Driver),
        row("upstream.local_port", Int, Upstream, Driver),
        row("upstream.request_attempt_count", Uint, Upstream, Driver),
        row("upstream.num_endpoints", Uint, Upstream, Driver),
        row("upstream.tls_version", Text, Upstream, Driver),
        row("upstream.subject_local_certificate", Text, Upstream, Nobody),
        row("upstream.subject_peer_certificate", Text, Upstream, Driver),
        row("upstream.dns_san_local_certificate", Text, Upstream, Nobody),
        row("upstream.dns_san_peer_certificate", Text, Upstream, Driver),
        row("upstream.uri_san_local_certificate", Text, Upstream, Nobody),
        row("upstream.uri_san_peer_certificate", Text, Upstream, Driver),
        row("upstream.sha256_peer_certificate_digest", Text, Upstream, Driver),
        row("upstream.peer_certificate", Text, Upstream, Nobody),
        row("upstream.transport_failure_reason", Text, Upstream, Driver),
        row("upstream.cx_pool_ready_duration", Duration, Upstream, Nobody),
        row("upstream.locality", Proto, Upstream, Nobody),
        row("cluster_name", Text, Upstream, Driver),
        row("cluster_metadata", Proto, Upstream, Nobody),
        row("route_name", Text, RequestHead, Driver),
        row("route_metadata", Proto, RequestHead, Nobody),
        row("virtual_host_name", Text, RequestHead, Driver),
        row("virtual_host_metadata", Proto, RequestHead, Nobody),
        row("listener_direction", Int, Stream, Driver),
        row("listener_metadata", Proto, Stream, Nobody),
        row("filter_chain_name", Text, Stream, Nobody),
        row("upstream_host_metadata", Proto, Upstream, Nobody),
        row("upstream_host_locality_metadata", Proto, Upstream, Nobody),
        row("metadata", Proto, Stream, Nobody),
        row("filter_state", Map, Stream, Message),
        row("filter_state.NAME", Text, Stream, Message),
        row("upstream_filter_state", Map, Stream, Nobody),
    ]
};

/// The first segment of the second spelling that some properties have: `xds.node.id` is `node.id`.
pub const XDS: &[u8] = b"xds";

/// First segments that have that second spelling.
pub(crate) const UNDER_XDS: &[&[u8]] = &[
    b"cluster_metadata",
    b"cluster_name",
    b"filter_chain_name",
    b"listener_direction",
    b"listener_metadata",
    b"node",
    b"route_metadata",
    b"route_name",
    b"upstream_host_locality_metadata",
    b"upstream_host_metadata",
    b"virtual_host_metadata",
    b"virtual_host_name",
];

const fn row(path: &'static str, kind: PropertyKind, since: Since, known_by: KnownBy) -> WellKnown {
    WellKnown {
        path,
        kind,
        since,
        known_by,
    }
}

// === impl WellKnown ===

impl WellKnown {
    /// The first segment.
    pub fn root(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(root, _)| root)
    }

    /// What follows the first segment, if that is one name.
    pub fn member(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('.')?;
        (!rest.contains('.') && rest != "NAME").then_some(rest)
    }

    /// Whether it can be spelt with `xds` before it, too.
    pub fn is_under_xds(&self) -> bool {
        UNDER_XDS.contains(&self.root().as_bytes())
    }
}

/// Whether paths that begin with `segment` belong to the host.
pub fn is_well_known(segment: &[u8]) -> bool {
    segment == XDS || WELL_KNOWN.iter().any(|row| row.root().as_bytes() == segment)
}

/// The one spelling under which a property is known.
pub(crate) fn canonical(path: PropertyPath<'_>) -> PropertyPath<'_> {
    match path.split_first() {
        (XDS, Some(rest)) if UNDER_XDS.contains(&rest.split_first().0) => rest,
        _ => path,
    }
}

/// The paths of the single values below a first segment, each with its last name: of `source` it is `address` and `port`. None
/// where the segment is a value itself.
pub fn members(root: &[u8]) -> impl Iterator<Item = &'static str> {
    let of_root = move |row: &&WellKnown| row.root().as_bytes() == root;
    WELL_KNOWN
        .iter()
        .filter(of_root)
        .filter(|row| row.known_by != KnownBy::Nobody)
        .filter_map(WellKnown::member)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_host() {
        for name in ["request", "xds", "node", "filter_state", "plugin_name"] {
            assert!(is_well_known(name.as_bytes()), "{name}");
        }
        for name in ["mine", "", "request.path", "NAME"] {
            assert!(!is_well_known(name.as_bytes()), "{name}");
        }
        for name in UNDER_XDS {
            assert!(is_well_known(name), "{}", name.escape_ascii());
        }
        let mut paths: Vec<_> = WELL_KNOWN.iter().map(|row| row.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), WELL_KNOWN.len(), "a path stands twice");
    }

    #[test]
    fn spellings() {
        let table = [
            ("xds\0node\0id", "node\0id"),
            ("xds\0route_name", "route_name"),
            ("xds\0request\0path", "xds\0request\0path"),
            ("xds", "xds"),
            ("node\0id", "node\0id"),
        ];
        for (path, expected) in table {
            let canonical = canonical(PropertyPath::new(path.as_bytes()));
            assert_eq!(canonical.as_bytes(), expected.as_bytes(), "{path:?}");
        }
    }

    #[test]
    fn members_of_namespaces() {
        let table = [
            ("source", vec!["address", "port"]),
            ("node", vec!["id", "cluster", "metadata"]),
            ("plugin_name", vec![]),
            ("filter_state", vec![]),
            ("mine", vec![]),
        ];
        for (root, expected) in table {
            assert_eq!(members(root.as_bytes()).collect::<Vec<_>>(), expected, "{root}");
        }
    }
}
