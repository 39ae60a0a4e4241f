//! How plugins are, for operators.

use crate::host::Host;
use crate::plugin::Plugin;
use crate::starts::Starts;
use std::time::Instant;

/// How a plugin is in one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginStatus {
    /// Whether it runs.
    pub state: RunState,
    /// Instances that it has.
    pub instances: usize,
    /// Streams that have not ended at it.
    pub streams: usize,
    /// Failures of the instance that it shares with its like: starts that failed, and traps, since it was first wanted. Where each
    /// stream has a fresh one, only starts that failed in a row.
    pub failures: u64,
}

/// Whether a plugin runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// No stream has wanted it yet, or each has an instance of its own.
    Idle,
    /// It has an instance, since this time.
    Running(Instant),
    /// Its instances or starts failed again and again, or it runs in the background and failed.
    BackingOff {
        /// So many in a row.
        failures: u32,
        /// No instance is made before.
        until: Instant,
    },
    /// It ends with its last stream ([`Host::retire`]), or has put its end off.
    Ending,
}

impl Host {
    /// How a plugin is here. Looks at all instances, so it is for operators and not for each stream.
    pub fn status(&self, plugin: &Plugin, now: Instant) -> PluginStatus {
        let id = plugin.id();
        let instances = self.vms.iter().filter_map(|slot| slot.instance.as_ref());
        let (mut count, mut streams) = (0, 0);
        for instance in instances.filter(|instance| instance.root_of(id).is_some()) {
            count += 1;
            streams += instance.contexts_of(id);
        }
        let place = self.vm_by_key.get(&plugin.vm_key());
        let slot = place.and_then(|vm| self.vms.get(*vm));
        let starts = slot.map(|slot| &slot.starts).or(self.fresh_starts.get(&id));
        let instance = slot.and_then(|slot| slot.instance.as_ref());
        let runs = instance.is_some_and(|instance| instance.root_of(id).is_some());
        let state = if self.is_retiring(id) {
            RunState::Ending
        } else if let Some(since) = starts.and_then(Starts::since).filter(|_| runs) {
            RunState::Running(since)
        } else if let Some((failures, until)) = self.held_back(id, starts, now) {
            RunState::BackingOff { failures, until }
        } else {
            RunState::Idle
        };
        PluginStatus {
            state,
            instances: count,
            streams,
            failures: starts.map_or(0, Starts::failures),
        }
    }

    /// Why and until when a plugin gets no instance.
    fn held_back(&self, id: u64, starts: Option<&Starts>, now: Instant) -> Option<(u32, Instant)> {
        let of_starts = starts.and_then(|starts| Some((starts.in_a_row(), starts.not_before()?)));
        let of_starts = of_starts.filter(|(_, until)| *until > now);
        of_starts.or(self.background_due(id).filter(|(_, until)| *until > now))
    }
}
