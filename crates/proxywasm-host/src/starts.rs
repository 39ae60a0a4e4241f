//! When instances are started again: at once after a failure that is one of few, ever later after many in a row, and after starts that
//! fail.

use crate::config::{CrashLoop, FailurePolicy, PluginConfig};
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

/// When an instance is made after one that failed, as its plugins have it configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restarts {
    base: Duration,
    crash_loop: CrashLoop,
    /// Whether the first failure is one too many.
    waits_always: bool,
}

/// How starts of instances went, one after the other in one place, and when the next may be.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// No instance is made before.
    not_before: Option<Instant>,
    /// Since when there is an instance.
    since: Option<Instant>,
    /// Starts that failed in a row.
    failed: u32,
    /// Instances in a row that failed without having run for long.
    crashed: u32,
    /// All failures.
    failures: u64,
}

/// The time after which a background plugin that ended or failed to start is started again.
pub(crate) const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest time between two tries to start it.
pub(crate) const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// The longest wait of all, before it is jittered, whatever is configured: 30 days.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

// === impl Restarts ===

impl Restarts {
    pub(crate) fn of(config: &PluginConfig) -> Self {
        Self {
            base: config.reload_back_off,
            crash_loop: config.crash_loop,
            waits_always: config.failure == FailurePolicy::Reload,
        }
    }

    fn wait(self, before: u32) -> Duration {
        back_off(self.base, before, self.crash_loop.longest)
    }
}

// === impl Starts ===

impl Starts {
    /// An instance runs.
    pub(crate) fn succeed(&mut self, now: Instant) {
        self.failed = 0;
        self.not_before = None;
        self.since.get_or_insert(now);
    }

    /// No instance could be started.
    pub(crate) fn fail(&mut self, restarts: Restarts, now: Instant) {
        self.since = None;
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + restarts.wait(self.failed));
        self.failed = self.failed.saturating_add(1);
    }

    /// The instance failed while it ran. Returns how many did in a row and how long none is made, if the next one has to wait.
    pub(crate) fn crash(&mut self, restarts: Restarts, now: Instant) -> Option<(u32, Duration)> {
        let since = self.since.take();
        let ran = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if ran >= restarts.crash_loop.stable_after {
            self.crashed = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.crashed = self.crashed.saturating_add(1);
        let free = match restarts.waits_always {
            true => 1,
            false => restarts.crash_loop.failures.max(1),
        };
        let before = self.crashed.checked_sub(free)?;
        let wait = restarts.wait(before);
        self.not_before = Some(now + wait);
        Some((self.crashed, wait))
    }

    pub(crate) fn are_held_back(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|until| now < until)
    }

    /// No instance is made before this time.
    pub(crate) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Since when the instance runs, if one does.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Failures in a row, of starts or of instances that ran.
    pub(crate) fn in_a_row(&self) -> u32 {
        self.failed.max(self.crashed)
    }

    /// All failures.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }
}

/// How long to wait after a failure, with so many before it in a row: twice as long each time, up to a bound, and jittered. The figures
/// may be any; the wait can be added to a time.
pub(crate) fn back_off(base: Duration, before: u32, longest: Duration) -> Duration {
    let base = base.min(LONGEST_WAIT);
    let wait = base.saturating_mul(1 << before.min(16));
    jittered(wait.min(longest.max(base)).min(LONGEST_WAIT))
}

/// A duration between once and one and a half times `base`, so that workers and processes do not start together.
fn jittered(base: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    base + base.mul_f64((random % 1000) as f64 / 2000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a wait is as long as it is without the part at random, or up to half as long again.
    fn is_about(wait: Duration, seconds: u64) -> bool {
        let base = Duration::from_secs(seconds);
        (base..=base.mul_f64(1.5)).contains(&wait)
    }

    #[test]
    fn starts_that_fail_in_a_row_are_tried_ever_later() {
        let restarts = Restarts::of(&PluginConfig::new("it"));
        let mut starts = Starts::default();
        let now = Instant::now();
        assert!(!starts.are_held_back(now));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            starts.fail(restarts, now);
            assert!(is_about(starts.not_before().unwrap() - now, seconds), "{seconds}");
            assert!(starts.are_held_back(now));
        }
        assert_eq!(starts.in_a_row(), 8);
        starts.succeed(now);
        assert!(!starts.are_held_back(now) && starts.in_a_row() == 0);
        assert_eq!(starts.failures(), 8);
    }

    #[test]
    fn any_figures_are_safe() {
        let figures = [
            Duration::ZERO,
            Duration::from_secs(1),
            LONGEST_WAIT,
            Duration::MAX,
        ];
        for base in figures {
            for longest in figures {
                let restarts = Restarts::of(&PluginConfig {
                    reload_back_off: base,
                    crash_loop: CrashLoop {
                        failures: 1,
                        stable_after: longest,
                        longest,
                    },
                    ..PluginConfig::new("it")
                });
                let mut starts = Starts::default();
                let now = Instant::now();
                for _ in 0..20 {
                    starts.fail(restarts, now);
                    starts.succeed(now);
                    let (_, wait) = starts.crash(restarts, now).unwrap();
                    assert!(wait <= LONGEST_WAIT.mul_f64(1.5), "{base:?} {longest:?}");
                    assert_eq!(starts.are_held_back(now), !base.is_zero(), "{base:?} {longest:?}");
                }
            }
        }
    }

    #[test]
    fn instances_that_crash_in_a_row_are_replaced_ever_later() {
        // The policy; how long each instance runs, in seconds, and how long the next one waits then.
        type Rows<'a> = &'a [(u64, Option<u64>)];
        let often: Rows = &[
            (0, None),
            (9, None),
            (1, None),
            (1, None),
            (1, Some(1)),
            (1, Some(2)),
            (9, Some(4)),
            // It ran for long, so a new row begins.
            (10, None),
            (1, None),
            (1, None),
            (1, None),
            (1, Some(1)),
        ];
        let always: Rows = &[
            (1, Some(1)),
            (1, Some(2)),
            (1, Some(4)),
            (11, Some(1)),
            (1, Some(2)),
        ];
        let table = [
            (FailurePolicy::Closed, often),
            (FailurePolicy::Open, often),
            (FailurePolicy::Reload, always),
        ];
        for (failure, rows) in table {
            let restarts = Restarts::of(&PluginConfig {
                failure,
                ..PluginConfig::new("it")
            });
            let mut starts = Starts::default();
            let mut now = Instant::now();
            for (row, (ran, expected)) in rows.iter().enumerate() {
                starts.succeed(now);
                // Another plugin is started in it.
                starts.succeed(now + Duration::from_secs(*ran));
                now += Duration::from_secs(*ran);
                let wait = starts.crash(restarts, now).map(|(_, wait)| wait);
                match expected {
                    None => assert_eq!(wait, None, "{failure:?} {row}"),
                    Some(seconds) => {
                        assert!(is_about(wait.unwrap(), *seconds), "{failure:?} {row}: {wait:?}")
                    }
                }
                assert_eq!(starts.are_held_back(now), expected.is_some(), "{failure:?} {row}");
            }
            assert_eq!(starts.failures(), rows.len() as u64);
        }
    }
}
