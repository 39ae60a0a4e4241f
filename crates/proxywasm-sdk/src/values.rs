//! Lists of values, as they cross the boundary: one block of little-endian `u32`s and bytes. First the number
//! of values, then the length of each, then the bytes of each.

use crate::hostcalls::Region;
use crate::pairs::split_u32;

/// Values that were read from a key-value store, or the results of a function, in their order.
#[derive(Debug, Clone, Default)]
pub struct Values {
    block: Vec<u8>,
}

/// An iterator over values.
#[derive(Debug, Clone)]
pub struct ValuesIter<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

// === impl Values ===

impl Values {
    /// Reads a block; what is none has no values.
    pub(crate) const fn new(block: Vec<u8>) -> Self {
        Self { block }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values.
    pub fn iter(&self) -> ValuesIter<'_> {
        let (lengths, bytes) = split_u32(&self.block)
            .and_then(|(count, rest)| rest.split_at_checked(count.checked_mul(4)?))
            .unwrap_or_default();
        ValuesIter { lengths, bytes }
    }

    /// The first value.
    pub fn first(&self) -> Option<&[u8]> {
        self.iter().next()
    }

    /// The value at a place, counted from 0.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.iter().nth(index)
    }
}

impl<'a> IntoIterator for &'a Values {
    type Item = &'a [u8];
    type IntoIter = ValuesIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

// === impl ValuesIter ===

impl<'a> Iterator for ValuesIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (len, lengths) = split_u32(self.lengths)?;
        let (value, bytes) = self.bytes.split_at_checked(len)?;
        (self.lengths, self.bytes) = (lengths, bytes);
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let values = self.lengths.len() / 4;
        (values, Some(values))
    }
}

impl ExactSizeIterator for ValuesIter<'_> {}

/// One region for each value.
pub(crate) fn regions<'a, V: AsRef<[u8]>>(values: &'a [V]) -> Vec<Region<'a>> {
    values.iter().map(|value| Region::new(value.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::Values;

    fn packed(values: &[&[u8]]) -> Vec<u8> {
        let number = |number: usize| (number as u32).to_le_bytes();
        let mut block = number(values.len()).to_vec();
        values.iter().for_each(|value| block.extend(number(value.len())));
        values.iter().for_each(|value| block.extend_from_slice(value));
        block
    }

    #[test]
    fn what_the_host_packs_is_read() {
        let rows: &[&[&[u8]]] = &[&[], &[b""], &[b"one"], &[b"one", b"", b"\xff\0", b"four"]];
        for row in rows {
            let values = Values::new(packed(row));
            assert_eq!(values.iter().collect::<Vec<_>>(), *row);
            assert_eq!(values.len(), row.len());
            assert_eq!(values.first(), row.first().copied());
            assert_eq!(values.get(2), row.get(2).copied());
            assert_eq!(values.is_empty(), row.is_empty());
        }
    }

    #[test]
    fn every_truncation_gives_fewer_values_and_no_panic() {
        let whole = packed(&[b"value", b"other"]);
        for len in 0..whole.len() {
            let values = Values::new(whole[..len].to_vec());
            assert!(values.iter().count() < 2, "{len} bytes");
        }
        assert_eq!(Values::new(vec![0xff; 64]).iter().count(), 0);
    }
}
