//! What a response body holds of the connection that it comes from.

use super::Idle;
use super::connection::Http1;
use super::places::Places;
use std::cell::Cell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

/// A connection whose response body is being read.
pub(crate) enum Lease {
    /// One of its own. Dropping it gives the connection back.
    Exclusive {
        /// There until the lease is dropped.
        connection: Option<Http1>,
        idle: Weak<Idle>,
        places: Option<Arc<Places>>,
    },
    /// A part of one. Dropping it makes place for another request.
    Shared(#[expect(dead_code, reason = "counted while it lives")] StreamLease),
}

/// The requests that a connection of HTTP/2 serves.
#[derive(Debug, Default)]
pub(super) struct Streams {
    count: Cell<usize>,
    /// The server takes no more.
    closing: Cell<bool>,
    /// How many the server allows at once.
    allowed: Cell<usize>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct StreamLease(Rc<Streams>);

/// Connections that are kept for later requests.
const MAX_IDLE: usize = 256;

// === impl Lease ===

impl Lease {
    /// Gives it up: a connection of its own is closed.
    pub(super) fn discard(mut self) {
        if let Self::Exclusive { connection, .. } = &mut self {
            *connection = None;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Self::Exclusive {
            connection,
            idle,
            places,
        } = self
        else {
            return;
        };
        if places.as_ref().is_some_and(|places| places.is_wanted()) {
            return;
        }
        let Some(connection) = connection
            .take()
            .filter(|connection| !connection.sender.is_closed())
        else {
            return;
        };
        if let Some(idle) = idle.upgrade() {
            let mut idle = idle.borrow_mut();
            if idle.len() >= MAX_IDLE {
                idle.pop_front();
            }
            idle.push_back((Instant::now(), connection));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

// === impl Streams ===

impl Streams {
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The server has said that it takes no more.
    pub(super) fn note_closing(&self) {
        self.closing.set(true);
    }

    /// How many the server allows at once.
    pub(super) fn allowed(&self) -> usize {
        self.allowed.get()
    }

    /// The connection knows of so many.
    pub(super) fn allow(&self, count: usize) {
        self.allowed.set(count);
    }

    pub(super) fn take(self: &Rc<Self>) -> StreamLease {
        self.count.set(self.count.get() + 1);
        StreamLease(Rc::clone(self))
    }
}

impl Drop for StreamLease {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get().saturating_sub(1));
    }
}
