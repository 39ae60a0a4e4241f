//! The pairs of a map, as they cross the boundary: one block of little-endian `u32`s and bytes. First the
//! number of pairs, then for each pair the length of its key and of its value, then for each pair the bytes
//! of both.

/// Pairs that were read from a [`Map`](crate::Map), in their order, duplicates included. Keys are in lower
/// case.
///
/// A value can be reused for many reads, with [`Map::read_into`](crate::Map::read_into): its memory is kept.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    block: Vec<u8>,
}

/// An iterator over keys and values.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

// === impl Pairs ===

impl Pairs {
    /// No pairs.
    pub const fn new() -> Self {
        Self { block: Vec::new() }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All keys and values.
    pub fn iter(&self) -> Iter<'_> {
        let (lengths, bytes) = split(&self.block).unwrap_or_default();
        Iter { lengths, bytes }
    }

    /// The first value of a key. The case of ASCII letters in the key does not matter.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(key.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All values of a key, in their order. The case of ASCII letters in the key does not matter.
    pub fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(key.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The empty block, to read into.
    pub(crate) fn cleared(&mut self) -> &mut Vec<u8> {
        self.block.clear();
        &mut self.block
    }
}

impl<'a> IntoIterator for &'a Pairs {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

// === impl Iter ===

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key_len, lengths) = split_u32(self.lengths)?;
        let (value_len, lengths) = split_u32(lengths)?;
        let (key, bytes) = self.bytes.split_at_checked(key_len)?;
        let (value, bytes) = bytes.split_at_checked(value_len)?;
        (self.lengths, self.bytes) = (lengths, bytes);
        Some((key, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let pairs = self.lengths.len() / 8;
        (pairs, Some(pairs))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The lengths and the bytes of a block.
fn split(block: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = split_u32(block)?;
    rest.split_at_checked(count.checked_mul(8)?)
}

pub(crate) fn split_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

/// The block of some pairs; no bytes for no pairs.
pub(crate) fn block(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let size = pairs
        .iter()
        .fold(4, |size, (key, value)| size + 8 + key.len() + value.len());
    let mut block = Vec::with_capacity(size);
    block.extend_from_slice(&wire(pairs.len()));
    for (key, value) in pairs {
        block.extend_from_slice(&wire(key.len()));
        block.extend_from_slice(&wire(value.len()));
    }
    for (key, value) in pairs {
        block.extend_from_slice(key);
        block.extend_from_slice(value);
    }
    block
}

/// A length on the wire. None is larger than the memory, which 32 bits address.
pub(crate) fn wire(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Pairs, block};

    type Pair<'a> = (&'a [u8], &'a [u8]);

    #[test]
    fn what_is_written_is_read() {
        let rows: &[&[Pair<'_>]] = &[
            &[],
            &[(b"", b"")],
            &[(b"a", b"1")],
            &[
                (b":path", b"/"),
                (b"x-multi", b"one"),
                (b"x-multi", b""),
                (b"x-bytes", b"\xff\0"),
            ],
        ];
        for row in rows {
            let pairs = Pairs { block: block(row) };
            assert_eq!(pairs.iter().collect::<Vec<_>>(), *row);
            assert_eq!(pairs.len(), row.len());
            assert_eq!(pairs.is_empty(), row.is_empty());
        }
    }

    #[test]
    fn values_are_found_by_key() {
        let pairs = Pairs {
            block: block(&[(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]),
        };
        assert_eq!(pairs.get("a"), Some(&b"1"[..]));
        assert_eq!(pairs.get("B"), Some(&b"2"[..]));
        assert_eq!(pairs.get("c"), None);
        assert_eq!(pairs.get_all("A").collect::<Vec<_>>(), [b"1", b"3"]);
    }

    #[test]
    fn every_truncation_gives_fewer_pairs_and_no_panic() {
        let whole = block(&[(b"key", b"value"), (b"other", b"one")]);
        for len in 0..whole.len() {
            let pairs = Pairs {
                block: whole[..len].to_vec(),
            };
            assert!(pairs.iter().count() < 2, "{len} bytes");
        }
        let lying = Pairs {
            block: vec![0xff; 64],
        };
        assert_eq!(lying.iter().count(), 0);
    }
}
