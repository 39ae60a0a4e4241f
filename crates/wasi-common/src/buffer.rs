//! A body, or a part of one, that is held for a plugin.

use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes that were received in pieces and are forwarded in pieces: nothing is copied unless a plugin asks.
#[derive(Debug, Default, Clone)]
pub struct Buffer {
    chunks: VecDeque<Bytes>,
    len: usize,
}

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
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// Takes the first piece out.
    pub fn pop(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.pop_front()?;
        self.len -= chunk.len();
        Some(chunk)
    }

    /// Drops all bytes.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.len = 0;
    }

    /// The bytes from `offset` on, at most `max` of them, piece by piece.
    pub fn range(&self, offset: usize, max: usize) -> impl Iterator<Item = &[u8]> {
        let (mut skip, mut left) = (offset, max);
        self.chunks.iter().filter_map(move |chunk| {
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
        self.len += tail.len;
        self.chunks.append(&mut tail.chunks);
    }

    /// Cuts the buffer at `at`, which must not be beyond the end, and returns what was behind.
    fn split_off(&mut self, at: usize) -> Self {
        let mut tail = Self::new();
        while self.len > at {
            let Some(mut chunk) = self.chunks.pop_back() else {
                break;
            };
            self.len -= chunk.len();
            if self.len < at {
                let behind = chunk.split_off(at - self.len);
                tail.len += behind.len();
                tail.chunks.push_front(behind);
                self.push(chunk);
            } else {
                tail.len += chunk.len();
                tail.chunks.push_front(chunk);
            }
        }
        tail
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
