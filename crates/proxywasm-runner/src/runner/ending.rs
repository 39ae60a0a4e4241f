//! How a runner ends: phase by phase, with a limit on each.

use crate::server::Cut;
use crate::shutdown::{DrainSettings, Phase, Trigger};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The end of a runner.
pub(super) struct Ending {
    trigger: Trigger,
    settings: DrainSettings,
    cut: Arc<Cut>,
    /// Disconnected when all workers are gone.
    alive: Mutex<Receiver<()>>,
}

/// The end of a worker.
#[derive(Clone)]
pub(super) struct WorkerEnding {
    /// How long a connection may wait for a request when the end has begun.
    pub(super) idle: Duration,
    /// What was cut, in all workers.
    pub(super) cut: Arc<Cut>,
    /// Dropped at the very end, which is how others know of it.
    pub(super) _alive: Sender<()>,
}

/// Ends the patience of a runner that is stopping, from any thread.
#[derive(Debug, Clone)]
pub struct Hurry(Trigger);

// === impl Ending ===

impl Ending {
    /// The end of a runner, and that of its workers. All of the latter have to be dropped for the former to come about.
    pub(super) fn new(trigger: Trigger, settings: DrainSettings) -> (Self, WorkerEnding) {
        let (alive, gone) = std::sync::mpsc::channel();
        let cut = Arc::<Cut>::default();
        let worker = WorkerEnding {
            idle: settings.idle,
            cut: Arc::clone(&cut),
            _alive: alive,
        };
        let ending = Self {
            trigger,
            settings,
            cut,
            alive: Mutex::new(gone),
        };
        (ending, worker)
    }

    pub(super) fn hurry(&self) -> Hurry {
        Hurry(self.trigger.clone())
    }

    /// Who asks is answered by another process already.
    pub(super) fn skip_delay(&mut self) {
        self.settings.delay = Duration::ZERO;
    }

    /// Has the workers stop, and returns when they have. In between, `close` has to let go of what keeps sockets open.
    pub(super) fn stop_workers(&self, close: impl FnOnce()) {
        let DrainSettings { delay, deadline, .. } = self.settings;
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        let are_gone_within = |limit| alive.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected);
        if self.trigger.advance(Phase::Draining) && !delay.is_zero() {
            tracing::info!(?delay, "not ready any more; connections are still accepted");
            are_gone_within(delay);
        }
        close();
        self.trigger.advance(Phase::Closing);
        if !are_gone_within(deadline) {
            self.trigger.advance(Phase::Cutting);
            // Nothing is ever sent; an error says that the last is gone.
            let _ = alive.recv();
        }
        if !self.cut.is_empty() {
            tracing::warn!(?deadline, "cut, for they did not end in time: {}", self.cut);
        }
    }

    /// Tells all others that the workers are gone.
    pub(super) fn stop_others(&self) {
        self.trigger.advance(Phase::Gone);
    }
}

// === impl Hurry ===

impl Hurry {
    /// Streams are cut, and plugins get no time to put off their end.
    pub fn now(&self) {
        self.0.advance(Phase::Abandoning);
    }
}
