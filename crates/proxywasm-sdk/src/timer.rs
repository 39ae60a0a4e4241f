//! Timers.

use core::time::Duration;

use crate::hostcalls;
use crate::status::Result;

/// A timer; [`Plugin::on_timer`](crate::Plugin::on_timer) is called when it fires. It belongs to the plugin that created it, and goes
/// with it; copies are the same timer.
///
/// ```
/// use std::time::Duration;
///
/// use proxywasm_sdk::{Plugin, PluginContext, Timer, info, plugin};
///
/// struct Clock {
///     minute: Timer,
/// }
///
/// impl Plugin for Clock {
///     fn on_start(_: &PluginContext, _: &[u8]) -> Result<Self, String> {
///         let minute = Timer::every(Duration::from_secs(60)).map_err(|status| format!("no timer: {status}"))?;
///         Ok(Self { minute })
///     }
///
///     fn on_timer(&mut self, _: &PluginContext, timer: Timer) {
///         if timer == self.minute {
///             info!("a minute is over");
///         }
///     }
/// }
///
/// plugin!(Clock: timer);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    id: u32,
}

// === impl Timer ===

impl Timer {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Creates a timer that fires again and again. Periods that passed while the host was busy are made up by one call.
    ///
    /// # Errors
    /// `bad_argument` for a period of 0, `unavailable` if the plugin has too many timers.
    pub fn every(period: Duration) -> Result<Self> {
        hostcalls::timer::create(milliseconds(period), false).map(Self::new)
    }

    /// Creates a timer that fires once and is gone then. With a delay of 0 it fires as soon as the callback that is running has
    /// returned.
    ///
    /// # Errors
    /// `unavailable` if the plugin has too many timers.
    pub fn once(delay: Duration) -> Result<Self> {
        hostcalls::timer::create(milliseconds(delay), true).map(Self::new)
    }

    /// Deletes the timer: it does not fire any more.
    ///
    /// # Errors
    /// `bad_argument` if it is gone.
    pub fn delete(self) -> Result<()> {
        hostcalls::timer::delete(self.id)
    }
}

/// Whole milliseconds, rounded up: a short time must not become 0, which means something else.
pub(crate) fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_up_and_bounded() {
        let rows = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(1), 1),
            (Duration::from_micros(1001), 2),
            (Duration::from_secs(5), 5000),
            (Duration::MAX, u32::MAX),
        ];
        for (duration, expected) in rows {
            assert_eq!(milliseconds(duration), expected, "{duration:?}");
        }
    }
}
