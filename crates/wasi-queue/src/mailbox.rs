//! How instances learn of items: each host of instances has a mailbox, into which queues put notifications from any thread.

use crate::local::LocalQueue;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Notifications for the instances of one worker.
///
/// Queues fill it from any thread and wake whoever set a waker. That one empties it between callbacks: each [`Notification`] is one call
/// of `on_shared_queue_ready`.
#[derive(Default)]
pub struct Mailbox {
    inner: Mutex<Inner>,
}

/// Who a notification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipient {
    /// The number that the embedder gave the instance when it made its [`crate::Queues`].
    pub instance: u64,
    /// The plugin.
    pub plugin_id: u32,
}

/// One call of `on_shared_queue_ready` to make. Dropped without [`Notification::handled`], it goes to another consumer.
#[must_use = "a notification that is dropped goes to another consumer"]
pub struct Notification {
    recipient: Recipient,
    subscription: u64,
    queue: Arc<LocalQueue>,
    handled: bool,
}

#[derive(Default)]
struct Inner {
    letters: VecDeque<Letter>,
    waker: Option<Waker>,
}

/// A consumer has pending notifications. There is at most one letter for each consumer, however many notifications.
pub(crate) struct Letter {
    pub(crate) queue: Arc<LocalQueue>,
    pub(crate) subscription: u64,
}

// === impl Mailbox ===

impl Mailbox {
    /// An empty mailbox.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets who is woken when a notification comes, and wakes it at once where there is one already.
    pub fn set_waker(&self, waker: Waker) {
        self.lock().waker = Some(waker);
        if !self.is_empty() {
            self.wake();
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.lock().letters.is_empty()
    }

    /// The next notification, if there is one. Consumers take turns. What has become pointless, because others have taken the items or
    /// the consumer is gone, is left out.
    pub fn next(&self) -> Option<Notification> {
        loop {
            // The lock is not held while the queue is asked, for a queue posts with its own lock held.
            let Letter { queue, subscription } = self.lock().letters.pop_front()?;
            if let Some(recipient) = queue.begin(subscription) {
                return Some(Notification {
                    recipient,
                    subscription,
                    queue,
                    handled: false,
                });
            }
        }
    }

    pub(crate) fn post(&self, letter: Letter) {
        self.lock().letters.push_back(letter);
    }

    /// Takes the letter of a consumer that goes back, so that no more letters are here than there are consumers.
    pub(crate) fn withdraw(&self, queue: &LocalQueue, subscription: u64) {
        let is_its = |letter: &Letter| {
            letter.subscription == subscription && std::ptr::eq(Arc::as_ptr(&letter.queue), queue)
        };
        self.lock().letters.retain(|letter| !is_its(letter));
    }

    /// Wakes whoever set a waker: for one who leaves the rest for later.
    pub fn wake(&self) {
        // No lock is held, neither here nor by the queues: what a waker does is unknown.
        let waker = self.lock().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Notification ===

impl Notification {
    /// Who is to be called.
    pub fn recipient(&self) -> Recipient {
        self.recipient
    }

    /// The argument of the callback.
    pub fn queue_id(&self) -> u32 {
        self.queue.number()
    }

    /// The callback has returned.
    pub fn handled(mut self) {
        self.handled = true;
    }
}

impl Drop for Notification {
    fn drop(&mut self) {
        self.queue.end(self.subscription, self.handled);
    }
}
