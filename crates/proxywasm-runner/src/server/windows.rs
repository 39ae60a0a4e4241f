//! How much HTTP/2 clients may send ahead of what is read, all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The windows of all connections of a listener. Each takes the part that it wants, as long as there is one; then those that begin have only
/// what HTTP/2 gives every connection.
///
/// Clones share it.
#[derive(Debug, Clone)]
pub struct WindowBudget {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

/// The window of a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Window {
    budget: WindowBudget,
    taken: usize,
    pub(super) bytes: u32,
}

/// The window of a connection that nobody can make smaller (RFC 9113, section 6.9.2).
const SMALLEST: u32 = (1 << 16) - 1;

// === impl WindowBudget ===

impl WindowBudget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: Arc::default(),
        }
    }

    /// How many bytes it has.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A window of so many bytes, or of the least.
    pub(super) fn take(&self, bytes: u32) -> Window {
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
        let before = self.taken.fetch_add(wanted, Ordering::Relaxed);
        let fits = before.checked_add(wanted).is_some_and(|sum| sum <= self.limit);
        if fits {
            return Window {
                budget: self.clone(),
                taken: wanted,
                bytes,
            };
        }
        self.taken.fetch_sub(wanted, Ordering::Relaxed);
        Window {
            budget: self.clone(),
            taken: 0,
            bytes: bytes.min(SMALLEST),
        }
    }
}

impl PartialEq for WindowBudget {
    fn eq(&self, other: &Self) -> bool {
        self.limit == other.limit
    }
}

impl Eq for WindowBudget {}

// === impl Window ===

impl Drop for Window {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_within_a_budget() {
        let budget = WindowBudget::new(300_000);
        let first = budget.take(200_000);
        let second = budget.clone().take(200_000);
        let third = budget.take(100_000);
        let fourth = budget.take(1000);
        assert_eq!(
            [first.bytes, second.bytes, third.bytes, fourth.bytes],
            [200_000, SMALLEST, 100_000, 1000]
        );
        drop(second);
        assert_eq!(budget.take(200_000).bytes, SMALLEST);
        drop(first);
        assert_eq!(budget.take(200_000).bytes, 200_000);
    }
}
