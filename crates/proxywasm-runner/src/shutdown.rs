//! Stopping: how it is asked for, its phases, and how the word gets around.

use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};

/// How a runner stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long connections are still accepted while the runner says that it is not ready, so that load balancers can learn of it.
    pub delay: Duration,
    /// How long streams may go on after that; then they are cut.
    pub deadline: Duration,
    /// How long a connection without a request may wait for one before it is closed. A request that comes in time is answered, and the
    /// client told that the connection ends.
    pub idle: Duration,
}

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// Nobody asked for it.
    #[default]
    Serving,
    /// Clients are told to go elsewhere; new connections are still accepted.
    Draining,
    /// No new connections; streams that are under way go on.
    Closing,
    /// Streams are cut, plugins may still put off their end.
    Cutting,
    /// Nothing is waited for.
    Abandoning,
    /// The workers are gone.
    Gone,
}

/// Says how far stopping has come to everyone who has a [`Shutdown`]; the last phase at the latest when it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Trigger(watch::Sender<Phase>);

/// Tells when to stop: the whole, or a part of it before.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown {
    whole: watch::Receiver<Phase>,
    part: Option<watch::Receiver<Phase>>,
}

/// Where somebody asks for the end who cannot bring it about.
#[derive(Debug, Clone, Default)]
pub(crate) struct DrainRequest(Arc<Notify>);

/// A trigger and what it triggers.
pub(crate) fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(Phase::default());
    let shutdown = Shutdown {
        whole: receiver,
        part: None,
    };
    (Trigger(sender), shutdown)
}

// === impl DrainSettings ===

impl Default for DrainSettings {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            deadline: Duration::from_secs(10),
            idle: Duration::from_secs(1),
        }
    }
}

// === impl Trigger ===

impl Trigger {
    /// Goes on to a phase, never back. Returns whether it was not reached yet.
    pub(crate) fn advance(&self, phase: Phase) -> bool {
        self.0
            .send_if_modified(|current| phase > std::mem::replace(current, phase.max(*current)))
    }
}

// === impl Shutdown ===

impl Shutdown {
    /// Completes when a phase is reached.
    pub(crate) async fn reached(&mut self, phase: Phase) {
        let reached = |current: &Phase| *current >= phase;
        // An error means that the trigger is gone, which says more.
        match &mut self.part {
            None => drop(self.whole.wait_for(reached).await),
            Some(part) => tokio::select! {
                _ = self.whole.wait_for(reached) => {}
                _ = part.wait_for(reached) => {}
            },
        }
    }

    /// For a part that stops with the whole, or before it when the trigger says so.
    pub(crate) fn part(&self) -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Phase::default());
        let part = Self {
            whole: self.whole.clone(),
            part: Some(receiver),
        };
        (Trigger(sender), part)
    }
}

// === impl DrainRequest ===

impl DrainRequest {
    pub(crate) fn ask(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn asked(&self) {
        self.0.notified().await;
    }
}

/// From now on SIGHUP does not end the process; [`Signal::recv`] tells of each. To be called within a runtime.
///
/// # Errors
/// The handler cannot be installed.
pub(crate) fn hang_ups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// From now on SIGUSR1 does not end the process; [`Signal::recv`] tells of each. To be called within a runtime.
///
/// # Errors
/// The handler cannot be installed.
pub(crate) fn user_signals() -> io::Result<Signal> {
    signal(SignalKind::user_defined1())
}

/// The signals that ask a process to end.
#[derive(Debug)]
pub(crate) struct Terminations {
    interrupt: Signal,
    terminate: Signal,
}

// === impl Terminations ===

impl Terminations {
    /// From now on SIGINT (Ctrl-C) and SIGTERM no longer end the process. To be called within a runtime.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The name of the next one.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_go_one_way() {
        let (trigger, shutdown) = channel();
        for (asked, reached) in [
            (Phase::Closing, Phase::Closing),
            (Phase::Draining, Phase::Closing),
            (Phase::Abandoning, Phase::Abandoning),
            (Phase::Cutting, Phase::Abandoning),
        ] {
            let before = *shutdown.whole.borrow();
            assert_eq!(trigger.advance(asked), asked > before, "{asked:?}");
            assert_eq!(*shutdown.whole.borrow(), reached, "{asked:?}");
        }
    }
}
