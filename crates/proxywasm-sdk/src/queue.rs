//! Queues that plugins share.

use crate::hostcalls;
use crate::status::{Result, Status};

/// What most items fit into, in bytes.
const USUAL_SIZE: usize = 256;

/// A queue that plugins of the same VM id share. Copies are the same queue, and so is what opening it again returns.
///
/// All calls report [`Status::NOT_FOUND`] once the queue was deleted, and [`Status::UNAVAILABLE`] while it cannot be reached.
///
/// ```
/// use proxywasm_sdk::{Plugin, PluginContext, Queue, info, plugin};
///
/// struct Consumer;
///
/// impl Plugin for Consumer {
///     fn on_start(_: &PluginContext, _: &[u8]) -> Result<Self, String> {
///         Queue::open_or_create("jobs").map_err(|status| format!("no queue: {status}"))?;
///         Ok(Self)
///     }
///
///     fn on_queue_ready(&mut self, _: &PluginContext, queue: Queue) {
///         while let Ok(Some(job)) = queue.dequeue() {
///             info!("a job of {} bytes", job.len());
///         }
///     }
/// }
///
/// plugin!(Consumer: queue_ready);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Queue {
    id: u32,
}

// === impl Queue ===

impl Queue {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Opens a queue that exists, to put items into it.
    ///
    /// # Errors
    /// `not_found` if it does not; `not_allowed` if the host's policy forbids it; `bad_argument` for an empty name; `unavailable` if
    /// there are too many handles, or it cannot be reached.
    pub fn open(name: &str) -> Result<Self> {
        hostcalls::queue::open(name, false).map(Self::new)
    }

    /// Opens a queue, which is created if there is none. From now on this plugin is told by
    /// [`Plugin::on_queue_ready`](crate::Plugin::on_queue_ready) when items are there.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), but for `not_found`.
    pub fn open_or_create(name: &str) -> Result<Self> {
        hostcalls::queue::open(name, true).map(Self::new)
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    /// `unavailable` if the queue is full or cannot be reached.
    pub fn enqueue(&self, item: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        hostcalls::queue::enqueue(self.id, item.as_ref())
    }

    /// Takes the oldest item; `None` if there is none.
    ///
    /// # Errors
    /// `unavailable` if the queue cannot be reached.
    pub fn dequeue(&self) -> Result<Option<Vec<u8>>> {
        let mut item = Vec::with_capacity(USUAL_SIZE);
        match hostcalls::queue::dequeue(self.id, &mut item) {
            Ok(()) => Ok(Some(item)),
            Err(Status::EMPTY) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Deletes the queue with all that is in it, for everybody.
    ///
    /// # Errors
    /// `unavailable` if it cannot be reached.
    pub fn delete(self) -> Result<()> {
        hostcalls::queue::delete(self.id)
    }
}
