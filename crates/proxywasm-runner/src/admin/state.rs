//! What the pages of the admin address show and change.

use super::inventory::Inventory;
use crate::figures::Figures;
use crate::recent::Recent;
use crate::remote::Remote;
use crate::runner::Core;
use crate::shutdown::DrainRequest;
use crate::update::{FailedUpdate, Reloads, Snapshot};
use proxywasm_host::{LogLevel, MetricRegistry};
use serde_json::Value;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
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
    /// What the runner counts.
    pub(crate) figures: Arc<Figures>,
    /// What plugins said last.
    pub(crate) recent: Recent,
    inventory: Mutex<Arc<Inventory>>,
    /// Has the configuration read again, where it comes from a file.
    reloads: OnceLock<Reloads>,
    /// How plugins are in the workers, once there are such.
    core: OnceLock<Weak<Core>>,
    failed_update: Mutex<Option<FailedUpdate>>,
    /// Where the end is asked for.
    pub(super) drain: DrainRequest,
    configuration: Mutex<Arc<Value>>,
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
            figures: Arc::default(),
            recent: Recent::default(),
            inventory: Mutex::default(),
            reloads: OnceLock::new(),
            core: OnceLock::new(),
            failed_update: Mutex::default(),
            drain: DrainRequest::default(),
            configuration: Mutex::default(),
        }
    }

    /// Tells each worker what operators change.
    pub(crate) fn overrides(&self) -> watch::Receiver<Overrides> {
        self.overrides.subscribe()
    }

    /// Whom to ask for a reload.
    pub(crate) fn set_reloads(&self, reloads: Reloads) {
        // There is one source at most.
        let _ = self.reloads.set(reloads);
    }

    pub(super) fn reloads(&self) -> Option<&Reloads> {
        self.reloads.get()
    }

    /// Whom to ask how plugins are. It does not live longer for that.
    pub(crate) fn set_core(&self, core: &Arc<Core>) {
        let _ = self.core.set(Arc::downgrade(core));
    }

    /// How plugins are in the workers, which are asked; none before they serve, and after.
    pub(super) async fn snapshot(&self) -> Option<Snapshot> {
        let core = self.core.get()?.upgrade()?;
        // A worker answers between two turns, which other pages need not wait for.
        tokio::task::spawn_blocking(move || core.snapshot()).await.ok()
    }

    /// An update came to nothing.
    pub(crate) fn set_failed_update(&self, failed: FailedUpdate) {
        *self.failed_update.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
    }

    /// The last update that came to nothing, if one did.
    pub(crate) fn failed_update(&self) -> Option<FailedUpdate> {
        let failed = self.failed_update.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Something else is served from now on.
    pub(crate) fn set_inventory(&self, inventory: Inventory) {
        *self.inventory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(inventory);
    }

    /// This configuration is in effect from now on; it has no secrets.
    pub(crate) fn set_configuration(&self, configuration: Value) {
        *self.configuration.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(configuration);
    }

    /// The configuration that is in effect.
    pub(super) fn configuration(&self) -> Arc<Value> {
        Arc::clone(&self.configuration.lock().unwrap_or_else(PoisonError::into_inner))
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
