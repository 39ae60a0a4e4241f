//! How often the clock of an engine ticks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How often the clock of an engine ticks, and how often it has.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    ticks: AtomicU64,
    /// Plugins that are being profiled.
    profiles: AtomicUsize,
}

/// The time between two ticks while a plugin is profiled.
const PROFILE_TICK: Duration = Duration::from_millis(1);

// === impl Pace ===

impl Pace {
    /// The time until the next tick, where it is `tick` while nobody is profiled.
    pub(crate) fn tick(&self, tick: Duration) -> Duration {
        match self.is_profiling() {
            true => tick.min(PROFILE_TICK),
            false => tick,
        }
    }

    pub(crate) fn count_tick(&self) {
        self.ticks.fetch_add(1, Ordering::Release);
    }

    /// How often it has ticked.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// Whether any plugin is being profiled.
    #[inline]
    pub(crate) fn is_profiling(&self) -> bool {
        self.profiles.load(Ordering::Relaxed) != 0
    }

    pub(super) fn begin_profile(&self) {
        self.profiles.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_profile(&self) {
        self.profiles.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_make_it_faster_and_never_slower() {
        let pace = Pace::default();
        let millis = Duration::from_millis;
        let micros = Duration::from_micros(100);
        assert_eq!(pace.tick(millis(10)), millis(10));
        pace.begin_profile();
        pace.begin_profile();
        pace.end_profile();
        assert_eq!((pace.tick(millis(10)), pace.tick(micros)), (millis(1), micros));
        pace.end_profile();
        assert_eq!(pace.tick(millis(10)), millis(10));
    }
}
