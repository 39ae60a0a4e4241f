//! Bounds on what a plugin can make the host hold.

/// Bounds of one plugin; past one, the hostcall answers `unavailable` and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bounds of each header, trailer and metadata map.
    pub map: MapLimits,
    /// Bytes of a body, or of a byte stream, that are held for one plugin, in each direction, while it pauses or waits. One mebibyte.
    pub held_body_bytes: usize,
    /// Bytes to which a plugin may grow a body buffer by writing to it. 64 mebibytes.
    pub written_body_bytes: usize,
    /// Bytes that one hostcall may hand over in all its arguments that are gathered from several places. 64 mebibytes.
    pub argument_bytes: usize,
    /// Bytes of all properties, keys and values, that are set on one stream, or on one plugin. 256 kibibytes.
    pub property_bytes: usize,
    /// Live handles (stores, queues, timers, metrics, results of functions) of each kind for one plugin. 4096.
    pub handles: usize,
    /// Callouts of one plugin that have not ended. 1024.
    pub callouts: usize,
    /// Bytes that are held of one callout: of the body of an answer that is collected, of a gRPC message, of what waits to be sent on a
    /// gRPC stream. 4 mebibytes.
    pub callout_bytes: usize,
    /// The same of all callouts of one plugin together, and of requests that have not been answered. 64 mebibytes.
    pub callouts_bytes: usize,
}

/// Bounds of one map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MapLimits {
    /// Pairs, duplicates counted. 16384.
    pub pairs: usize,
    /// Bytes of all keys and values. One mebibyte.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            map: MapLimits::default(),
            held_body_bytes: 1 << 20,
            written_body_bytes: 64 << 20,
            argument_bytes: 64 << 20,
            property_bytes: 256 << 10,
            handles: 4096,
            callouts: 1024,
            callout_bytes: 4 << 20,
            callouts_bytes: 64 << 20,
        }
    }
}

impl Default for MapLimits {
    fn default() -> Self {
        Self {
            pairs: 16_384,
            bytes: 1 << 20,
        }
    }
}
