//! Counts of connections that ended as they should not, by why.

use proxywasm_host::figures::Counter;

/// Counts by reason.
#[derive(Debug, Default)]
pub(crate) struct BadEnds([Counter; BadEnd::ALL.len()]);

/// Why the connection of a client ended before it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadEnd {
    /// What came was no request of HTTP/1.1, or one with a larger head than may be.
    Malformed,
    /// The client broke the rules of HTTP/2.
    Protocol,
    /// It sent frames without number that carry nothing, or reset one stream after the other.
    Flood,
    /// It took too long: for the head of a request, to take a response, or to answer a ping.
    Timeout,
    /// It left, or was cut off, in the middle of something.
    BrokeOff,
}

// === impl BadEnds ===

impl BadEnds {
    /// One more.
    pub(crate) fn add(&self, end: BadEnd) {
        if let Some(count) = self.0.get(end as usize) {
            count.add(1);
        }
    }

    /// By reason, in the order of [`BadEnd::ALL`].
    pub(crate) fn counts(&self) -> [u64; BadEnd::ALL.len()] {
        self.0.each_ref().map(Counter::get)
    }
}

// === impl BadEnd ===

impl BadEnd {
    pub(crate) const ALL: [Self; 5] = [
        Self::Malformed,
        Self::Protocol,
        Self::Flood,
        Self::Timeout,
        Self::BrokeOff,
    ];

    /// As metrics have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Protocol => "protocol",
            Self::Flood => "flood",
            Self::Timeout => "timeout",
            Self::BrokeOff => "broke_off",
        }
    }
}
