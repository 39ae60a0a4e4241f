//! A body, or a part of one, that is held for a plugin.

use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes that were received in pieces and are forwarded in pieces: nothing is copied unless a plugin asks, or the pieces are many
/// and tiny.
#[derive(Debug, Default, Clone)]
pub struct Buffer {
    /// The first piece; empty only where the buffer is. Most buffers have no other, and so allocate nothing.
    first: Bytes,
    rest: VecDeque<Bytes>,
    len: usize,
}

/// Pieces that a buffer may have while they are [`TINY`] on average: what a piece costs besides its bytes stays bounded.
const MAX_TINY_PIECES: usize = 1024;
/// Bytes below which a piece costs more than its bytes are worth.
const TINY: usize = 512;

// === impl Buffer ===

impl Buffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let was_empty = self.len == 0;
        self.len += chunk.len();
        if was_empty {
            self.first = chunk;
            return;
        }
        self.rest.push_back(chunk);
        if self.rest.len() >= MAX_TINY_PIECES && self.len < TINY * self.rest.len() {
            self.join();
        }
    }

    /// Takes the first piece out.
    pub fn pop(&mut self) -> Option<Bytes> {
        if self.len == 0 {
            return None;
        }
        let next = self.rest.pop_front().unwrap_or_default();
        let chunk = std::mem::replace(&mut self.first, next);
        self.len -= chunk.len();
        Some(chunk)
    }

    /// Drops all bytes.
    pub fn clear(&mut self) {
        if self.len > 0 {
            *self = Self::new();
        }
    }

    /// The bytes from `offset` on, at most `max` of them, piece by piece.
    pub fn range(&self, offset: usize, max: usize) -> impl Iterator<Item = &[u8]> {
        let (mut skip, mut left) = (offset, max);
        std::iter::once(&self.first)
            .chain(&self.rest)
            .filter_map(move |chunk| {
                let start = skip.min(chunk.len());
                skip -= start;
                let end = chunk.len().min(start.saturating_add(left));
                left -= end - start;
                chunk.get(start..end).filter(|part| !part.is_empty())
            })
    }

    /// How many bytes lie between `offset` and `offset + max`.
    pub fn range_len(&self, offset: usize, max: usize) -> usize {
        self.len.saturating_sub(offset).min(max)
    }

    /// Replaces the bytes `start .. start + size` (each clipped to the buffer) by `content`: `size` 0 inserts, an empty
    /// `content` removes, a `start` at or beyond the end appends.
    pub fn splice(&mut self, start: usize, size: usize, content: Bytes) {
        let start = start.min(self.len);
        let end = start.saturating_add(size).min(self.len);
        let mut tail = self.split_off(end);
        drop(self.split_off(start));
        self.push(content);
        while let Some(chunk) = tail.pop() {
            self.push(chunk);
        }
    }

    /// Cuts the buffer at `at`, which must not be beyond the end, and returns what was behind.
    fn split_off(&mut self, at: usize) -> Self {
        let mut tail = Self::new();
        while self.len > at {
            let Some(mut chunk) = self.pop_back() else { break };
            if self.len < at {
                tail.push_front(chunk.split_off(at - self.len));
                self.push(chunk);
            } else {
                tail.push_front(chunk);
            }
        }
        tail
    }

    fn pop_back(&mut self) -> Option<Bytes> {
        let Some(chunk) = self.rest.pop_back() else {
            return self.pop();
        };
        self.len -= chunk.len();
        Some(chunk)
    }

    fn push_front(&mut self, chunk: Bytes) {
        if self.len > 0 {
            let second = std::mem::take(&mut self.first);
            self.rest.push_front(second);
        }
        self.len += chunk.len();
        self.first = chunk;
    }

    /// Copies all pieces into one.
    #[cold]
    fn join(&mut self) {
        let mut joined = Vec::with_capacity(self.len);
        self.range(0, self.len)
            .for_each(|part| joined.extend_from_slice(part));
        self.first = joined.into();
        self.rest = VecDeque::new();
    }
}

impl From<Bytes> for Buffer {
    fn from(chunk: Bytes) -> Self {
        let mut buffer = Self::new();
        buffer.push(chunk);
        buffer
    }
}

impl FromIterator<Bytes> for Buffer {
    fn from_iter<I: IntoIterator<Item = Bytes>>(chunks: I) -> Self {
        let mut buffer = Self::new();
        chunks.into_iter().for_each(|chunk| buffer.push(chunk));
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(chunks: &[&'static str]) -> Buffer {
        chunks
            .iter()
            .map(|chunk| Bytes::from_static(chunk.as_bytes()))
            .collect()
    }

    fn text(buffer: &Buffer, offset: usize, max: usize) -> String {
        let bytes: Vec<u8> = buffer.range(offset, max).flatten().copied().collect();
        assert_eq!(bytes.len(), buffer.range_len(offset, max));
        String::from_utf8(bytes).unwrap()
    }

    const MAX: usize = u32::MAX as usize;

    #[test]
    fn splice_table() {
        // start x size over {0, inside, end, beyond}, on a body that came in three pieces.
        let table = [
            (0, 0, "XYabcdef"),
            (0, 2, "XYcdef"),
            (0, 6, "XY"),
            (0, MAX, "XY"),
            (3, 0, "abcXYdef"),
            (3, 1, "abcXYef"),
            (3, MAX, "abcXY"),
            (6, 0, "abcdefXY"),
            (6, 3, "abcdefXY"),
            (MAX, 0, "abcdefXY"),
            (MAX, MAX, "abcdefXY"),
        ];
        for (start, size, expected) in table {
            let mut subject = buffer(&["ab", "cd", "ef"]);
            subject.splice(start, size, Bytes::from_static(b"XY"));
            assert_eq!(text(&subject, 0, MAX), expected, "start {start} size {size}");
            assert_eq!(subject.len(), expected.len());
        }
    }

    #[test]
    fn tiny_pieces_are_joined() {
        let mut subject = Buffer::new();
        for index in 0..5000u32 {
            subject.push(Bytes::copy_from_slice(&[index as u8]));
            assert!(subject.rest.len() <= MAX_TINY_PIECES);
        }
        let expected: Vec<u8> = (0..5000u32).map(|index| index as u8).collect();
        assert_eq!(subject.range(0, MAX).collect::<Vec<_>>().concat(), expected);
        let mut large = Buffer::new();
        (0..2000).for_each(|_| large.push(Bytes::from_static(&[0; 1024])));
        assert_eq!(
            (large.rest.len(), large.len()),
            (1999, 2000 * 1024),
            "large ones are not copied"
        );
    }

    #[test]
    fn removing_and_reading() {
        let mut subject = buffer(&["ab", "", "cd", "ef"]);
        assert_eq!(text(&subject, 1, 3), "bcd");
        assert_eq!(text(&subject, 6, 3), "");
        assert_eq!(text(&subject, MAX, MAX), "");
        subject.splice(1, 4, Bytes::new());
        assert_eq!(text(&subject, 0, MAX), "af");
        assert_eq!(subject.pop().as_deref(), Some(&b"a"[..]));
        assert_eq!(subject.len(), 1);
    }
}
