//! The figures of all workers, added up.

use super::reloads::ReloadTotals;
use super::{BadEnd, Figures, RouteName, StatusClass, UpstreamFailure};
use proxywasm_host::Callback;
use proxywasm_host::figures::{Distribution, PluginFailure, PluginFigures};
use std::collections::BTreeMap;
use std::time::Duration;

/// The figures of a process at one moment.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) workers: u64,
    pub(crate) listeners: BTreeMap<String, ListenerTotals>,
    pub(crate) routes: BTreeMap<RouteName, RequestTotals>,
    pub(crate) upstreams: BTreeMap<String, UpstreamTotals>,
    pub(crate) plugins: BTreeMap<String, PluginTotals>,
    pub(crate) access_logs: Vec<AccessLogTotals>,
    pub(crate) reloads: ReloadTotals,
}

/// Of requests.
#[derive(Debug, Default)]
pub(crate) struct RequestTotals {
    /// In the order of [`StatusClass::ALL`].
    pub(crate) statuses: [u64; StatusClass::ALL.len()],
    pub(crate) durations: Distribution,
}

/// Of one listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerTotals {
    pub(crate) connections: u64,
    pub(crate) open: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// In the order of [`BadEnd::ALL`].
    pub(crate) bad_ends: [u64; BadEnd::ALL.len()],
    pub(crate) requests: RequestTotals,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Of one upstream.
#[derive(Debug, Default)]
pub(crate) struct UpstreamTotals {
    pub(crate) requests: RequestTotals,
    /// In the order of [`UpstreamFailure::ALL`].
    pub(crate) errors: [u64; UpstreamFailure::ALL.len()],
    pub(crate) retries: u64,
    pub(crate) active: u64,
    pub(crate) connections: u64,
    pub(crate) open: u64,
}

/// Of one plugin.
#[derive(Debug, Default)]
pub(crate) struct PluginTotals {
    /// In the order of [`Callback::all`].
    pub(crate) callbacks: [u64; Callback::COUNT],
    pub(crate) processor: Duration,
    pub(crate) callback_times: Distribution,
    pub(crate) traps: u64,
    pub(crate) starts: u64,
    pub(crate) failed_starts: u64,
    pub(crate) instances: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) bytes_from_guest: u64,
    pub(crate) bytes_to_guest: u64,
    pub(crate) http_calls: u64,
    pub(crate) grpc_calls: u64,
    /// The last one of all workers.
    pub(crate) last_failure: Option<PluginFailure>,
}

/// Of one access log.
#[derive(Debug, Default)]
pub(crate) struct AccessLogTotals {
    pub(crate) file: String,
    pub(crate) written: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
}

// === impl Figures ===

impl Figures {
    /// What all workers have counted.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals {
            reloads: self.reloads.now(),
            ..Totals::default()
        };
        for worker in self.workers() {
            totals.workers += 1;
            for (name, figures) in worker.listeners.all() {
                let sum = totals.listeners.entry(name).or_default();
                sum.connections += figures.connections.get();
                sum.open += figures.open.get();
                sum.refused += figures.refused.get();
                sum.failed += figures.failed.get();
                let ends = sum.bad_ends.iter_mut().zip(figures.bad_ends.counts());
                ends.for_each(|(sum, count)| *sum += count);
                sum.received += figures.received.get();
                sum.sent += figures.sent.get();
                sum.requests
                    .add(figures.statuses.counts(), &figures.durations.distribution());
            }
            for (name, figures) in worker.routes.all() {
                let sum = totals.routes.entry(name).or_default();
                sum.add(figures.statuses.counts(), &figures.durations.distribution());
            }
            for (name, figures) in worker.upstreams.all() {
                let sum = totals.upstreams.entry(name).or_default();
                sum.requests
                    .add(figures.statuses.counts(), &figures.durations.distribution());
                let errors = sum.errors.iter_mut().zip(&figures.errors);
                errors.for_each(|(sum, count)| *sum += count.get());
                sum.retries += figures.retries.get();
                sum.active += figures.active.get();
                sum.connections += figures.connections.get();
                sum.open += figures.open.get();
            }
            for (name, figures) in worker.plugins.plugins() {
                totals.plugins.entry(name).or_default().add(&figures);
            }
        }
        let logs = self.access_logs().into_iter();
        totals.access_logs = logs
            .map(|figures| {
                let dropped = figures
                    .dropped
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                AccessLogTotals {
                    file: figures.file.clone(),
                    written: figures.written.get(),
                    failed: figures.failed.get(),
                    dropped: dropped.iter().map(|counter| counter.get()).sum(),
                }
            })
            .collect();
        totals
    }
}

// === impl RequestTotals ===

impl RequestTotals {
    fn add(&mut self, statuses: [u64; StatusClass::ALL.len()], durations: &Distribution) {
        let all = self.statuses.iter_mut().zip(statuses);
        all.for_each(|(sum, count)| *sum += count);
        self.durations.add(durations);
    }
}

// === impl PluginTotals ===

impl PluginTotals {
    /// Callbacks that were called at least once, by their names.
    pub(crate) fn callbacks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = Callback::all().map(Callback::name);
        names.zip(self.callbacks).filter(|(_, count)| *count > 0)
    }

    fn add(&mut self, figures: &PluginFigures) {
        let counts = Callback::all().map(|callback| figures.callbacks.of(callback));
        let callbacks = self.callbacks.iter_mut().zip(counts);
        callbacks.for_each(|(sum, count)| *sum += count);
        self.processor += Duration::from_nanos(figures.processor_nanos.get());
        self.callback_times.add(&figures.callback_times.distribution());
        self.traps += figures.traps.get();
        self.starts += figures.starts.get();
        self.failed_starts += figures.failed_starts.get();
        self.instances += figures.instances.get();
        self.memory_bytes += figures.memory_bytes.get();
        self.bytes_from_guest += figures.bytes_from_guest.get();
        self.bytes_to_guest += figures.bytes_to_guest.get();
        self.http_calls += figures.http_calls.get();
        self.grpc_calls += figures.grpc_calls.get();
        let failures = [self.last_failure.take(), figures.last_failure()];
        self.last_failure = failures.into_iter().flatten().max_by_key(|failure| failure.at);
    }
}
