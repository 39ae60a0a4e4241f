//! The semantics of wasi-timer: which timers there are, and when each is due.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use wasi_common::{Common, HandleTable, Status};

/// The timers of one instance.
///
/// It knows no clock: whoever drives it passes the time in. A new timer starts to run with [`Timers::arm`], because a callback that
/// creates one has not returned yet.
#[derive(Debug, Default)]
pub struct Timers {
    timers: HandleTable<Timer>,
    /// Those that were created since the last [`Timers::arm`].
    new: BTreeSet<TimerKey>,
    /// Those that run, the one that is due next first.
    schedule: BTreeSet<(Instant, TimerKey)>,
    changed: bool,
}

/// A timer, and whose it is. Timers that are due at the same time are ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    /// The id by which the plugin knows it.
    pub timer_id: u32,
    /// The plugin that created it, for which its callback is called.
    pub plugin_id: u32,
}

#[derive(Debug)]
struct Timer {
    period: Duration,
    oneoff: bool,
    phase: Phase,
}

/// Where a timer stands. The time is the one at which it was, or will be, due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running(Instant),
    Due(Instant),
    Calling(Instant),
    /// Its time is beyond what the clock can express.
    Never,
}

// === impl Timers ===

impl Timers {
    /// Creates a timer of the plugin that is executing. It is first due one `period` after the next [`Timers::arm`]; a period of 0,
    /// which only a one-off timer may have, is over at once.
    ///
    /// # Errors
    /// `bad_argument` for a period of 0 that is to repeat, `invalid_operation` while no plugin is executing, `unavailable` where the
    /// plugin has as many timers as its limits allow.
    pub fn create(&mut self, common: &Common, period: Duration, oneoff: bool) -> Result<u32, Status> {
        let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
        if period.is_zero() && !oneoff {
            return Err(Status::BadArgument);
        }
        let plugin_id = common.scope.plugin_id;
        let timer = Timer {
            period,
            oneoff,
            phase: Phase::New,
        };
        let timer_id = self.timers.insert(plugin_id, settings.limits.handles, timer)?;
        self.new.insert(TimerKey { timer_id, plugin_id });
        self.changed = true;
        Ok(timer_id)
    }

    /// Deletes a timer of the plugin that is executing. No callback follows, not even one that is due already.
    ///
    /// # Errors
    /// `bad_argument` for an unknown timer, `not_allowed` for another plugin's.
    pub fn delete(&mut self, common: &Common, timer_id: u32) -> Result<(), Status> {
        let plugin_id = common.scope.plugin_id;
        let timer = self.timers.remove(plugin_id, timer_id)?;
        let key = TimerKey { timer_id, plugin_id };
        self.changed = true;
        match timer.phase {
            Phase::New => _ = self.new.remove(&key),
            Phase::Running(at) => _ = self.schedule.remove(&(at, key)),
            Phase::Due(_) | Phase::Calling(_) | Phase::Never => {}
        }
        Ok(())
    }

    /// Whether timers were created or deleted since the last [`Timers::arm`], which is to be called then: [`Timers::next_due`] may be
    /// another one now.
    #[inline]
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// Lets all new timers run from `now` on. To be called when the callback that created them has returned.
    pub fn arm(&mut self, now: Instant) {
        self.changed = false;
        for key in std::mem::take(&mut self.new) {
            if let Ok(timer) = self.timers.get_mut(key.plugin_id, key.timer_id) {
                timer.phase = now.checked_add(timer.period).map_or(Phase::Never, Phase::Running);
                self.schedule.extend(timer.phase.due().map(|at| (at, key)));
            }
        }
    }

    /// When the next timer is due, if any runs.
    pub fn next_due(&self) -> Option<Instant> {
        self.schedule.first().map(|(at, _)| *at)
    }

    /// Takes all timers that are due by `now` off the schedule, in their order. Each is to be passed to [`Timers::begin`].
    ///
    /// What their callbacks create is not among them, so that a plugin that goes on creating timers without a period keeps nobody
    /// from its turn.
    pub fn take_due(&mut self, now: Instant) -> Vec<TimerKey> {
        self.take_some_due(now, usize::MAX)
    }

    /// Like [`Timers::take_due`], but takes no more than `limit` of them; [`Timers::next_due`] tells that there are more. For one who has
    /// others to serve as well: each callback may take its time.
    pub fn take_some_due(&mut self, now: Instant, limit: usize) -> Vec<TimerKey> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some((at, key)) = self.schedule.first().copied().filter(|(at, _)| *at <= now)
        {
            self.schedule.remove(&(at, key));
            if let Ok(timer) = self.timers.get_mut(key.plugin_id, key.timer_id) {
                timer.phase = Phase::Due(at);
                due.push(key);
            }
        }
        due
    }

    /// Whether the callback of a timer from [`Timers::take_due`] is to be called now: false if it was deleted meanwhile. After the
    /// callback comes [`Timers::end`].
    pub fn begin(&mut self, key: TimerKey) -> bool {
        match self.timers.get_mut(key.plugin_id, key.timer_id) {
            Ok(timer) => match timer.phase {
                Phase::Due(at) => {
                    timer.phase = Phase::Calling(at);
                    true
                }
                Phase::New | Phase::Running(_) | Phase::Calling(_) | Phase::Never => false,
            },
            Err(_) => false,
        }
    }

    /// The callback of a timer has returned at `now`. A one-off timer is gone; a periodic one is next due at the first time of its
    /// schedule that is still to come, whatever passed while the host or the plugin was busy. So a timer never calls twice in a row
    /// to catch up, and does not drift.
    pub fn end(&mut self, key: TimerKey, now: Instant) {
        let Ok(timer) = self.timers.get_mut(key.plugin_id, key.timer_id) else {
            return;
        };
        let Phase::Calling(at) = timer.phase else { return };
        if timer.oneoff {
            _ = self.timers.remove(key.plugin_id, key.timer_id);
            return;
        }
        timer.phase = next_time(at, timer.period, now).map_or(Phase::Never, Phase::Running);
        self.schedule.extend(timer.phase.due().map(|at| (at, key)));
    }

    /// Drops the timers of a plugin that goes.
    pub fn remove_plugin(&mut self, plugin_id: u32) {
        if self.timers.remove_plugin(plugin_id).is_empty() {
            return;
        }
        self.changed = true;
        self.new.retain(|key| key.plugin_id != plugin_id);
        self.schedule.retain(|(_, key)| key.plugin_id != plugin_id);
    }
}

// === impl Phase ===

impl Phase {
    fn due(self) -> Option<Instant> {
        match self {
            Self::Running(at) => Some(at),
            Self::New | Self::Due(_) | Self::Calling(_) | Self::Never => None,
        }
    }
}

/// The first time after `now` that lies a whole number of periods, at least one, behind `at`.
fn next_time(at: Instant, period: Duration, now: Instant) -> Option<Instant> {
    let passed = now.saturating_duration_since(at).as_nanos();
    let into_period = u64::try_from(passed.checked_rem(period.as_nanos())?).ok()?;
    let last = at.max(now).checked_sub(Duration::from_nanos(into_period))?;
    last.checked_add(period)
}

#[cfg(test)]
mod tests;
