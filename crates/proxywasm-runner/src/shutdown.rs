//! Stopping: how it is asked for, and how the word gets around.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Asks everyone who has a [`Shutdown`] to stop, at the latest when it is dropped.
#[derive(Debug)]
pub(crate) struct Trigger(watch::Sender<bool>);

/// Tells when to stop.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// A trigger and what it triggers.
pub(crate) fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

// === impl Trigger ===

impl Trigger {
    pub(crate) fn request(&self) {
        let _ = self.0.send(true);
    }
}

// === impl Shutdown ===

impl Shutdown {
    /// Completes when the process, or this runner, is to stop.
    pub(crate) async fn requested(&mut self) {
        // An error means that the trigger is gone, which says the same.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

/// From now on SIGHUP does not end the process; [`Signal::recv`] tells of each. To be called within a runtime.
///
/// # Errors
/// The handler cannot be installed.
pub(crate) fn hang_ups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// From now on SIGINT (Ctrl-C) and SIGTERM no longer end the process; the future completes when one comes, and returns its name. To be
/// called within a runtime.
///
/// # Errors
/// The handlers cannot be installed.
pub(crate) fn signalled() -> io::Result<impl Future<Output = &'static str>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}
