//! Whether the server is worth waiting for, and what came of waiting.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// What the callers and the thread of a connector know of the server.
#[derive(Default)]
pub(crate) struct Health {
    state: AtomicU8,
    refusal_reported: AtomicBool,
    calls: AtomicU64,
    timeouts: AtomicU64,
    refused: AtomicU64,
    errors: AtomicU64,
    connections: AtomicU64,
}

/// Whether the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no connection.
    Away,
    /// It answers.
    Up,
    /// There is a connection, but an answer was overdue, and none in time has come since.
    Stalled,
}

/// What a connector has counted since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Calls of any outcome.
    pub calls: u64,
    /// Calls that waited for the whole bound in vain.
    pub timeouts: u64,
    /// Calls that were refused at once, because the server was known not to answer.
    pub refused: u64,
    /// Calls that the server answered with an error, or whose connection broke.
    pub errors: u64,
    /// Connections made, the first included.
    pub connections: u64,
}

/// An event to count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Call,
    Timeout,
    Refused,
    Error,
    Connection,
}

// === impl Health ===

impl Health {
    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            UP => State::Up,
            STALLED => State::Stalled,
            _ => State::Away,
        }
    }

    /// A connection was made, or lost.
    pub(crate) fn set_connected(&self, connected: bool) {
        self.refusal_reported.store(false, Ordering::Relaxed);
        let state = if connected { UP } else { AWAY };
        self.state.store(state, Ordering::Release);
    }

    /// Whether the server has refused nothing else on this connection.
    pub(crate) fn is_first_refusal(&self) -> bool {
        !self.refusal_reported.swap(true, Ordering::Relaxed)
    }

    /// An answer is overdue.
    pub(crate) fn stall(&self) {
        self.change(UP, STALLED);
    }

    /// An answer came in time.
    pub(crate) fn recover(&self) {
        self.change(STALLED, UP);
    }

    pub(crate) fn count(&self, event: Event) {
        let counter = match event {
            Event::Call => &self.calls,
            Event::Timeout => &self.timeouts,
            Event::Refused => &self.refused,
            Event::Error => &self.errors,
            Event::Connection => &self.connections,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            calls: read(&self.calls),
            timeouts: read(&self.timeouts),
            refused: read(&self.refused),
            errors: read(&self.errors),
            connections: read(&self.connections),
        }
    }

    fn change(&self, from: u8, to: u8) {
        // Where it is another state by now, that one is the newer knowledge.
        let _other_state = self
            .state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }
}

const AWAY: u8 = 0;
const UP: u8 = 1;
const STALLED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        let health = Health::default();
        let steps: [(&str, fn(&Health), State); 8] = [
            ("none yet", |_| {}, State::Away),
            ("late answer of a lost connection", Health::recover, State::Away),
            ("late call of a lost connection", Health::stall, State::Away),
            ("connected", |health| health.set_connected(true), State::Up),
            ("overdue", Health::stall, State::Stalled),
            ("overdue again", Health::stall, State::Stalled),
            ("in time", Health::recover, State::Up),
            ("lost", |health| health.set_connected(false), State::Away),
        ];
        for (name, step, expected) in steps {
            step(&health);
            assert_eq!(health.state(), expected, "{name}");
        }
    }
}
