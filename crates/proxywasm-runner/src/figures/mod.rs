//! Figures of the runner: what it counts, and the page that Prometheus reads.
//!
//! Each worker counts in numbers of its own ([`WorkerFigures`]), which no other thread writes; the page adds them up. Things are found by
//! their names in the configuration, which bounds how many figures there are, and what takes over from something of the same name, when
//! the configuration is replaced, goes on with its figures. Looking them up takes a lock; that is done when a listener, a route or an
//! upstream is set up, not for a request.

mod ends;
mod families;
mod page;
mod process;
mod reloads;
mod status;
mod totals;

pub(crate) use ends::{BadEnd, BadEnds};
pub(crate) use process::Process;
pub(crate) use reloads::ReloadFigures;
pub(crate) use status::{StatusClass, Statuses};
pub(crate) use totals::{ListenerTotals, PluginTotals, Totals, UpstreamTotals};

use crate::upstream::{ConnectError, UpstreamError};
use proxywasm_host::figures::{Counter, Durations, Gauge, HostFigures, Named, REQUEST_BOUNDS};
use std::sync::{Arc, Mutex, PoisonError};

/// The figures of a process.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    workers: Mutex<Vec<Arc<WorkerFigures>>>,
    access_logs: Mutex<Vec<Arc<AccessLogFigures>>>,
    pub(crate) reloads: ReloadFigures,
}

/// What one worker counts.
#[derive(Debug)]
pub(crate) struct WorkerFigures {
    listeners: Named<String, ListenerFigures>,
    routes: Named<RouteName, RouteFigures>,
    upstreams: Named<String, UpstreamFigures>,
    /// What its host counts.
    plugins: Arc<HostFigures>,
}

/// Which route: one without a name is counted with the others of its virtual host that have none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouteName {
    pub(crate) listener: String,
    /// The first of its hosts.
    pub(crate) virtual_host: String,
    pub(crate) route: String,
}

/// Of one listener.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ListenerFigures {
    /// Connections that were accepted, and those that are open.
    pub(crate) connections: Counter,
    pub(crate) open: Gauge,
    /// Connections that were closed at once, for there were too many.
    pub(crate) refused: Counter,
    /// Handshakes and the like that failed.
    pub(crate) failed: Counter,
    /// Connections of HTTP that ended for an error, by the reason.
    pub(crate) bad_ends: BadEnds,
    pub(crate) statuses: Statuses,
    /// From the head of a request to the end of its response; of a TCP stream, the whole of it.
    pub(crate) durations: Durations,
    /// Bytes of bodies and of TCP streams, from clients and to them.
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
}

/// Of one route.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct RouteFigures {
    pub(crate) statuses: Statuses,
    pub(crate) durations: Durations,
}

/// Of one upstream.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct UpstreamFigures {
    /// Responses by their status, those of attempts that were tried again included.
    pub(crate) statuses: Statuses,
    /// Attempts without a response, by the reason.
    pub(crate) errors: [Counter; UpstreamFailure::ALL.len()],
    /// Attempts but the first.
    pub(crate) retries: Counter,
    /// From sending a request to the head of its response.
    pub(crate) durations: Durations,
    /// Requests whose response is not complete.
    pub(crate) active: Gauge,
    pub(crate) connections: Counter,
    pub(crate) open: Gauge,
}

/// Why there was no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpstreamFailure {
    Connect,
    ConnectTimeout,
    Timeout,
    Reset,
    Overloaded,
    NoEndpoint,
}

/// Of one file of an access log.
#[derive(Debug)]
pub(crate) struct AccessLogFigures {
    /// The file, or `-` for standard output.
    pub(crate) file: String,
    /// Written by the thread of the log.
    pub(crate) written: Counter,
    pub(crate) failed: Counter,
    /// What each worker has dropped, for the log did not keep up.
    pub(crate) dropped: Mutex<Vec<Arc<Counter>>>,
}

// === impl Figures ===

impl Figures {
    /// A worker begins to count. `plugins` is what its host does.
    pub(crate) fn worker(&self, plugins: &Arc<HostFigures>) -> Arc<WorkerFigures> {
        let figures = Arc::new(WorkerFigures::new(plugins));
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&figures));
        figures
    }

    /// The access log writes to a file.
    pub(crate) fn access_log(&self, file: &str) -> Arc<AccessLogFigures> {
        let mut logs = self.access_logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = logs.iter().find(|log| log.file == file) {
            return Arc::clone(known);
        }
        let figures = Arc::new(AccessLogFigures {
            file: file.to_owned(),
            written: Counter::default(),
            failed: Counter::default(),
            dropped: Mutex::default(),
        });
        logs.push(Arc::clone(&figures));
        figures
    }

    fn workers(&self) -> Vec<Arc<WorkerFigures>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.clone()
    }

    fn access_logs(&self) -> Vec<Arc<AccessLogFigures>> {
        let logs = self.access_logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.clone()
    }
}

// === impl WorkerFigures ===

impl WorkerFigures {
    pub(crate) fn new(plugins: &Arc<HostFigures>) -> Self {
        Self {
            listeners: Named::default(),
            routes: Named::default(),
            upstreams: Named::default(),
            plugins: Arc::clone(plugins),
        }
    }

    pub(crate) fn listener(&self, name: &str) -> Arc<ListenerFigures> {
        self.listeners.get(name.to_owned(), ListenerFigures::new)
    }

    pub(crate) fn route(&self, name: RouteName) -> Arc<RouteFigures> {
        self.routes.get(name, RouteFigures::new)
    }

    pub(crate) fn upstream(&self, name: &str) -> Arc<UpstreamFigures> {
        self.upstreams.get(name.to_owned(), UpstreamFigures::new)
    }
}

// === impl ListenerFigures ===

impl ListenerFigures {
    fn new() -> Self {
        Self {
            connections: Counter::default(),
            open: Gauge::default(),
            refused: Counter::default(),
            failed: Counter::default(),
            bad_ends: BadEnds::default(),
            statuses: Statuses::default(),
            durations: Durations::new(REQUEST_BOUNDS),
            received: Counter::default(),
            sent: Counter::default(),
        }
    }
}

// === impl RouteFigures ===

impl RouteFigures {
    fn new() -> Self {
        Self {
            statuses: Statuses::default(),
            durations: Durations::new(REQUEST_BOUNDS),
        }
    }
}

// === impl UpstreamFigures ===

impl UpstreamFigures {
    fn new() -> Self {
        Self {
            statuses: Statuses::default(),
            errors: Default::default(),
            retries: Counter::default(),
            durations: Durations::new(REQUEST_BOUNDS),
            active: Gauge::default(),
            connections: Counter::default(),
            open: Gauge::default(),
        }
    }

    /// An attempt came to no response.
    pub(crate) fn failed(&self, failure: UpstreamFailure) {
        if let Some(count) = self.errors.get(failure as usize) {
            count.add(1);
        }
    }
}

// === impl UpstreamFailure ===

impl UpstreamFailure {
    pub(crate) const ALL: [Self; 6] = [
        Self::Connect,
        Self::ConnectTimeout,
        Self::Timeout,
        Self::Reset,
        Self::Overloaded,
        Self::NoEndpoint,
    ];

    /// Why, of an error.
    pub(crate) fn of(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Connect(ConnectError::Timeout { .. }) => Self::ConnectTimeout,
            UpstreamError::Connect(ConnectError::NoPlace { .. }) => Self::Overloaded,
            UpstreamError::Connect(_) => Self::Connect,
            UpstreamError::Exchange(_)
            | UpstreamError::Switched
            | UpstreamError::Malformed(_)
            | UpstreamError::Filtered(_) => Self::Reset,
            UpstreamError::Timeout(_) => Self::Timeout,
            UpstreamError::Overloaded(_) => Self::Overloaded,
            UpstreamError::NoEndpoint(_) => Self::NoEndpoint,
        }
    }

    /// As metrics and logs have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Overloaded => "overloaded",
            Self::NoEndpoint => "no_endpoint",
        }
    }
}

#[cfg(test)]
mod tests;
