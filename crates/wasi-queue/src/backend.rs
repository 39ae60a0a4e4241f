//! Where queues live.

mod in_process;
#[cfg(feature = "redis")]
mod redis;

pub use in_process::{InProcessQueues, QueueSettings};
#[cfg(feature = "redis")]
pub use redis::{RedisQueueSettings, RedisQueues};

use crate::local::{Consumer, Subscription};
use bytes::Bytes;
use std::sync::Arc;
use thiserror::Error;
use wasi_common::Status;

/// Holds the queues of all workers, and perhaps of several processes.
///
/// Called from within hostcalls of any worker: an implementation must not block. One that reaches over a network may wait for a verdict
/// up to a short bound of its own, and then answers [`QueueError::Unreachable`].
pub trait QueueBackend: Send + Sync {
    /// Opens the queue `name` of a scope; with `create`, makes it if it does not exist. One queue is the same [`Queue::number`] to all
    /// who open it, as long as it is not deleted.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] without `create`; [`QueueError::TooManyQueues`] and [`QueueError::Unreachable`].
    fn open(&self, scope: &str, name: &[u8], create: bool) -> Result<Arc<dyn Queue>, QueueError>;

    /// The queue with a number, if it was opened in this process and has not been deleted. The older ABIs name queues by number, also
    /// such as they did not open themselves.
    fn find(&self, number: u32) -> Option<Arc<dyn Queue>>;
}

/// One queue. Items leave in the order in which they were added.
///
/// An item is taken in two steps, because it may turn out not to fit: [`Queue::take`] sets it aside, so that nobody else gets it, and
/// [`Queue::acknowledge`] or [`Queue::give_back`] says what became of it. Whoever takes an item calls exactly one of them. What a
/// process that dies in between leaves behind is for the backend to say; where items outlive the process, they are to come back.
///
/// Who is told of items is the affair of a [`crate::LocalQueue`], of which a queue has one in each process: it holds the items that
/// are at hand there, all of an in-process queue, or those that were fetched ahead from elsewhere.
pub trait Queue: Send + Sync {
    /// The number of the queue: not 0, the same as long as the queue lives, and of no other queue of this process.
    fn number(&self) -> u32;

    /// Its name, without the scope.
    fn name(&self) -> &[u8];

    /// Adds an item at the end. With `Ok` the item is in the queue for good, and a consumer is told of it, wherever it runs.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Full`], [`QueueError::ItemTooLarge`] and [`QueueError::Unreachable`]. After the last the
    /// item may turn up nevertheless.
    fn enqueue(&self, payload: &[u8]) -> Result<(), QueueError>;

    /// Takes the oldest item, and sets it aside for the caller.
    ///
    /// # Errors
    /// [`QueueError::NotFound`], [`QueueError::Empty`] and [`QueueError::Unreachable`].
    fn take(&self) -> Result<Item, QueueError>;

    /// An item that was taken has reached its consumer, and is gone. There is no answer, as nothing could be done about a bad one: a
    /// backend that cannot make sure delivers the item again.
    fn acknowledge(&self, item: Item);

    /// An item that was taken goes back to where it was: in front of all that came after it.
    fn give_back(&self, item: Item);

    /// Deletes the queue with all that is in it. From then on everyone finds [`QueueError::NotFound`], and the name can be used for
    /// another queue.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] where someone else has deleted it, and [`QueueError::Unreachable`].
    fn delete(&self) -> Result<(), QueueError>;

    /// Makes `consumer` one of those that are told of items, until the subscription is dropped; see [`crate::LocalQueue::subscribe`].
    ///
    /// # Errors
    /// [`QueueError::NotFound`] and [`QueueError::Unreachable`].
    fn subscribe(&self, consumer: Consumer) -> Result<Subscription, QueueError>;
}

/// An item that was taken out of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place: lower ones go first. No two items of a queue have the same. (Wide enough for the ids of a Redis stream.)
    pub place: u128,
    /// What was enqueued.
    pub payload: Bytes,
}

/// Why a queue cannot do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueueError {
    /// It does not exist, or not any more.
    #[error("there is no such queue: it was never made, or it was deleted")]
    NotFound,
    /// There is no item.
    #[error("the queue has no item")]
    Empty,
    /// It holds as many items or bytes as it may.
    #[error(
        "the queue is full: consumers have to take items, or the bound on its items or bytes has to be raised"
    )]
    Full,
    /// The item alone is too large.
    #[error("the item is larger than an item of a queue may be")]
    ItemTooLarge,
    /// The scope has as many queues as it may.
    #[error("there are as many queues as there may be: delete one, or raise the bound")]
    TooManyQueues,
    /// The place where the queue lives has not answered in time.
    #[error("the queue cannot be reached at present")]
    Unreachable,
}

// === impl QueueError ===

impl From<QueueError> for Status {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::NotFound => Self::NotFound,
            QueueError::Empty => Self::Empty,
            QueueError::Full
            | QueueError::ItemTooLarge
            | QueueError::TooManyQueues
            | QueueError::Unreachable => Self::Unavailable,
        }
    }
}
