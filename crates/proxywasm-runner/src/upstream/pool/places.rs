//! How many connections there may be to an upstream, in all workers together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places for connections to an upstream.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// Who waits for one.
    waiting: AtomicUsize,
    /// Somebody began to wait.
    wanted: Notify,
}

/// A place that is taken, until it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// Counts one that waits while it lives.
struct Waiting<'a>(&'a AtomicUsize);

// === impl Places ===

impl Places {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            wanted: Notify::new(),
        })
    }

    /// A place, as soon as there is one.
    pub(super) async fn take(&self) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.wanted.notify_waiters();
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// Whether somebody waits. A connection that nobody uses is closed then.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Completes when somebody begins to wait.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
