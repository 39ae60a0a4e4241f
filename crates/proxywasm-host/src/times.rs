//! How long the plugins of a stream were busy with it, for whoever asks ([`Host::time_plugins`]). Nobody does for most streams, and
//! then no clock is read.

use crate::host::{Host, StreamId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasi_common::StreamKey;

/// The times of the plugins of one stream, in the order of its chain. The thread of the stream writes them.
#[derive(Debug)]
pub struct PluginTimes {
    began: Instant,
    plugins: Box<[Times]>,
}

/// The times of one plugin.
#[derive(Debug, Default)]
struct Times {
    callbacks: AtomicU64,
    /// In nanoseconds since the beginning.
    first: AtomicU64,
    last: AtomicU64,
    busy: AtomicU64,
    held: AtomicBool,
    answered: AtomicBool,
    failed: AtomicBool,
}

/// What a plugin did with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginTime {
    /// Its callbacks for the stream.
    pub callbacks: u64,
    /// When the first of them began, counted from when the times were asked for.
    pub first: Duration,
    /// When the last of them ended.
    pub last: Duration,
    /// How long all of them took.
    pub busy: Duration,
    /// Whether it paused the stream, or waited for more of it.
    pub held: bool,
    /// Whether it answered the request itself.
    pub answered: bool,
    /// Whether one of them failed.
    pub failed: bool,
}

// === impl PluginTimes ===

impl PluginTimes {
    /// For a chain of so many plugins.
    pub fn new(plugins: usize) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            plugins: (0..plugins).map(|_| Times::default()).collect(),
        })
    }

    /// What each plugin did so far; nothing for one that was not called.
    pub fn plugins(&self) -> impl Iterator<Item = Option<PluginTime>> {
        let nanos = |from: &AtomicU64| Duration::from_nanos(from.load(Ordering::Relaxed));
        self.plugins.iter().map(move |times| {
            let callbacks = times.callbacks.load(Ordering::Relaxed);
            (callbacks > 0).then(|| PluginTime {
                callbacks,
                first: nanos(&times.first),
                last: nanos(&times.last),
                busy: nanos(&times.busy),
                held: times.held.load(Ordering::Relaxed),
                answered: times.answered.load(Ordering::Relaxed),
                failed: times.failed.load(Ordering::Relaxed),
            })
        })
    }

    /// A callback that began at this moment has ended.
    pub(crate) fn called(&self, index: usize, begun: Instant, failed: bool) {
        let Some(times) = self.plugins.get(index) else {
            return;
        };
        let first = nanos(begun.saturating_duration_since(self.began));
        let last = nanos(self.began.elapsed());
        if times.callbacks.fetch_add(1, Ordering::Relaxed) == 0 {
            times.first.store(first, Ordering::Relaxed);
        }
        times.last.store(last, Ordering::Relaxed);
        times
            .busy
            .fetch_add(last.saturating_sub(first), Ordering::Relaxed);
        times.failed.fetch_or(failed, Ordering::Relaxed);
    }

    fn note(&self, index: usize, which: impl FnOnce(&Times) -> &AtomicBool) {
        if let Some(times) = self.plugins.get(index) {
            which(times).store(true, Ordering::Relaxed);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Host {
    /// Has the times of a stream's plugins noted from now on.
    pub fn time_plugins(&mut self, id: StreamId, times: Arc<PluginTimes>) {
        if let Some(stream) = self.stream(id.0) {
            stream.times = Some(times);
        }
    }

    /// A plugin holds something of a stream.
    pub(crate) fn note_held(&mut self, key: StreamKey, index: usize) {
        if let Some(times) = self.stream(key).and_then(|stream| stream.times.as_ref()) {
            times.note(index, |times| &times.held);
        }
    }

    /// A plugin answers a stream itself.
    pub(crate) fn note_answered(&mut self, key: StreamKey, index: usize) {
        if let Some(times) = self.stream(key).and_then(|stream| stream.times.as_ref()) {
            times.note(index, |times| &times.answered);
        }
    }
}
