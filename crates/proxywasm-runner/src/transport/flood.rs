//! Floods of HTTP/2: frames that cost work and carry nothing (RFC 9113, section 10.5).
//!
//! The codec answers each PING and SETTINGS, and looks at whatever else comes, for as long as a client likes. Here the frames are counted as
//! their bytes pass. Those that carry nothing have to be paid for by a budget, which grows with time and with what is sent to the peer.

use std::io::IoSlice;
use std::time::{Duration, Instant};

/// What a peer has left of its budget, and where in the frames of both directions its connection is.
#[derive(Debug)]
pub(crate) struct FloodGuard {
    received: Frames,
    sent: Frames,
    left: u32,
    budget: u32,
    /// Whether heads cost too. Those of clients are requests; a server could send interim responses for ever.
    pays_for_heads: bool,
    /// Until when the budget has grown.
    grown: Instant,
    /// Settings of the peer were answered.
    has_answered: bool,
}

/// Where in a sequence of frames a connection is.
#[derive(Debug)]
struct Frames {
    /// Bytes to come that belong to no head of a frame.
    skip: usize,
    /// What has come of the head.
    head: [u8; HEAD],
    seen: usize,
}

/// The head of a frame, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
}

const HEAD: usize = 9;
/// What a client begins with: `PRI * HTTP/2.0` and so on.
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

/// What each frame of a message that is sent adds to the budget: it may be answered by two WINDOW_UPDATE, and the stream be reset.
const EARNED: u32 = 3;
/// In this time the whole budget grows again.
const REGROWTH: Duration = Duration::from_secs(10);

/// GOAWAY, with the reason ENHANCE_YOUR_CALM. It says that streams up to the largest may have been seen, so that nothing is sent again.
pub(crate) const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11];

// === impl FloodGuard ===

impl FloodGuard {
    /// A connection whose client may send so many frames at once that carry nothing.
    pub(crate) fn of_client(budget: u32) -> Self {
        Self::new(budget, PREFACE, 0, false)
    }

    /// A connection whose server may.
    pub(crate) fn of_server(budget: u32) -> Self {
        Self::new(budget, 0, PREFACE, true)
    }

    fn new(budget: u32, received: usize, sent: usize, pays_for_heads: bool) -> Self {
        Self {
            received: Frames::behind(received),
            sent: Frames::behind(sent),
            left: budget,
            budget,
            pays_for_heads,
            grown: Instant::now(),
            has_answered: false,
        }
    }

    /// These bytes came from the peer. Returns whether it may go on.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> bool {
        let mut idle = 0_u32;
        let pays_for_heads = self.pays_for_heads;
        self.received.advance(bytes, |frame| {
            if frame.carries_nothing() || pays_for_heads && frame.kind == HEADERS {
                idle = idle.saturating_add(1);
            }
        });
        if idle > self.left {
            self.grow();
        }
        match self.left.checked_sub(idle) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left = 0;
                false
            }
        }
    }

    /// These bytes went to the peer.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let mut earned = 0_u32;
        self.sent.advance(bytes, |frame| match frame.kind {
            DATA | HEADERS => earned = earned.saturating_add(EARNED),
            SETTINGS if frame.flags & ACK != 0 => self.has_answered = true,
            _ => {}
        });
        self.left = self.left.saturating_add(earned).min(self.budget);
    }

    /// So many bytes of these went to the peer.
    pub(crate) fn send_slices(&mut self, slices: &[IoSlice<'_>], count: usize) {
        let mut left = count;
        for slice in slices {
            let part = slice.get(..left.min(slice.len())).unwrap_or_default();
            self.send(part);
            left -= part.len();
        }
    }

    /// Whether settings of the peer were answered. The codec goes by them by then.
    pub(crate) fn has_answered_settings(&self) -> bool {
        self.has_answered
    }

    /// Whether a frame can be sent now: none is under way.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.sent.skip == 0 && self.sent.seen == 0
    }

    fn grow(&mut self) {
        let now = Instant::now();
        let part = now.duration_since(self.grown).as_secs_f64() / REGROWTH.as_secs_f64();
        let more = (part * f64::from(self.budget)) as u32;
        if more > 0 {
            self.grown = now;
            self.left = self.left.saturating_add(more).min(self.budget);
        }
    }
}

// === impl Frames ===

impl Frames {
    fn behind(skip: usize) -> Self {
        Self {
            skip,
            head: [0; HEAD],
            seen: 0,
        }
    }

    /// Goes on by these bytes, and tells of the frames that begin in them.
    fn advance(&mut self, mut bytes: &[u8], mut found: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let room = self.head.get_mut(self.seen..).unwrap_or_default();
            let taken = room.len().min(bytes.len());
            if let (Some(room), Some(head)) = (room.get_mut(..taken), bytes.get(..taken)) {
                room.copy_from_slice(head);
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            self.seen += taken;
            if self.seen == HEAD {
                let frame = Frame::from(&self.head);
                self.seen = 0;
                self.skip = frame.length;
                found(frame);
            }
        }
    }
}

// === impl Frame ===

impl Frame {
    /// Whether it is neither a request nor a part of one. Padding makes no part of one.
    fn carries_nothing(self) -> bool {
        match self.kind {
            HEADERS => false,
            DATA => self.flags & END_STREAM == 0 && (self.length == 0 || self.flags & PADDED != 0),
            _ => true,
        }
    }
}

impl From<&[u8; HEAD]> for Frame {
    fn from(head: &[u8; HEAD]) -> Self {
        let [high, middle, low, kind, flags, ..] = *head;
        Self {
            length: usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low),
            kind,
            flags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_in_pieces() {
        let stream = [
            vec![0; PREFACE],
            frame(4, 0, &[]),
            frame(1, 5, b"block"),
            frame(0, 1, b"data"),
        ]
        .concat();
        for size in 1..stream.len() {
            let mut frames = Frames::behind(PREFACE);
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                frames.advance(piece, |frame| found.push((frame.kind, frame.flags, frame.length)));
            }
            assert_eq!(found, [(4, 0, 0), (1, 5, 5), (0, 1, 4)], "{size}");
            assert_eq!((frames.skip, frames.seen), (0, 0));
        }
    }

    #[test]
    fn what_is_paid_for() {
        // Frames, and whether each costs.
        let table = [
            (frame(0, 0, b"data"), false),
            (frame(0, 0, b""), true),
            (frame(0, END_STREAM, b""), false),
            (frame(0, PADDED, &[3, 0, 0, 0]), true),
            (frame(1, 4, b"block"), false),
            (frame(2, 0, &[0; 5]), true),
            (frame(3, 0, &[0; 4]), true),
            (frame(4, 0, b""), true),
            (frame(6, 0, &[0; 8]), true),
            (frame(8, 0, &[0; 4]), true),
            (frame(9, 0, b"block"), true),
            (frame(77, 0, b""), true),
        ];
        for (frame, costs) in table {
            // So large that it grows by less than one while this runs.
            let mut guard = FloodGuard::of_client(2);
            assert!(guard.receive(&[0; PREFACE]));
            let served = (0..4).filter(|_| guard.receive(&frame)).count();
            assert_eq!(served, if costs { 2 } else { 4 }, "{frame:?}");
        }
    }

    #[test]
    fn responses_add_to_it() {
        let mut guard = FloodGuard::of_client(5);
        assert!(guard.receive(&[0; PREFACE]));
        let ping = frame(6, 0, &[0; 8]);
        for _ in 0..100 {
            guard.send(&frame(0, 0, b"data"));
            assert!(guard.receive(&ping.repeat(3)));
        }
        guard.send(&frame(0, 0, b"data"));
        // A frame of another kind adds nothing.
        guard.send(&ping);
        assert!(!guard.receive(&ping.repeat(6)));
    }
}
