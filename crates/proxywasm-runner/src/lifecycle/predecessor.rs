//! The process that this one takes the place of.

use super::systemd;
use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// Who waits to hear that this process serves, if anyone does. Where it hears nothing before this process ends, that has failed.
pub(crate) struct Predecessor(Cell<Option<UnixStream>>);

/// What is said when it serves.
pub(super) const READY: &str = "ready";

// === impl Predecessor ===

impl Predecessor {
    pub(super) fn new(connection: Option<UnixStream>) -> Self {
        Self(Cell::new(connection))
    }

    /// This process serves. Where there is no other, the service manager is told; else the other tells it, who is the service until then.
    pub(crate) fn tell_ready(&self) {
        if !self.tell(READY) {
            systemd::ready();
        }
    }

    /// It cannot.
    pub(super) fn tell_failure(&self, why: &str) {
        self.tell(why);
    }

    /// Returns whether anyone was there to hear it.
    fn tell(&self, text: &str) -> bool {
        let Some(mut connection) = self.0.take() else {
            return false;
        };
        let told = connection.write_all(text.as_bytes());
        if let Err(error) = &told {
            tracing::warn!(%error, "the process before this one is gone");
        }
        told.is_ok()
    }
}
