//! How a plugin is, in all workers together.

use super::shown::seconds;
use crate::figures::PluginTotals;
use crate::update::PluginSnapshot;
use proxywasm_host::{PluginStatus, RunState};
use serde::Serialize;
use std::time::Instant;

/// How a plugin is.
#[derive(Debug, Default, Serialize)]
pub(super) struct Standing {
    state: State,
    /// The version of the configuration that it came with, and since when, in seconds since 1970.
    generation: Option<u64>,
    since: Option<f64>,
    /// Whether another one has taken its place.
    retired: bool,
    streams: usize,
    /// How many of its starts or instances failed in a row, and after how many seconds the next instance is made, where one waits for
    /// that.
    failures_in_a_row: u32,
    next_start_in: Option<f64>,
}

/// What state a plugin is in: that of the worker where it is worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It has instances.
    Running,
    /// It has none yet.
    #[default]
    Idle,
    /// It has none, because it did not start or has trapped. The next stream gets one.
    Failed,
    /// It failed again and again, and gets no instance for a while.
    Waiting,
    /// It ends with its last stream.
    Ending,
}

// === impl Standing ===

impl Standing {
    /// Of what workers say, where they were asked, and what was counted.
    pub(super) fn of(snapshot: Option<&PluginSnapshot>, counted: &PluginTotals, now: Instant) -> Self {
        let mut standing = Self {
            state: State::of(counted),
            ..Self::default()
        };
        let Some(snapshot) = snapshot else { return standing };
        standing.generation = Some(snapshot.generation);
        standing.since = Some(seconds(snapshot.since));
        standing.retired = snapshot.is_retired;
        if snapshot.is_retired {
            standing.state = State::Ending;
        }
        let statuses = snapshot.workers.iter().flatten();
        statuses.for_each(|status| standing.add(status, now));
        standing
    }

    fn add(&mut self, status: &PluginStatus, now: Instant) {
        self.streams = self.streams.saturating_add(status.streams);
        if let RunState::BackingOff { failures, until } = status.state {
            let wait = until.saturating_duration_since(now).as_secs_f64();
            self.state = State::Waiting;
            self.failures_in_a_row = self.failures_in_a_row.max(failures);
            self.next_start_in = Some(self.next_start_in.map_or(wait, |other| other.min(wait)));
        }
    }
}

// === impl State ===

impl State {
    fn of(counted: &PluginTotals) -> Self {
        match counted.instances {
            0 if counted.failed_starts > 0 || counted.traps > 0 => Self::Failed,
            0 => Self::Idle,
            _ => Self::Running,
        }
    }
}
