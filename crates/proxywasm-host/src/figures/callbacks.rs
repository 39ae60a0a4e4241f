//! Callbacks, counted by which they are.

use super::cell::Counter;
use crate::callback::Callback;

/// How often each callback was called.
#[derive(Debug)]
pub struct CallbackCounts([Counter; Callback::COUNT]);

// === impl CallbackCounts ===

impl Default for CallbackCounts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl CallbackCounts {
    /// All together.
    pub fn get(&self) -> u64 {
        let all = self.0.iter().map(Counter::get);
        all.fold(0, u64::wrapping_add)
    }

    /// Of one.
    pub fn of(&self, callback: Callback) -> u64 {
        self.0.get(callback.index()).map_or(0, Counter::get)
    }

    /// One more.
    #[inline]
    pub(super) fn add(&self, callback: Callback) {
        if let Some(count) = self.0.get(callback.index()) {
            count.add(1);
        }
    }
}
