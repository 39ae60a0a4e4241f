//! Maps and lists as one block of bytes, the form in which they cross the boundary.
//!
//! All integers are little-endian `u32`: the number of pairs, then for each pair the length of its key and of its value, then for
//! each pair the bytes of the key and of the value. ABI 0.1.0 to 0.2.1 put a NUL behind each key and each value; the component ABI
//! does not. There are no padding and no trailing bytes.

use crate::map::ByteMap;
use thiserror::Error;

/// Whether a NUL follows each key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The component ABI: no terminators.
    Flat,
    /// ABI 0.1.0 to 0.2.1: a NUL behind each key and each value, not counted in its length.
    NulTerminated,
}

/// Why a block is not a map.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PackedError {
    /// There are more pairs than any message has.
    #[error("the map has {0} pairs, and {MAX_PAIRS} are the most that are read")]
    TooManyPairs(usize),
    /// The lengths point beyond the end of the block.
    #[error("the block ends inside the map: the lengths it gives need more bytes than it has")]
    Truncated,
    /// Bytes are left behind the last pair.
    #[error("{0} bytes are left behind the last pair of the map")]
    TrailingBytes(usize),
    /// A terminator is missing.
    #[error("a key or value of the map is not followed by a NUL")]
    MissingTerminator,
}

/// Pairs of a block that is read: more than an HTTP message can have, whatever the bounds of a plugin.
pub const MAX_PAIRS: usize = 1 << 16;

// === impl Layout ===

impl Layout {
    fn terminator(self) -> usize {
        match self {
            Self::Flat => 0,
            Self::NulTerminated => 1,
        }
    }
}

/// The size of the block that holds so many pairs, with so many bytes of keys and values together.
pub fn packed_len(pairs: usize, bytes: usize, layout: Layout) -> usize {
    4 + pairs * (8 + 2 * layout.terminator()) + bytes
}

/// Writes `pairs` behind what is in `out`.
pub fn pack<'a>(
    pairs: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone,
    layout: Layout,
    out: &mut Vec<u8>,
) {
    let lengths = pairs.clone().map(|(key, value)| (key.len(), value.len()));
    let bytes = lengths.clone().map(|(key, value)| key + value).sum();
    out.reserve(packed_len(pairs.len(), bytes, layout));
    push_lengths(lengths, out);
    push_parts(pairs, bytes, layout, out);
}

/// Writes all pairs of a map behind what is in `out`.
pub fn pack_map(map: &ByteMap, layout: Layout, out: &mut Vec<u8>) {
    out.reserve(packed_len(map.len(), map.byte_len(), layout));
    push_lengths(map.lengths(), out);
    match map.block().filter(|_| layout == Layout::Flat) {
        Some(block) => out.extend_from_slice(block),
        None => push_parts(map.iter(), map.byte_len(), layout, out),
    }
}

/// Reads the pairs of a block. A block of no bytes at all is the empty map.
///
/// # Errors
/// Anything that is not exactly one map is refused; no length is trusted.
pub fn unpack(block: &[u8], layout: Layout) -> Result<Vec<(&[u8], &[u8])>, PackedError> {
    if block.is_empty() {
        return Ok(Vec::new());
    }
    let (count, mut lengths) = split_u32(block)?;
    let count = count as usize;
    if count > MAX_PAIRS && lengths.len() / 8 >= count {
        return Err(PackedError::TooManyPairs(count));
    }
    // Each pair needs eight bytes of lengths, which bounds what a wrong count can reserve.
    let lengths_size = count.checked_mul(8).ok_or(PackedError::Truncated)?;
    let mut data = lengths.get(lengths_size..).ok_or(PackedError::Truncated)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (key_len, rest) = split_u32(lengths)?;
        let (value_len, rest) = split_u32(rest)?;
        lengths = rest;
        let key = take(&mut data, key_len as usize, layout)?;
        let value = take(&mut data, value_len as usize, layout)?;
        pairs.push((key, value));
    }
    if data.is_empty() {
        Ok(pairs)
    } else {
        Err(PackedError::TrailingBytes(data.len()))
    }
}

/// The size of the block that holds the list `items`, in bytes.
pub fn packed_list_len<'a>(items: impl Iterator<Item = &'a [u8]>) -> usize {
    items.fold(4, |total, item| total + 4 + item.len())
}

/// Writes the list `items` behind what is in `out`: how many there are, the length of each, then the bytes of each.
pub fn pack_list<'a>(items: impl ExactSizeIterator<Item = &'a [u8]> + Clone, out: &mut Vec<u8>) {
    out.extend_from_slice(&(items.len() as u32).to_le_bytes());
    for item in items.clone() {
        out.extend_from_slice(&(item.len() as u32).to_le_bytes());
    }
    for item in items {
        out.extend_from_slice(item);
    }
}

/// Writes the number of pairs, and the lengths of each.
fn push_lengths(lengths: impl ExactSizeIterator<Item = (usize, usize)>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(lengths.len() as u32).to_le_bytes());
    let start = out.len();
    out.resize(start + 8 * lengths.len(), 0);
    let (places, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<8>();
    for (place, (key, value)) in places.iter_mut().zip(lengths) {
        *place = ((key as u64) | (value as u64) << 32).to_le_bytes();
    }
}

/// Writes the keys and values, which have so many bytes together.
fn push_parts<'a>(
    pairs: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>,
    bytes: usize,
    layout: Layout,
    out: &mut Vec<u8>,
) {
    let (start, terminator) = (out.len(), layout.terminator());
    // The terminators are there from now on.
    out.resize(start + bytes + 2 * terminator * pairs.len(), 0);
    let mut rest = out.get_mut(start..).unwrap_or_default();
    for (key, value) in pairs {
        for part in [key, value] {
            let Some((place, behind)) = rest.split_at_mut_checked(part.len() + terminator) else {
                return;
            };
            if let Some((place, _)) = place.split_at_mut_checked(part.len()) {
                place.copy_from_slice(part);
            }
            rest = behind;
        }
    }
}

fn split_u32(bytes: &[u8]) -> Result<(u32, &[u8]), PackedError> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(PackedError::Truncated)?;
    Ok((u32::from_le_bytes(*head), rest))
}

fn take<'a>(data: &mut &'a [u8], len: usize, layout: Layout) -> Result<&'a [u8], PackedError> {
    let (part, rest) = data.split_at_checked(len).ok_or(PackedError::Truncated)?;
    *data = match layout {
        Layout::Flat => rest,
        Layout::NulTerminated => match rest.split_first() {
            Some((0, rest)) => rest,
            Some(_) => return Err(PackedError::MissingTerminator),
            None => return Err(PackedError::Truncated),
        },
    };
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let tables: &[&[(&[u8], &[u8])]] = &[
            &[],
            &[(b"", b"")],
            &[(b"a", b"1"), (b"a", b""), (b"k", b"\0\xff")],
        ];
        for pairs in tables {
            for layout in [Layout::Flat, Layout::NulTerminated] {
                let mut block = Vec::new();
                pack(pairs.iter().copied(), layout, &mut block);
                let bytes = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
                assert_eq!(block.len(), packed_len(pairs.len(), bytes, layout));
                assert_eq!(unpack(&block, layout).as_deref(), Ok(*pairs));
            }
        }
    }

    #[test]
    fn maps_are_as_their_pairs() {
        type Change = fn(&mut ByteMap);
        // As filled, then with bytes of removed pairs between, or in another order than that of the bytes.
        let changes: &[Change] = &[
            |_| (),
            |map| assert_eq!(map.remove(b"b"), 1),
            |map| assert_eq!(map.remove(b"c"), 1),
            |map| map.set(b"a", b"other"),
            |map| map.append(b":path", b"/"),
            |map| map.clear(),
        ];
        for change in changes {
            let mut map: ByteMap = [("a", "1"), ("b", ""), ("c", "3")].into_iter().collect();
            change(&mut map);
            for layout in [Layout::Flat, Layout::NulTerminated] {
                let (mut of_map, mut of_pairs) = (vec![9], vec![9]);
                pack_map(&map, layout, &mut of_map);
                pack(map.iter(), layout, &mut of_pairs);
                assert_eq!(of_map, of_pairs, "{map:?}");
                let pairs = unpack(&of_map[1..], layout).unwrap();
                assert!(pairs.into_iter().eq(map.iter()), "{map:?}");
            }
        }
    }

    #[test]
    fn bytes_on_the_wire() {
        let mut block = Vec::new();
        pack(
            [(&b"k"[..], &b"vv"[..])].into_iter(),
            Layout::NulTerminated,
            &mut block,
        );
        assert_eq!(block, b"\x01\0\0\0\x01\0\0\0\x02\0\0\0k\0vv\0");
        block.clear();
        pack([(&b"k"[..], &b"vv"[..])].into_iter(), Layout::Flat, &mut block);
        assert_eq!(block, b"\x01\0\0\0\x01\0\0\0\x02\0\0\0kvv");
    }

    #[test]
    fn lists() {
        let table: &[(&[&[u8]], &[u8])] = &[
            (&[], b"\0\0\0\0"),
            (&[b""], b"\x01\0\0\0\0\0\0\0"),
            (&[b"ab", b"c"], b"\x02\0\0\0\x02\0\0\0\x01\0\0\0abc"),
        ];
        for (items, expected) in table {
            let mut block = Vec::new();
            pack_list(items.iter().copied(), &mut block);
            assert_eq!(&block, expected);
            assert_eq!(packed_list_len(items.iter().copied()), expected.len());
        }
    }

    #[test]
    fn pairs_are_bounded() {
        for (count, refused) in [(MAX_PAIRS, false), (MAX_PAIRS + 1, true)] {
            let mut block = (count as u32).to_le_bytes().to_vec();
            block.resize(4 + 8 * count, 0);
            let read = unpack(&block, Layout::Flat);
            assert_eq!(read.err(), refused.then_some(PackedError::TooManyPairs(count)));
        }
    }

    #[test]
    fn refused() {
        let table: &[(&str, Layout, &[u8], PackedError)] = &[
            ("short count", Layout::Flat, b"\x01\0", PackedError::Truncated),
            ("no lengths", Layout::Flat, b"\x01\0\0\0", PackedError::Truncated),
            (
                "huge count",
                Layout::Flat,
                b"\xff\xff\xff\xff\0\0\0\0",
                PackedError::Truncated,
            ),
            (
                "huge key",
                Layout::Flat,
                b"\x01\0\0\0\xff\xff\xff\xff\0\0\0\0k",
                PackedError::Truncated,
            ),
            ("rest", Layout::Flat, b"\0\0\0\0x", PackedError::TrailingBytes(1)),
            (
                "no NUL",
                Layout::NulTerminated,
                b"\x01\0\0\0\x01\0\0\0\0\0\0\0kxx",
                PackedError::MissingTerminator,
            ),
            (
                "cut NUL",
                Layout::NulTerminated,
                b"\x01\0\0\0\x01\0\0\0\0\0\0\0k\0",
                PackedError::Truncated,
            ),
        ];
        for (name, layout, block, expected) in table {
            assert_eq!(unpack(block, *layout).as_ref(), Err(expected), "{name}");
        }
    }
}
