//! The lease of this process: for as long as it holds, what the process has fetched is its own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The name of this process on the server, and until when nobody takes from it what it has fetched.
pub(super) struct Lease {
    term: Duration,
    state: Mutex<State>,
}

/// A name. A process that has lost its lease takes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessName(pub(super) u128);

struct State {
    name: ProcessName,
    /// When it was last asked for, of those times that were answered well. The server counts from a little later.
    granted: Option<Instant>,
}

// === impl Lease ===

impl Lease {
    /// No lease yet.
    pub(super) fn new(name: ProcessName, term: Duration) -> Self {
        let state = Mutex::new(State { name, granted: None });
        Self { term, state }
    }

    /// How long it holds without being renewed.
    pub(super) fn term(&self) -> Duration {
        self.term
    }

    pub(super) fn name(&self) -> ProcessName {
        self.lock().name
    }

    /// The name, if there is a lease or was one that may still hold.
    pub(super) fn registered(&self) -> Option<ProcessName> {
        let state = self.lock();
        state.granted.map(|_| state.name)
    }

    /// Whether it holds.
    pub(super) fn holds(&self, name: ProcessName, now: Instant) -> bool {
        let state = self.lock();
        let age = state
            .granted
            .map(|granted| now.saturating_duration_since(granted));
        state.name == name && age.is_some_and(|age| age < self.term)
    }

    /// Whether it is time to renew it.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let granted = self.lock().granted;
        granted.is_none_or(|granted| now.saturating_duration_since(granted) >= self.term / 3)
    }

    /// It was granted, or renewed, after it was asked for at `asked`.
    pub(super) fn grant(&self, name: ProcessName, asked: Instant) {
        let mut state = self.lock();
        if state.name == name {
            state.granted = state.granted.max(Some(asked));
        }
    }

    /// It was lost under this name, and `next` is the new one. Returns whether that is news.
    pub(super) fn lose(&self, name: ProcessName, next: ProcessName) -> bool {
        let mut state = self.lock();
        let is_news = state.name == name;
        if is_news {
            *state = State {
                name: next,
                granted: None,
            };
        }
        is_news
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ProcessName ===

impl ProcessName {
    /// As it stands on the server.
    pub(super) fn text(self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Duration = Duration::from_secs(15);

    #[test]
    fn a_lease_from_the_first_to_the_next() {
        let [first, second] = [ProcessName(1), ProcessName(2)];
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let lease = Lease::new(first, TERM);
        assert!(!lease.holds(first, start), "it was not granted");
        assert_eq!(lease.registered(), None);
        assert!(lease.is_due(start));

        lease.grant(first, at(0));
        assert!(lease.holds(first, at(14)) && !lease.holds(first, at(15)));
        assert!(!lease.is_due(at(4)) && lease.is_due(at(5)));
        lease.grant(first, at(5));
        lease.grant(first, at(3));
        assert!(lease.holds(first, at(19)), "answers that overtake each other");
        assert!(!lease.holds(second, at(6)));

        assert!(lease.lose(first, second));
        assert!(!lease.lose(first, ProcessName(3)), "known already");
        lease.grant(first, at(6));
        assert!(!lease.holds(first, at(6)) && !lease.holds(second, at(6)));
        lease.grant(second, at(7));
        assert_eq!(lease.registered(), Some(second));
    }
}
