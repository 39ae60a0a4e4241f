//! Properties: what a plugin can ask about its stream, its plugin and the host by a path.
//!
//! Paths and the encodings of values are those that plugins of ABI 0.2.1 know from Envoy.

mod http;
mod store;
mod value;
mod well_known;

pub use store::{Declaration, Declarations, PropertyStore};
pub use value::PropertyValue;
pub use well_known::{KnownBy, PropertyKind, Since, WELL_KNOWN, WellKnown, XDS, is_well_known, members};

pub(crate) use http::message_property;
pub(crate) use well_known::{UNDER_XDS, canonical};

/// A property path: segments joined by NUL. One NUL at the end is ignored.
#[derive(Debug, Clone, Copy)]
pub struct PropertyPath<'a>(&'a [u8]);

/// Properties that only the embedder knows: of a stream, as addresses, TLS, the upstream that was chosen; or of the process.
pub trait PropertySource: Send {
    /// The value at `path`, which has the spelling of [`WELL_KNOWN`], or `None` where it is not known (yet).
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue>;
}

// === impl PropertyPath ===

impl<'a> PropertyPath<'a> {
    /// Reads a path from its bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.strip_suffix(&[0]).unwrap_or(bytes))
    }

    /// The bytes, without a NUL at the end.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The segments.
    pub fn segments(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|byte| *byte == 0)
    }

    /// The first segment and the path behind it.
    pub fn split_first(self) -> (&'a [u8], Option<PropertyPath<'a>>) {
        match self.0.iter().position(|byte| *byte == 0) {
            Some(at) => {
                let (first, rest) = self.0.split_at(at);
                (first, rest.get(1..).map(PropertyPath))
            }
            None => (self.0, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let table: &[(&[u8], &[&[u8]])] = &[
            (b"request\0path", &[b"request", b"path"]),
            (b"request\0path\0", &[b"request", b"path"]),
            (b"request.path", &[b"request.path"]),
            (b"", &[b""]),
            (b"a\0\0b", &[b"a", b"", b"b"]),
        ];
        for (bytes, segments) in table {
            let path = PropertyPath::new(bytes);
            assert_eq!(&path.segments().collect::<Vec<_>>(), segments);
            let (first, rest) = path.split_first();
            assert_eq!(first, segments[0]);
            assert_eq!(rest.is_some(), segments.len() > 1);
        }
    }
}
