//! Queues in this process: the default backend.

use super::{Item, Queue, QueueBackend, QueueError};
use crate::local::{Bounds, Consumer, LocalQueue, Subscription};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Queues that live in this process, and go with it.
pub struct InProcessQueues {
    settings: QueueSettings,
    directory: Arc<Mutex<Directory>>,
}

/// Bounds of the queues of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// Queues of one scope. 256.
    pub queues_per_scope: usize,
    /// Items of one queue. 65,536.
    pub items: usize,
    /// Bytes of all items of one queue. 16 mebibytes.
    pub bytes: usize,
    /// Bytes of one item. One mebibyte.
    pub item_bytes: usize,
}

#[derive(Default)]
struct Directory {
    by_scope: FxHashMap<Box<str>, FxHashMap<Box<[u8]>, Arc<InProcessQueue>>>,
    by_number: FxHashMap<u32, Arc<InProcessQueue>>,
    last_number: u32,
}

struct InProcessQueue {
    scope: Box<str>,
    name: Box<[u8]>,
    item_bytes: usize,
    local: Arc<LocalQueue>,
    directory: Weak<Mutex<Directory>>,
}

// === impl InProcessQueues ===

impl InProcessQueues {
    /// No queue yet.
    pub fn new(settings: QueueSettings) -> Self {
        Self {
            settings,
            directory: Arc::default(),
        }
    }
}

impl Default for InProcessQueues {
    fn default() -> Self {
        Self::new(QueueSettings::default())
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            queues_per_scope: 256,
            items: 65_536,
            bytes: 16 << 20,
            item_bytes: 1 << 20,
        }
    }
}

impl QueueBackend for InProcessQueues {
    fn open(&self, scope: &str, name: &[u8], create: bool) -> Result<Arc<dyn Queue>, QueueError> {
        let mut directory = lock(&self.directory);
        let queues = directory.by_scope.get(scope);
        if let Some(queue) = queues.and_then(|queues| queues.get(name)) {
            return Ok(Arc::clone(queue) as _);
        }
        if !create {
            return Err(QueueError::NotFound);
        }
        if queues.map_or(0, FxHashMap::len) >= self.settings.queues_per_scope {
            return Err(QueueError::TooManyQueues);
        }
        let number = directory.next_number();
        let bounds = Bounds {
            items: self.settings.items,
            bytes: self.settings.bytes,
        };
        let queue = Arc::new(InProcessQueue {
            scope: scope.into(),
            name: name.into(),
            item_bytes: self.settings.item_bytes,
            local: LocalQueue::new(number, bounds),
            directory: Arc::downgrade(&self.directory),
        });
        let queues = directory.by_scope.entry(scope.into()).or_default();
        queues.insert(name.into(), Arc::clone(&queue));
        directory.by_number.insert(number, Arc::clone(&queue));
        Ok(queue)
    }

    fn find(&self, number: u32) -> Option<Arc<dyn Queue>> {
        let directory = lock(&self.directory);
        Some(Arc::clone(directory.by_number.get(&number)?) as _)
    }
}

// === impl InProcessQueue ===

impl Queue for InProcessQueue {
    fn number(&self) -> u32 {
        self.local.number()
    }

    fn name(&self) -> &[u8] {
        &self.name
    }

    fn enqueue(&self, payload: &[u8]) -> Result<(), QueueError> {
        if payload.len() > self.item_bytes {
            return Err(QueueError::ItemTooLarge);
        }
        self.local.push(Bytes::copy_from_slice(payload))
    }

    fn take(&self) -> Result<Item, QueueError> {
        self.local.take()
    }

    fn acknowledge(&self, item: Item) {
        self.local.acknowledge(&item);
    }

    fn give_back(&self, item: Item) {
        self.local.give_back(item);
    }

    fn delete(&self) -> Result<(), QueueError> {
        // The name goes first, so that nobody who opens it later gets the queue that is closed.
        if let Some(directory) = self.directory.upgrade() {
            lock(&directory).remove(self);
        }
        self.local.close()
    }

    fn subscribe(&self, consumer: Consumer) -> Result<Subscription, QueueError> {
        self.local.subscribe(consumer)
    }
}

// === impl Directory ===

impl Directory {
    fn next_number(&mut self) -> u32 {
        loop {
            self.last_number = self.last_number.wrapping_add(1).max(1);
            if !self.by_number.contains_key(&self.last_number) {
                return self.last_number;
            }
        }
    }

    /// Removes a queue, unless it was removed before: name and number may be another one's by now.
    fn remove(&mut self, queue: &InProcessQueue) {
        let number = queue.number();
        let is_here = self
            .by_number
            .get(&number)
            .is_some_and(|found| Arc::ptr_eq(&found.local, &queue.local));
        if !is_here {
            return;
        }
        self.by_number.remove(&number);
        if let Some(queues) = self.by_scope.get_mut(&queue.scope) {
            queues.remove(&queue.name);
            if queues.is_empty() {
                self.by_scope.remove(&queue.scope);
            }
        }
    }
}

fn lock(directory: &Mutex<Directory>) -> MutexGuard<'_, Directory> {
    directory.lock().unwrap_or_else(PoisonError::into_inner)
}
