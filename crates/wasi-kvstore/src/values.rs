//! The values of a key.

use bytes::Bytes;
use wasi_common::packed::{pack_list, packed_list_len};

/// An ordered list of values, in the form in which it crosses the boundary: a packed list. To clone it copies nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ValueList(Bytes);

/// Bytes of a length or a count.
const NUMBER: usize = 4;

// === impl ValueList ===

impl ValueList {
    /// The list of these values.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a [u8], IntoIter: ExactSizeIterator + Clone>) -> Self {
        let values = values.into_iter();
        let mut block = Vec::with_capacity(packed_list_len(values.clone()));
        pack_list(values, &mut block);
        Self(block.into())
    }

    /// Reads a packed list, as another process may have written it. `None` for bytes that are not exactly one.
    pub fn from_packed(block: Bytes) -> Option<Self> {
        let count = number(&block, 0)?;
        let lengths = NUMBER.checked_mul(count)?.checked_add(NUMBER)?;
        let mut rest = block.len().checked_sub(lengths)?;
        for index in 0..count {
            rest = rest.checked_sub(number(&block, NUMBER * (index + 1))?)?;
        }
        (rest == 0).then_some(Self(block))
    }

    /// The packed list: how many values there are, the length of each, then the bytes of each.
    pub fn packed(&self) -> &Bytes {
        &self.0
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        number(&self.0, 0).unwrap_or(0)
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = NUMBER * (self.len() + 1);
        (0..self.len()).filter_map(move |index| {
            let len = number(&self.0, NUMBER * (index + 1))?;
            let value = self.0.get(at..)?.get(..len)?;
            at += len;
            Some(value)
        })
    }

    /// This list with the values of another one behind its own.
    pub fn followed_by(&self, other: &Self) -> Self {
        let count = self.len() + other.len();
        let mut block = Vec::with_capacity(self.0.len() + other.0.len() - NUMBER);
        block.extend_from_slice(&(count as u32).to_le_bytes());
        for list in [self, other] {
            block.extend_from_slice(list.part(NUMBER..list.bytes_start()));
        }
        for list in [self, other] {
            block.extend_from_slice(list.part(list.bytes_start()..list.0.len()));
        }
        Self(block.into())
    }

    /// Where the bytes of the values begin.
    fn bytes_start(&self) -> usize {
        NUMBER * (self.len() + 1)
    }

    fn part(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.0.get(range).unwrap_or_default()
    }
}

impl std::fmt::Debug for ValueList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.iter().map(|value| value.escape_ascii().to_string());
        f.debug_list().entries(shown).finish()
    }
}

/// The number at a place of a block.
fn number(block: &[u8], at: usize) -> Option<usize> {
    let bytes = block.get(at..)?.first_chunk::<NUMBER>()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let table: &[&[&[u8]]] = &[
            &[],
            &[b""],
            &[b"one"],
            &[b"one", b"", b"\0\xff"],
            &[b"", b"", b""],
        ];
        for first in table {
            let list = ValueList::new(first.iter().copied());
            assert_eq!(list.iter().collect::<Vec<_>>(), *first);
            assert_eq!(list.len(), first.len());
            assert_eq!(ValueList::from_packed(list.packed().clone()), Some(list.clone()));
            for second in table {
                let expected = [*first, *second].concat();
                let both = list.followed_by(&ValueList::new(second.iter().copied()));
                assert_eq!(both, ValueList::new(expected.iter().copied()));
            }
        }
    }

    #[test]
    fn blocks_that_are_no_list() {
        let table: &[&'static [u8]] = &[
            b"",
            b"\x01\0\0",
            b"\0\0\0\0x",
            b"\x01\0\0\0",
            b"\x01\0\0\0\x02\0\0\0x",
            b"\x01\0\0\0\x01\0\0\0xy",
            b"\xff\xff\xff\xff\0\0\0\0",
            b"\x02\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        ];
        for block in table {
            assert_eq!(
                ValueList::from_packed(Bytes::from_static(block)),
                None,
                "{block:?}"
            );
        }
    }
}
