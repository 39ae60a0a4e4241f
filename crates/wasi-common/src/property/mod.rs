//! Properties: what a plugin can ask about its stream, its plugin and the host by a path.
//!
//! Paths and the encodings of values are those that plugins of ABI 0.2.1 know from Envoy.

mod http;
mod value;
mod well_known;

pub use value::PropertyValue;
pub use well_known::is_well_known;

pub(crate) use http::message_property;

use rustc_hash::FxHashMap;

/// A property path: segments joined by NUL. One NUL at the end is ignored.
#[derive(Debug, Clone, Copy)]
pub struct PropertyPath<'a>(&'a [u8]);

/// Properties that plugins have set, by their whole path.
#[derive(Debug, Default)]
pub struct PropertyStore {
    values: FxHashMap<Box<[u8]>, Vec<u8>>,
    bytes: usize,
}

/// Properties of a stream that only the embedder knows: addresses, TLS, the upstream that was chosen.
pub trait PropertySource: Send {
    /// The value at `path`, or `None` where it is not known (yet).
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

// === impl PropertyStore ===

impl PropertyStore {
    /// The value that was set at `path`.
    pub fn get(&self, path: PropertyPath<'_>) -> Option<&[u8]> {
        self.values.get(path.as_bytes()).map(Vec::as_slice)
    }

    /// Sets a value. Returns `false`, and changes nothing, where the store would grow beyond `limit` bytes.
    pub fn set(&mut self, path: PropertyPath<'_>, value: &[u8], limit: usize) -> bool {
        let old = self.get(path).map_or(0, |old| path.as_bytes().len() + old.len());
        let size = self.bytes - old + path.as_bytes().len() + value.len();
        if size > limit {
            return false;
        }
        self.bytes = size;
        self.values.insert(path.as_bytes().into(), value.to_vec());
        true
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if self.bytes > 0 || !self.values.is_empty() {
            *self = Self::default();
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

    #[test]
    fn store_is_bounded_and_forgets() {
        let path = PropertyPath::new(b"mine");
        let mut store = PropertyStore::default();
        assert!(store.set(path, b"123456", 10));
        assert!(store.set(path, b"654321", 10), "replacing needs no more room");
        assert!(!store.set(PropertyPath::new(b"b"), b"1", 10));
        assert!(!store.set(path, b"1234567", 10));
        assert_eq!(store.get(path), Some(&b"654321"[..]));
        store.clear();
        assert_eq!(store.get(path), None);
        assert!(store.set(path, b"123456", 10));
    }
}
