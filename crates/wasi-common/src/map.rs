//! The ordered byte map: header and trailer maps as a proxy needs them.

use std::fmt;

/// An ordered multi-map of byte strings: the form in which plugins see headers, trailers and metadata.
///
/// Keys are stored in lower case and looked up case-insensitively. Duplicates and their order are kept. Pseudo-headers
/// (keys that begin with `:`) always precede regular ones. Values are any bytes, also none at all.
///
/// All bytes live in one block, so that filling, packing and clearing a map cost few allocations.
#[derive(Clone, Default)]
pub struct ByteMap {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    live: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    key: u32,
    value: u32,
}

/// Bytes of removed pairs that a map may keep before it compacts itself.
const SLACK: usize = 4096;

// === impl ByteMap ===

impl ByteMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of pairs, duplicates counted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of all keys and values together.
    pub fn byte_len(&self) -> usize {
        self.live
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.entries.iter().map(|entry| self.pair(entry))
    }

    /// The lengths of the keys and values of all pairs, in order.
    pub(crate) fn lengths(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        let lengths = |entry: &Entry| (entry.key as usize, entry.value as usize);
        self.entries.iter().map(lengths)
    }

    /// The bytes of all pairs in order, where they lie like that, with nothing between.
    pub(crate) fn block(&self) -> Option<&[u8]> {
        let mut end = 0;
        let follows = |entry: &Entry| {
            let starts = std::mem::replace(&mut end, entry.start + entry.key + entry.value);
            entry.start == starts
        };
        if self.entries.iter().all(follows) {
            self.bytes.get(..end as usize)
        } else {
            None
        }
    }

    /// The first value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    }

    /// Every value of `key` in order.
    pub fn get_all<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
        let pairs = self.entries.iter().map(|entry| self.pair(entry));
        pairs
            .filter(move |(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    }

    /// Adds a pair behind those that are there; a pseudo-header goes behind the last pseudo-header.
    ///
    /// A map holds at most 4 GiB; a pair that would pass that is dropped, which the bounds of [`crate::limits::MapLimits`] keep
    /// from ever happening.
    pub fn append(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.append_lower(key, value);
        if let Some(stored) = self.bytes.get_mut(start..start + key.len()) {
            stored.make_ascii_lowercase();
        }
    }

    /// [`ByteMap::append`] for a key that is in lower case already.
    #[inline]
    pub fn append_lower(&mut self, key: &[u8], value: &[u8]) {
        let Some(entry) = self.push_bytes(key, value) else {
            return;
        };
        if self.goes_before_regular(key) {
            let regular = self.entries.iter().position(|entry| !self.is_pseudo(entry));
            self.entries.insert(regular.unwrap_or(self.entries.len()), entry);
        } else {
            self.entries.push(entry);
        }
    }

    /// Adds pairs at the end whose keys are in lower case already, and that are in the order of this map: pseudo-headers first.
    #[inline]
    pub(crate) fn extend_in_order<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        for (key, value) in pairs {
            if let Some(entry) = self.push_bytes(key, value) {
                debug_assert!(
                    !self.goes_before_regular(key),
                    "a pseudo-header behind regular ones"
                );
                self.entries.push(entry);
            }
        }
    }

    /// Replaces every value of `key` by one, in the place of the first; appends where there was none.
    pub fn set(&mut self, key: &[u8], value: &[u8]) {
        let Some(place) = self.entries.iter().position(|entry| self.key_is(entry, key)) else {
            return self.append(key, value);
        };
        self.remove(key);
        let before = self.entries.len();
        self.append(key, value);
        // `append` put it at the end of its block; take it back to where the first one was.
        if self.entries.len() > before
            && key.first() != Some(&b':')
            && let Some(entry) = self.entries.pop()
        {
            self.entries.insert(place.min(self.entries.len()), entry);
        }
    }

    /// Removes every pair of `key` and says how many there were.
    pub fn remove(&mut self, key: &[u8]) -> usize {
        let (bytes, live) = (&self.bytes, &mut self.live);
        let before = self.entries.len();
        self.entries.retain(|entry| {
            let keep = !slice(bytes, entry.start, entry.key).eq_ignore_ascii_case(key);
            if !keep {
                *live -= (entry.key + entry.value) as usize;
            }
            keep
        });
        let removed = before - self.entries.len();
        self.compact();
        removed
    }

    /// Removes every pseudo-header, or every regular one.
    pub fn remove_kind(&mut self, pseudo: bool) {
        let (bytes, live) = (&self.bytes, &mut self.live);
        self.entries.retain(|entry| {
            let keep = (slice(bytes, entry.start, entry.key).first() == Some(&b':')) != pseudo;
            if !keep {
                *live -= (entry.key + entry.value) as usize;
            }
            keep
        });
        self.compact();
    }

    /// Removes all pairs; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.live = 0;
    }

    /// Makes room for `pairs` pairs of `bytes` bytes in all.
    pub fn reserve(&mut self, pairs: usize, bytes: usize) {
        self.entries.reserve(pairs);
        self.bytes.reserve(bytes);
    }

    /// Gives memory back if more than `bytes` are held: for maps that are used again and again.
    pub fn shrink_to(&mut self, bytes: usize) {
        if self.bytes.capacity() > bytes {
            self.bytes.shrink_to(bytes);
            self.entries.shrink_to(bytes / 32);
        }
    }

    /// The entry of a pair whose bytes are at the end of the block now; `None` where that is full.
    #[inline]
    fn push_bytes(&mut self, key: &[u8], value: &[u8]) -> Option<Entry> {
        let start = self.bytes.len();
        if start + key.len() + value.len() > u32::MAX as usize {
            return None;
        }
        self.bytes.reserve(key.len() + value.len());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.live += key.len() + value.len();
        Some(Entry {
            start: start as u32,
            key: key.len() as u32,
            value: value.len() as u32,
        })
    }

    #[inline]
    fn pair(&self, entry: &Entry) -> (&[u8], &[u8]) {
        let pair = slice(&self.bytes, entry.start, entry.key + entry.value);
        pair.split_at_checked(entry.key as usize).unwrap_or_default()
    }

    fn key_is(&self, entry: &Entry, key: &[u8]) -> bool {
        slice(&self.bytes, entry.start, entry.key).eq_ignore_ascii_case(key)
    }

    /// Whether the place of a new pair is not the end.
    #[inline]
    fn goes_before_regular(&self, key: &[u8]) -> bool {
        key.first() == Some(&b':') && self.entries.last().is_some_and(|last| !self.is_pseudo(last))
    }

    fn is_pseudo(&self, entry: &Entry) -> bool {
        slice(&self.bytes, entry.start, entry.key).first() == Some(&b':')
    }

    /// Drops the bytes of removed pairs once they outweigh the live ones, so that a plugin which adds and removes for ever
    /// costs no more than what it keeps.
    fn compact(&mut self) {
        if self.entries.is_empty() {
            self.clear();
        }
        if self.bytes.len() <= 2 * self.live + SLACK {
            return;
        }
        let mut compacted = Vec::with_capacity(self.live);
        for entry in &mut self.entries {
            let start = compacted.len() as u32;
            compacted.extend_from_slice(slice(&self.bytes, entry.start, entry.key + entry.value));
            entry.start = start;
        }
        self.bytes = compacted;
    }
}

/// A part of the block; entries always lie inside it, so the fallback is never seen.
#[inline]
fn slice(bytes: &[u8], start: u32, len: u32) -> &[u8] {
    bytes
        .get(start as usize..start as usize + len as usize)
        .unwrap_or_default()
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(K, V)> for ByteMap {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        map.extend(pairs);
        map
    }
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(K, V)> for ByteMap {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.append(key.as_ref(), value.as_ref());
        }
    }
}

impl PartialEq for ByteMap {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ByteMap {}

impl fmt::Debug for ByteMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        formatter
            .debug_map()
            .entries(self.iter().map(|(key, value)| (text(key), text(value))))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(map: &ByteMap) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        map.iter().map(|(key, value)| (text(key), text(value))).collect()
    }

    fn map(pairs: &[(&str, &str)]) -> ByteMap {
        pairs.iter().copied().collect()
    }

    #[test]
    fn operations() {
        type Operation = fn(&mut ByteMap);
        let start = [(":path", "/"), ("a", "1"), ("b", "2"), ("A", "3")];
        let table: &[(&str, Operation, &[(&str, &str)])] = &[
            (
                "keys are lower case",
                |_| (),
                &[(":path", "/"), ("a", "1"), ("b", "2"), ("a", "3")],
            ),
            (
                "append keeps duplicates",
                |map| map.append(b"B", b""),
                &[(":path", "/"), ("a", "1"), ("b", "2"), ("a", "3"), ("b", "")],
            ),
            (
                "a pseudo-header goes behind the pseudo-headers",
                |map| map.append(b":method", b"GET"),
                &[
                    (":path", "/"),
                    (":method", "GET"),
                    ("a", "1"),
                    ("b", "2"),
                    ("a", "3"),
                ],
            ),
            (
                "set collapses duplicates in place of the first",
                |map| map.set(b"a", b"x"),
                &[(":path", "/"), ("a", "x"), ("b", "2")],
            ),
            (
                "set appends what is new",
                |map| map.set(b"c", b"x"),
                &[(":path", "/"), ("a", "1"), ("b", "2"), ("a", "3"), ("c", "x")],
            ),
            (
                "remove takes all",
                |map| assert_eq!(map.remove(b"A"), 2),
                &[(":path", "/"), ("b", "2")],
            ),
            (
                "remove of what is not there",
                |map| assert_eq!(map.remove(b"zz"), 0),
                &[(":path", "/"), ("a", "1"), ("b", "2"), ("a", "3")],
            ),
            ("regular ones go", |map| map.remove_kind(false), &[(":path", "/")]),
            (
                "pseudo-headers go",
                |map| map.remove_kind(true),
                &[("a", "1"), ("b", "2"), ("a", "3")],
            ),
        ];
        for (name, operation, expected) in table {
            let mut subject = map(&start);
            operation(&mut subject);
            let expected: Vec<_> = expected
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect();
            assert_eq!(pairs(&subject), expected, "{name}");
            let bytes: usize = expected.iter().map(|(k, v)| k.len() + v.len()).sum();
            assert_eq!(subject.byte_len(), bytes, "{name}");
        }
    }

    #[test]
    fn churn_does_not_grow_the_block() {
        let mut subject = map(&[("keep", "me")]);
        for _ in 0..10_000 {
            subject.append(b"churn", &[b'x'; 100]);
            subject.remove(b"churn");
        }
        assert_eq!(pairs(&subject), [("keep".into(), "me".into())]);
        assert!(subject.bytes.len() <= 2 * SLACK, "{}", subject.bytes.len());
    }

    #[test]
    fn values_are_any_bytes() {
        let mut subject = ByteMap::new();
        subject.append(b"X", &[0xff, 0, b'A']);
        assert_eq!(subject.get(b"x"), Some(&[0xff, 0, b'A'][..]));
    }
}
