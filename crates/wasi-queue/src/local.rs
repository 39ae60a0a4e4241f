//! The part of a queue that is in this process: the items at hand, and who is told of them.

mod consumers;

use crate::backend::{Item, QueueError};
use crate::mailbox::{Letter, Mailbox, Recipient};
use bytes::Bytes;
use consumers::Consumers;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The items of a queue that are at hand in this process, and the consumers here that are told of them.
///
/// One consumer is told of each item. What holds, and is kept under one lock: as long as there is a consumer, at least as many
/// notifications are pending as there are items, except for items that a consumer was told of and left. So no item waits unnoticed,
/// whatever consumers come, go or fail, and whoever else takes items in between. Notifications beyond the items are left out when
/// their turn comes, so nobody is called in vain.
pub struct LocalQueue {
    number: u32,
    bounds: Bounds,
    state: Mutex<State>,
}

/// What a queue holds at most, items that are set aside included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Items.
    pub items: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
}

/// An instance that takes items.
#[derive(Clone)]
pub struct Consumer {
    /// The name of its plugin. Instances of one plugin take turns; of several plugins the one is told that subscribed last.
    pub plugin: Arc<str>,
    /// Who is to be called.
    pub recipient: Recipient,
    /// Where it learns of items.
    pub mailbox: Arc<Mailbox>,
}

/// That a consumer is told of items. Ends when it is dropped; what the consumer was told and has not handled goes to others then.
#[must_use = "the subscription ends when it is dropped"]
pub struct Subscription {
    id: u64,
    queue: Arc<LocalQueue>,
}

struct State {
    items: VecDeque<Item>,
    next_place: u128,
    /// Bytes of all items, those that are set aside included.
    bytes: usize,
    /// Items that are set aside.
    taken: usize,
    /// Someone found nothing while an item was set aside: if the item comes back, someone has to be told again.
    missed: bool,
    closed: bool,
    consumers: Consumers,
}

/// Mailboxes whose owners are woken once the lock is released.
type Wakes = SmallVec<[Arc<Mailbox>; 2]>;

// === impl LocalQueue ===

impl LocalQueue {
    /// An empty queue without consumers.
    pub fn new(number: u32, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            number,
            bounds,
            state: Mutex::new(State {
                items: VecDeque::new(),
                next_place: 0,
                bytes: 0,
                taken: 0,
                missed: false,
                closed: false,
                consumers: Consumers::default(),
            }),
        })
    }

    /// The number of the queue.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How many items are at hand, those not counted that are set aside.
    pub fn len(&self) -> usize {
        self.with(|state, _| state.items.len())
    }

    /// Whether [`LocalQueue::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.with(|state, _| state.closed)
    }

    /// Whether no item is at hand.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many consumers are told of items.
    pub fn consumers(&self) -> usize {
        self.with(|state, _| state.consumers.len())
    }

    /// Adds an item behind all others, and tells a consumer.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] after [`LocalQueue::close`], [`QueueError::Full`] beyond the bounds.
    pub fn push(self: &Arc<Self>, payload: Bytes) -> Result<(), QueueError> {
        self.with(|state, wakes| {
            if state.closed {
                return Err(QueueError::NotFound);
            }
            let bytes = state.bytes.saturating_add(payload.len());
            if state.items.len().saturating_add(state.taken) >= self.bounds.items || bytes > self.bounds.bytes
            {
                return Err(QueueError::Full);
            }
            let place = state.next_place;
            state.next_place += 1;
            state.bytes = bytes;
            state.items.push_back(Item { place, payload });
            self.tell(state, 1, None, wakes);
            Ok(())
        })
    }

    /// Adds items that were fetched from elsewhere, each at its place and whatever the bounds, and tells consumers.
    pub fn put(self: &Arc<Self>, items: Vec<Item>) {
        self.with(|state, wakes| {
            if state.closed {
                return;
            }
            let count = items.len();
            for item in items {
                state.bytes = state.bytes.saturating_add(item.payload.len());
                state.insert(item);
            }
            self.tell(state, count, None, wakes);
        });
    }

    /// Takes all items away that are at hand, to be delivered elsewhere. Those that are set aside stay so.
    pub fn drain(&self) -> Vec<Item> {
        self.with(|state, _| {
            let items = Vec::from(std::mem::take(&mut state.items));
            let bytes = items.iter().map(|item| item.payload.len()).sum();
            state.bytes = state.bytes.saturating_sub(bytes);
            items
        })
    }

    /// Takes the first item and sets it aside.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] after [`LocalQueue::close`], [`QueueError::Empty`].
    pub fn take(&self) -> Result<Item, QueueError> {
        self.with(|state, _| {
            if state.closed {
                return Err(QueueError::NotFound);
            }
            match state.items.pop_front() {
                Some(item) => {
                    state.taken += 1;
                    Ok(item)
                }
                None => {
                    state.missed |= state.taken > 0;
                    Err(QueueError::Empty)
                }
            }
        })
    }

    /// An item that was set aside is gone.
    pub fn acknowledge(&self, item: &Item) {
        self.with(|state, _| {
            state.bytes = state.bytes.saturating_sub(item.payload.len());
            state.no_longer_aside();
        });
    }

    /// An item that was set aside goes back to its place.
    pub fn give_back(self: &Arc<Self>, item: Item) {
        self.with(|state, wakes| {
            if !state.closed {
                state.insert(item);
                if state.missed {
                    self.tell(state, 1, None, wakes);
                }
            }
            state.no_longer_aside();
        });
    }

    /// Drops all items. Everyone finds [`QueueError::NotFound`] from then on, and nobody is told anything.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] where that has been done before.
    pub fn close(&self) -> Result<(), QueueError> {
        self.with(|state, _| {
            if std::mem::replace(&mut state.closed, true) {
                return Err(QueueError::NotFound);
            }
            state.items = VecDeque::new();
            for (subscription, mailbox) in state.consumers.clear() {
                mailbox.withdraw(self, subscription);
            }
            Ok(())
        })
    }

    /// Makes `consumer` one of those that are told of items, and its plugin the one whose instances are told. It is told of the
    /// items that nobody was told of.
    ///
    /// # Errors
    /// [`QueueError::NotFound`] after [`LocalQueue::close`].
    pub fn subscribe(self: &Arc<Self>, consumer: Consumer) -> Result<Subscription, QueueError> {
        self.with(|state, wakes| {
            if state.closed {
                return Err(QueueError::NotFound);
            }
            let id = state.consumers.add(consumer);
            self.tell(state, usize::MAX, None, wakes);
            Ok(Subscription {
                id,
                queue: Arc::clone(self),
            })
        })
    }

    /// A notification is about to be delivered: says to whom, if there is still a reason.
    pub(crate) fn begin(self: &Arc<Self>, subscription: u64) -> Option<Recipient> {
        self.with(|state, _| {
            let begun = state.consumers.begin(subscription, state.items.len())?;
            // One that is left out for an item that is set aside is owed if that comes back.
            state.missed |= begun.left_out && state.taken > 0;
            if let Some(mailbox) = begun.post_again {
                mailbox.post(self.letter(subscription));
            }
            begun.recipient
        })
    }

    /// A notification was delivered, or could not be.
    pub(crate) fn end(self: &Arc<Self>, subscription: u64, handled: bool) {
        self.with(|state, wakes| {
            // Of a consumer that is gone, `unsubscribe` has taken care.
            if state.consumers.end(subscription) && !handled {
                self.tell(state, 1, Some(subscription), wakes);
            }
        });
    }

    fn unsubscribe(self: &Arc<Self>, subscription: u64) {
        self.with(|state, wakes| {
            let Some(removed) = state.consumers.remove(subscription) else {
                return;
            };
            if let Some(mailbox) = removed.posted {
                mailbox.withdraw(self, subscription);
            }
            self.tell(state, removed.lost, None, wakes);
        });
    }

    /// Tells consumers `count` times, but of no more items than there are.
    fn tell(self: &Arc<Self>, state: &mut State, count: usize, except: Option<u64>, wakes: &mut Wakes) {
        let untold = state.items.len().saturating_sub(state.consumers.pending());
        for _ in 0..count.min(untold) {
            let Some(told) = state.consumers.tell(except) else {
                return;
            };
            if let Some(mailbox) = told.post {
                mailbox.post(self.letter(told.subscription));
                wakes.push(mailbox);
            }
        }
    }

    fn letter(self: &Arc<Self>, subscription: u64) -> Letter {
        Letter {
            queue: Arc::clone(self),
            subscription,
        }
    }

    fn with<R>(&self, change: impl FnOnce(&mut State, &mut Wakes) -> R) -> R {
        let mut wakes = Wakes::new();
        let result = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut state, &mut wakes)
        };
        wakes.iter().for_each(|mailbox| mailbox.wake());
        result
    }
}

// === impl State ===

impl State {
    /// Puts an item at its place.
    fn insert(&mut self, item: Item) {
        let behind = |other: &Item| other.place > item.place;
        let is_last = self.items.back().is_none_or(|last| last.place < item.place);
        let index = match is_last {
            true => self.items.len(),
            false => self.items.iter().position(behind).unwrap_or(self.items.len()),
        };
        self.items.insert(index, item);
    }

    fn no_longer_aside(&mut self) {
        self.taken = self.taken.saturating_sub(1);
        self.missed &= self.taken > 0;
    }
}

// === impl Subscription ===

impl Subscription {
    /// The consumer has subscribed again: its plugin is the one whose instances are told, if another has come in between.
    pub fn renew(&self) {
        self.queue.with(|state, wakes| {
            let moved = state.consumers.renew(self.id);
            self.queue.tell(state, moved, None, wakes);
        });
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.unsubscribe(self.id);
    }
}

#[cfg(test)]
mod tests;
