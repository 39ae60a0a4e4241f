//! The names that belong to the host.

/// First segments of the paths that a host may answer. A plugin cannot set properties below them, whether or not this host knows
/// the value, so that no plugin can make another believe something about a connection.
const ROOTS: &[&[u8]] = &[
    b"cluster_metadata",
    b"cluster_name",
    b"connection",
    b"connection_id",
    b"destination",
    b"filter_state",
    b"listener_direction",
    b"listener_metadata",
    b"metadata",
    b"node",
    b"plugin_name",
    b"plugin_root_id",
    b"plugin_vm_id",
    b"request",
    b"response",
    b"route_metadata",
    b"route_name",
    b"source",
    b"upstream",
    b"upstream_filter_state",
    b"upstream_host_metadata",
    b"virtual_host_name",
    b"xds",
];

/// Whether paths that begin with `segment` belong to the host.
pub fn is_well_known(segment: &[u8]) -> bool {
    ROOTS.binary_search(&segment).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted() {
        assert!(ROOTS.is_sorted());
        assert!(is_well_known(b"request") && is_well_known(b"xds") && !is_well_known(b"mine"));
    }
}
