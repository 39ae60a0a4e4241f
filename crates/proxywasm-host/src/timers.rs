//! Timers: when which instance has one that is due, and the plugins that are called for it.

use crate::callback::Callback;
use crate::host::Host;
use crate::state::State;
use std::collections::BTreeSet;
use std::time::Instant;

/// Timers of one instance that one call fires, so that others and streams get their turn: a callback may take its time.
const TIMERS_PER_TURN: usize = 64;

/// When the next timer of each instance is due: at most one entry for each, whatever plugins do.
#[derive(Debug, Default)]
pub(crate) struct TimerSchedule {
    due: BTreeSet<(Instant, usize)>,
    /// The entry of each place for an instance.
    of_vm: Vec<Option<Instant>>,
}

// === impl TimerSchedule ===

impl TimerSchedule {
    /// When the next timer of all is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Notes when the next timer of an instance is due; `None` where it has none, or is gone.
    pub(crate) fn set(&mut self, vm: usize, at: Option<Instant>) {
        if self.of_vm.len() <= vm {
            if at.is_none() {
                return;
            }
            self.of_vm.resize(vm + 1, None);
        }
        let Some(entry) = self.of_vm.get_mut(vm).filter(|entry| **entry != at) else {
            return;
        };
        if let Some(before) = std::mem::replace(entry, at) {
            self.due.remove(&(before, vm));
        }
        self.due.extend(at.map(|at| (at, vm)));
    }

    /// The instances that have timers which are due by `now`.
    fn due(&self, now: Instant) -> Vec<usize> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, vm)| *vm).collect()
    }
}

impl Host {
    /// Calls plugins for their timers that are due by `now`, [`TIMERS_PER_TURN`] of each instance; the others stay due. Each timer has
    /// its turn once, also where a plugin creates ever new ones meanwhile.
    pub(crate) fn fire_timers(&mut self, now: Instant) {
        for vm in self.timers.due(now) {
            let Some(generation) = self.vms.get(vm).map(|slot| slot.generation) else {
                continue;
            };
            let Some(state) = self.state_of(vm, generation) else {
                continue;
            };
            for timer in state.timers.take_some_due(now, TIMERS_PER_TURN) {
                let live = |host: &mut Self| {
                    host.state_of(vm, generation)
                        .map(|state| state.timers.begin(timer))
                };
                match live(self) {
                    Some(true) => {}
                    Some(false) => continue,
                    None => break,
                }
                self.call_plugin(
                    (vm, generation),
                    timer.plugin_id,
                    Callback::TimerReady,
                    |callbacks, store| callbacks.timers.on_timer_ready(store, timer),
                );
                if let Some(state) = self.state_of(vm, generation) {
                    // The callback may have taken its time, and periods that passed meanwhile are not made up.
                    state.timers.end(timer, now.max(Instant::now()));
                }
                self.run();
            }
            if let Some(state) = self.state_of(vm, generation) {
                let next = state.timers.next_due();
                self.timers.set(vm, next);
            }
        }
    }

    /// The state of an instance that has not gone.
    pub(crate) fn state_of(&mut self, vm: usize, generation: u64) -> Option<&mut State> {
        let slot = self
            .vms
            .get_mut(vm)
            .filter(|slot| slot.generation == generation)?;
        Some(slot.instance.as_mut()?.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_entry_for_each_instance() {
        let start = Instant::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        // Which instance gets which time, and what is due first then.
        let table = [
            (7, None, None),
            (3, at(5), at(5)),
            (1, at(9), at(5)),
            (3, at(20), at(9)),
            (3, at(20), at(9)),
            (1, at(20), at(20)),
            (1, None, at(20)),
            (0, at(1), at(1)),
            (0, None, at(20)),
            (3, None, None),
        ];
        let mut schedule = TimerSchedule::default();
        for (vm, time, first) in table {
            schedule.set(vm, time);
            assert_eq!(schedule.next_due(), first, "{vm} at {time:?}");
            assert!(schedule.due.len() <= 2);
        }
    }

    #[test]
    fn what_is_due() {
        let start = Instant::now();
        let mut schedule = TimerSchedule::default();
        for vm in 0..3 {
            schedule.set(vm, Some(start + Duration::from_secs(3 - vm as u64)));
        }
        let table = [(0, vec![]), (1, vec![2]), (2, vec![2, 1]), (9, vec![2, 1, 0])];
        for (seconds, expected) in table {
            assert_eq!(schedule.due(start + Duration::from_secs(seconds)), expected);
        }
    }
}
