//! What the pages of the admin address show and change.

use super::inventory::Inventory;
use crate::remote::Remote;
use crate::shutdown::DrainRequest;
use proxywasm_host::{LogLevel, MetricRegistry};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What operators have changed, for the workers to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Overrides {
    /// The level of plugin messages; `None` for that of each plugin's configuration.
    pub(crate) log_level: Option<LogLevel>,
}

/// How far the runner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not all that it needs is there.
    Starting,
    /// It takes connections.
    Serving,
    /// It takes no more; those that it has go on to their end.
    Draining,
}

/// What the pages show and change. The runner has it too, and says how far it is.
pub(crate) struct State {
    phase: AtomicU8,
    pub(super) overrides: watch::Sender<Overrides>,
    /// The metrics that plugins make.
    pub(super) plugin_metrics: Arc<MetricRegistry>,
    pub(super) remotes: Vec<Arc<dyn Remote>>,
    inventory: Mutex<Arc<Inventory>>,
    /// Where the end is asked for.
    pub(super) drain: DrainRequest,
}

// === impl Phase ===

impl Phase {
    const ALL: [Self; 3] = [Self::Starting, Self::Serving, Self::Draining];

    /// For people and programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }
}

// === impl State ===

impl State {
    pub(crate) fn new(plugin_metrics: Arc<MetricRegistry>, remotes: Vec<Arc<dyn Remote>>) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Starting as u8),
            overrides: watch::Sender::new(Overrides::default()),
            plugin_metrics,
            remotes,
            inventory: Mutex::default(),
            drain: DrainRequest::default(),
        }
    }

    /// Tells each worker what operators change.
    pub(crate) fn overrides(&self) -> watch::Receiver<Overrides> {
        self.overrides.subscribe()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Something else is served from now on.
    pub(crate) fn set_inventory(&self, inventory: Inventory) {
        *self.inventory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(inventory);
    }

    /// What is served.
    pub(super) fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.inventory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Completes when an operator asks for the end.
    pub(crate) async fn drain_asked(&self) {
        self.drain.asked().await;
    }

    pub(super) fn phase(&self) -> Phase {
        let number = self.phase.load(Ordering::Relaxed);
        let mut phases = Phase::ALL.into_iter();
        phases
            .find(|phase| *phase as u8 == number)
            .unwrap_or(Phase::Starting)
    }
}
