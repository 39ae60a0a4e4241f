//! What a host counts of its plugins.
//!
//! Processor time is the costly one: to read the clock of a thread is a system call, many times as long as a short callback. So it is
//! sampled: each callback has the same chance to be measured, one in `SAMPLE`, and stands for so many. That says nothing of the few that
//! take long, but those the engine's ticks see anyway: from the first tick that finds a callback running, its time is measured, and the
//! sample is of what was before. So the sum is right on average, and no rare long callback is missed or counted many times.

mod bounds;
mod callbacks;
mod cell;
mod named;

pub use bounds::{CALLBACK_BOUNDS, REQUEST_BOUNDS};
pub use callbacks::CallbackCounts;
pub use cell::{Counter, Distribution, Durations, Gauge};
pub use named::Named;

use crate::callback::Callback;
use crate::clock::thread_time;
use cell::nanos;
use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use wasi_common::copied::Copied;

/// What a host counts of one plugin. Its thread writes it; it is no neighbour of what other threads write.
#[derive(Debug)]
#[repr(align(128))]
pub struct PluginFigures {
    /// Callbacks that were called, but for those of its start.
    pub callbacks: CallbackCounts,
    /// The processor time of its callbacks and starts, in nanoseconds; an estimate from one callback in 64.
    pub processor_nanos: Counter,
    /// The processor times of those callbacks.
    pub callback_times: Durations,
    /// Callbacks that trapped, or were stopped because they took too long.
    pub traps: Counter,
    /// Starts in an instance, and those that failed.
    pub starts: Counter,
    /// Starts that failed.
    pub failed_starts: Counter,
    /// Instances that it runs in.
    pub instances: Gauge,
    /// The memory of these. Plugins that share an instance have it each.
    pub memory_bytes: Gauge,
    /// Bytes that hostcalls took from its memory.
    pub bytes_from_guest: Counter,
    /// Bytes that hostcalls put into its memory.
    pub bytes_to_guest: Counter,
    /// HTTP calls that it made.
    pub http_calls: Counter,
    /// gRPC calls and streams that it began.
    pub grpc_calls: Counter,
    last_failure: Mutex<Option<PluginFailure>>,
}

/// A callback of a plugin trapped or was stopped, or it did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginFailure {
    /// When.
    pub at: SystemTime,
    /// The callback.
    pub callback: Callback,
    /// Why, and in the lines that follow the first, where in its code.
    pub reason: String,
}

/// What a host counts, by the names of its plugins. A plugin that takes over from one of the same name goes on with its figures.
#[derive(Debug, Default)]
pub struct HostFigures(Named<String, PluginFigures>);

/// A callback that has returned.
pub(crate) struct Ended {
    pub(crate) callback: Callback,
    pub(crate) trapped: bool,
    /// The clock of the thread when it began, where it was measured.
    pub(crate) begun: Option<Duration>,
    /// The part of its time since a tick saw it.
    pub(crate) long: Option<Duration>,
    pub(crate) copied: Copied,
}

/// The figures of the plugins of one instance, which it is counted in while it lives.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    plugins: Vec<(u32, Arc<PluginFigures>)>,
    memory_bytes: u64,
}

/// How many callbacks one stands for that is measured.
const SAMPLE: u32 = 64;

thread_local! {
    /// The state of the generator that draws which callbacks are measured. Nobody's secret depends on it.
    static RANDOM: Cell<u32> = const { Cell::new(0x9e37_79b9) };
}

/// The clock of this thread, if the callback that begins is one that is measured.
#[inline]
pub(crate) fn sample() -> Option<Duration> {
    // Marsaglia's xorshift. A draw for each callback, for any rhythm could be that of the callbacks of a request.
    let mut random = RANDOM.get();
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    RANDOM.set(random);
    random.is_multiple_of(SAMPLE).then(thread_time)
}

// === impl PluginFigures ===

impl Default for PluginFigures {
    fn default() -> Self {
        Self {
            callbacks: CallbackCounts::default(),
            processor_nanos: Counter::default(),
            callback_times: Durations::new(CALLBACK_BOUNDS),
            traps: Counter::default(),
            starts: Counter::default(),
            failed_starts: Counter::default(),
            instances: Gauge::default(),
            memory_bytes: Gauge::default(),
            bytes_from_guest: Counter::default(),
            bytes_to_guest: Counter::default(),
            http_calls: Counter::default(),
            grpc_calls: Counter::default(),
            last_failure: Mutex::default(),
        }
    }
}

impl PluginFigures {
    /// The last failure, if there was one.
    pub fn last_failure(&self) -> Option<PluginFailure> {
        let last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// It failed.
    pub(crate) fn failed(&self, callback: Callback, reason: String) {
        let failure = PluginFailure {
            at: SystemTime::now(),
            callback,
            reason,
        };
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    /// A start, and how long it took.
    pub(crate) fn started(&self, success: bool, time: Duration) {
        self.starts.add(1);
        self.processor_nanos.add(nanos(time));
        if !success {
            self.failed_starts.add(1);
        }
    }

    #[inline]
    fn called(&self, ended: Ended) {
        let Ended {
            callback,
            trapped,
            begun,
            long,
            copied,
        } = ended;
        self.callbacks.add(callback);
        if trapped {
            self.traps.add(1);
        }
        if copied != Copied::default() {
            self.bytes_from_guest.add(copied.from_guest);
            self.bytes_to_guest.add(copied.to_guest);
        }
        if begun.is_some() || long.is_some() {
            self.timed(begun, long);
        }
    }

    #[cold]
    fn timed(&self, begun: Option<Duration>, long: Option<Duration>) {
        let now = thread_time();
        let long = long.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let mut sum = long;
        if let Some(begun) = begun {
            let all = now.saturating_sub(begun);
            self.callback_times.record(all);
            sum += all.saturating_sub(long).saturating_mul(SAMPLE);
        }
        self.processor_nanos.add(nanos(sum));
    }
}

// === impl HostFigures ===

impl HostFigures {
    /// The figures of a plugin.
    pub fn plugin(&self, name: &str) -> Arc<PluginFigures> {
        self.0.get(name.to_owned(), PluginFigures::default)
    }

    /// The figures of all plugins that were ever started, by their names.
    pub fn plugins(&self) -> Vec<(String, Arc<PluginFigures>)> {
        self.0.all()
    }
}

// === impl Counted ===

impl Counted {
    /// A plugin was started in the instance.
    pub(crate) fn add(&mut self, plugin_id: u32, figures: Arc<PluginFigures>) {
        figures.instances.add(1);
        figures.memory_bytes.add(self.memory_bytes);
        self.plugins.push((plugin_id, figures));
    }

    /// A plugin has ended in it.
    pub(crate) fn remove(&mut self, plugin_id: u32) {
        if let Some(at) = self.plugins.iter().position(|(id, _)| *id == plugin_id) {
            let (_, figures) = self.plugins.swap_remove(at);
            self.forget(&figures);
        }
    }

    /// Its memory has so many bytes.
    #[inline]
    pub(crate) fn set_memory(&mut self, bytes: u64) {
        if bytes == self.memory_bytes {
            return;
        }
        for (_, figures) in &self.plugins {
            figures.memory_bytes.subtract(self.memory_bytes);
            figures.memory_bytes.add(bytes);
        }
        self.memory_bytes = bytes;
    }

    /// A callback of a plugin has returned. Those of its start are none of these.
    #[inline]
    pub(crate) fn called(&self, plugin_id: u32, ended: Ended) {
        if let Some(figures) = self.of(plugin_id) {
            figures.called(ended);
        }
    }

    /// The figures of a plugin.
    #[inline]
    pub(crate) fn of(&self, plugin_id: u32) -> Option<&PluginFigures> {
        let found = self.plugins.iter().find(|(id, _)| *id == plugin_id);
        found.map(|(_, figures)| &**figures)
    }

    fn forget(&self, figures: &PluginFigures) {
        figures.instances.subtract(1);
        figures.memory_bytes.subtract(self.memory_bytes);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        for (_, figures) in &self.plugins {
            self.forget(figures);
        }
    }
}
