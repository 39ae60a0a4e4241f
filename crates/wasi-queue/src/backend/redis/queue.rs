//! One queue: what plugins ask of it.

use super::scripts::{DELETE, ENQUEUE};
use super::traffic::{Flow, place};
use super::{Shared, verdict};
use crate::backend::{Item, Queue, QueueError};
use crate::local::{Bounds, Consumer, LocalQueue, Subscription};
use proxywasm_redis::State;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

pub(super) struct RedisQueue {
    pub(super) shared: Arc<Shared>,
    /// For what the connector calls back.
    pub(super) me: Weak<Self>,
    pub(super) local: Arc<LocalQueue>,
    pub(super) id: u128,
    pub(super) name: Box<[u8]>,
    pub(super) keys: Keys,
    pub(super) flow: Mutex<Flow>,
    pub(super) listens: AtomicBool,
    /// The backend is gone: nothing is fetched ahead any more.
    pub(super) left: AtomicBool,
}

/// The names on the server.
pub(super) struct Keys {
    pub(super) scope: Vec<u8>,
    pub(super) queue: Vec<u8>,
    pub(super) waiting: Vec<u8>,
    pub(super) payloads: Vec<u8>,
    pub(super) taken: Vec<u8>,
}

// === impl RedisQueue ===

impl RedisQueue {
    pub(super) fn new(shared: Arc<Shared>, number: u32, id: u128, scope: &str, name: &[u8]) -> Arc<Self> {
        // The server keeps the bounds.
        let unbounded = Bounds {
            items: usize::MAX,
            bytes: usize::MAX,
        };
        Arc::new_cyclic(|me| Self {
            shared,
            me: Weak::clone(me),
            local: LocalQueue::new(number, unbounded),
            id,
            name: name.into(),
            keys: Keys::new(scope, id),
            flow: Mutex::default(),
            listens: AtomicBool::new(false),
            left: AtomicBool::new(false),
        })
    }

    pub(super) fn id(&self) -> u128 {
        self.id
    }

    /// The queue was deleted.
    pub(super) fn close(&self) {
        if self.local.close().is_ok() {
            self.shared.forget(self);
            self.shared.connector.unsubscribe(&self.keys.queue);
        }
    }

    fn settle<R>(&self, result: Result<R, QueueError>) -> Result<R, QueueError> {
        if matches!(result, Err(QueueError::NotFound)) {
            self.close();
        }
        result
    }

    pub(super) fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue for RedisQueue {
    fn number(&self) -> u32 {
        self.local.number()
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn enqueue(&self, payload: &[u8]) -> Result<(), QueueError> {
        let bounds = &self.shared.settings.bounds;
        if self.local.is_closed() {
            return Err(QueueError::NotFound);
        }
        if payload.len() > bounds.item_bytes {
            return Err(QueueError::ItemTooLarge);
        }
        let keys = [&*self.keys.queue, &self.keys.waiting, &self.keys.payloads];
        let bounds = [bounds.items, bounds.bytes].map(|bound| bound.to_string());
        let [items, bytes] = &bounds;
        let request = ENQUEUE.request(keys, [payload, items.as_bytes(), bytes.as_bytes()]);
        self.settle(verdict(self.shared.connector.call(request)).map(drop))
    }

    fn take(&self) -> Result<Item, QueueError> {
        // Another thread may be quicker to take what was fetched for this one.
        for _ in 0..3 {
            let name = self.shared.lease.name();
            let mine = self.local.is_empty() || self.shared.lease.holds(name, Instant::now());
            if !mine {
                return Err(QueueError::Unreachable);
            }
            match self.local.take() {
                Ok(item) => {
                    self.go_on();
                    return Ok(item);
                }
                Err(QueueError::Empty) => {}
                Err(error) => return Err(error),
            }
            if self.local.consumers() > 0 {
                // What is on the server is fetched already, or cannot be.
                return match self.shared.connector.state() {
                    State::Up => Err(QueueError::Empty),
                    State::Away | State::Stalled => Err(QueueError::Unreachable),
                };
            }
            self.fetch_now()?;
            if self.local.is_empty() {
                return match self.local.is_closed() {
                    true => Err(QueueError::NotFound),
                    false => Err(QueueError::Empty),
                };
            }
        }
        Err(QueueError::Empty)
    }

    fn acknowledge(&self, item: Item) {
        self.local.acknowledge(&item);
        {
            let mut flow = self.flow();
            let place = place(&item);
            if let Some(name) = flow.held.remove(&place) {
                flow.acknowledged.push((place, name));
            }
        }
        self.send_acknowledgements();
    }

    fn give_back(&self, item: Item) {
        let name = self.flow().held.get(&place(&item)).copied();
        if name == Some(self.shared.lease.name()) {
            self.local.give_back(item);
        } else {
            // It was lost with the lease: it comes back from the server.
            self.local.acknowledge(&item);
        }
    }

    fn delete(&self) -> Result<(), QueueError> {
        if self.local.is_closed() {
            return Err(QueueError::NotFound);
        }
        let keys = &self.keys;
        let keys = [
            &*keys.scope,
            &keys.queue,
            &keys.waiting,
            &keys.payloads,
            &keys.taken,
        ];
        self.settle(verdict(self.shared.connector.call(DELETE.request(keys, []))).map(drop))?;
        self.close();
        Ok(())
    }

    fn subscribe(&self, consumer: Consumer) -> Result<Subscription, QueueError> {
        let subscription = self.local.subscribe(consumer)?;
        if self.listens.swap(true, Ordering::AcqRel) {
            self.fetch();
        } else if let Some(me) = self.me.upgrade() {
            // From now on it is told of items; what was there before is fetched.
            self.shared
                .connector
                .subscribe(&self.keys.queue, move |_| me.fetch());
        }
        Ok(subscription)
    }
}

// === impl Keys ===

impl Keys {
    fn new(scope: &str, id: u128) -> Self {
        let queue = format!("{scope}:{id:032x}");
        let part = |part: &str| format!("{queue}:{part}").into_bytes();
        Self {
            scope: scope.as_bytes().to_owned(),
            waiting: part("waiting"),
            payloads: part("payloads"),
            taken: part("taken"),
            queue: queue.into_bytes(),
        }
    }
}
