//! Queues on a Redis or Valkey server, for a fleet of proxies.

mod lease;
mod queue;
mod scripts;
mod traffic;

use super::{Queue, QueueBackend, QueueError, QueueSettings};
use lease::{Lease, ProcessName};
use proxywasm_redis::{Answer, CallError, Connector, Listener, Value, cmd, escape, random_id};
use queue::RedisQueue;
use rustc_hash::FxHashMap;
use scripts::OPEN;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Queues on a Redis or Valkey server. They outlive the process, and all processes that use the same server and prefix share them.
///
/// To enqueue is one round trip, and waits for no longer than the connector's bound. A process with consumers of a queue fetches items
/// ahead, under a lease; to take one of those costs no round trip. A process without asks the server each time. Items of a process that
/// dies, or cannot reach the server for longer than the lease, are delivered again.
pub struct RedisQueues {
    shared: Arc<Shared>,
}

/// How queues are kept on a server.
#[derive(Debug, Clone)]
pub struct RedisQueueSettings {
    /// What all keys and channels on the server begin with. `proxywasm:queue:`
    pub prefix: String,
    /// Bounds of the queues. Those of the process that enqueues, or makes the queue, are what counts.
    pub bounds: QueueSettings,
    /// For how long a process that does not reach the server keeps the items it has fetched. 15 seconds.
    pub lease: Duration,
    /// Items of one queue that a process fetches ahead. 32.
    pub prefetch: usize,
    /// Bytes of these items, unless a single one has more. One mebibyte.
    pub prefetch_bytes: usize,
}

/// What all queues of this process share.
pub(crate) struct Shared {
    connector: Connector,
    settings: RedisQueueSettings,
    lease: Lease,
    directory: Mutex<Directory>,
}

/// The queues that were opened in this process.
#[derive(Default)]
struct Directory {
    by_id: FxHashMap<u128, Arc<RedisQueue>>,
    by_number: FxHashMap<u32, Arc<RedisQueue>>,
    last_number: u32,
}

// === impl RedisQueues ===

impl RedisQueues {
    /// Queues on the server of a connector.
    pub fn new(connector: Connector, settings: RedisQueueSettings) -> Self {
        // Without randomness the name of this process is nobody's lease: nothing is fetched, and calls answer that they cannot.
        let name = ProcessName(random_id().unwrap_or(0));
        let shared = Arc::new(Shared {
            lease: Lease::new(name, settings.lease),
            connector,
            settings,
            directory: Mutex::default(),
        });
        let listener = Arc::downgrade(&shared);
        shared.connector.add_listener(listener);
        Self { shared }
    }
}

impl QueueBackend for RedisQueues {
    fn open(&self, scope: &str, name: &[u8], create: bool) -> Result<Arc<dyn Queue>, QueueError> {
        let shared = &self.shared;
        let scope = format!("{}{{{}}}", shared.settings.prefix, escape(scope.as_bytes()));
        let id = random_id().ok_or(QueueError::Unreachable)?;
        let request = OPEN.request(
            [scope.as_bytes()],
            [
                name,
                if create { b"1" } else { b"0" },
                format!("{id:032x}").as_bytes(),
                shared.settings.bounds.queues_per_scope.to_string().as_bytes(),
            ],
        );
        let id = verdict(shared.connector.call(request))?;
        let id = std::str::from_utf8(&id)
            .ok()
            .and_then(|id| u128::from_str_radix(id, 16).ok())
            .ok_or(QueueError::Unreachable)?;
        let mut directory = shared.directory();
        if let Some(queue) = directory.by_id.get(&id) {
            return Ok(Arc::clone(queue) as _);
        }
        let number = directory.next_number();
        let queue = RedisQueue::new(Arc::clone(shared), number, id, &scope, name);
        directory.by_id.insert(id, Arc::clone(&queue));
        directory.by_number.insert(number, Arc::clone(&queue));
        Ok(queue)
    }

    fn find(&self, number: u32) -> Option<Arc<dyn Queue>> {
        Some(Arc::clone(self.shared.directory().by_number.get(&number)?) as _)
    }
}

impl Drop for RedisQueues {
    fn drop(&mut self) {
        // Others need not wait for the end of the lease. Queues that plugins still hold go on, but fetch nothing ahead.
        let queues = std::mem::take(&mut *self.shared.directory());
        queues.by_id.values().for_each(|queue| queue.leave());
    }
}

// === impl Shared ===

impl Shared {
    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queues(&self) -> Vec<Arc<RedisQueue>> {
        self.directory().by_id.values().cloned().collect()
    }

    /// A queue that was deleted.
    fn forget(&self, queue: &RedisQueue) {
        let mut directory = self.directory();
        directory.by_id.remove(&queue.id());
        directory.by_number.remove(&queue.number());
    }

    /// The key of a lease.
    fn lease_key(&self, name: ProcessName) -> String {
        format!("{}{}", self.lease_prefix(), name.text())
    }

    fn lease_prefix(&self) -> String {
        format!("{}alive:", self.settings.prefix)
    }

    /// Asks for a lease, or for more time, and calls `then` when it is there.
    fn renew(self: &Arc<Self>, then: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let (request, then) = self.renewal(then);
        self.connector.submit(request, then);
    }

    /// As [`Shared::renew`], and waits for it.
    fn renew_now(self: &Arc<Self>) -> Result<(), QueueError> {
        let (request, then) = self.renewal(|_| {});
        self.connector
            .call_then(request, then)
            .map_err(|_| QueueError::Unreachable)
    }

    /// A request for a lease, or for more time, and what is to be done with the answer.
    fn renewal(
        self: &Arc<Self>,
        then: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> (proxywasm_redis::Cmd, impl FnOnce(Answer) + Send + 'static) {
        let (name, asked) = (self.lease.name(), Instant::now());
        let is_registered = self.lease.registered().is_some();
        let key = self.lease_key(name);
        let term = self.lease.term().as_millis().to_string();
        let request = match is_registered {
            false => {
                let mut set = cmd("SET");
                set.arg(key).arg(1).arg("PX").arg(term);
                set
            }
            true => {
                let mut expire = cmd("PEXPIRE");
                expire.arg(key).arg(term);
                expire
            }
        };
        let shared = Arc::clone(self);
        let then = move |answer: Answer| match answer.as_deref() {
            Ok([Value::Okay | Value::Int(1)]) => {
                shared.lease.grant(name, asked);
                then(&shared);
            }
            Ok([Value::Int(0)]) => shared.lost(name),
            _ => {}
        };
        (request, then)
    }

    /// The lease has run out, and others may have got what was fetched under it.
    fn lost(self: &Arc<Self>, name: ProcessName) {
        let Some(next) = random_id() else { return };
        if self.lease.lose(name, ProcessName(next)) {
            tracing::warn!(
                "the Redis server was out of reach for too long; items of queues that were fetched ahead go to others"
            );
            for queue in self.queues() {
                queue.forget_items();
            }
            self.renew(|shared| shared.queues().iter().for_each(|queue| queue.fetch()));
        }
    }
}

impl Listener for Shared {
    fn connected(&self) {
        for queue in self.queues() {
            queue.reconnect();
        }
    }

    fn probed(&self) {
        for queue in self.queues() {
            queue.sweep();
        }
    }

    fn message(&self, channel: &[u8], payload: &[u8]) {
        let queue = channel
            .rsplit(|byte| *byte == b':')
            .next()
            .and_then(|id| u128::from_str_radix(std::str::from_utf8(id).ok()?, 16).ok())
            .and_then(|id| self.directory().by_id.get(&id).cloned());
        if let Some(queue) = queue {
            match payload {
                b"deleted" => queue.close(),
                _ => queue.fetch(),
            }
        }
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
}

impl Default for RedisQueueSettings {
    fn default() -> Self {
        Self {
            prefix: "proxywasm:queue:".to_owned(),
            bounds: QueueSettings::default(),
            lease: Duration::from_secs(15),
            prefetch: 32,
            prefetch_bytes: 1 << 20,
        }
    }
}

/// What a script says.
fn verdict(answer: Answer) -> Result<Vec<u8>, QueueError> {
    let refused = match answer.map_err(unreachable)?.pop() {
        Some(Value::BulkString(verdict)) => match &*verdict {
            b"no queue" | b"deleted" => QueueError::NotFound,
            b"too many" => QueueError::TooManyQueues,
            b"full" => QueueError::Full,
            _ => return Ok(verdict),
        },
        _ => QueueError::Unreachable,
    };
    Err(refused)
}

/// A server that cannot do what it is asked is as good as none. Why it cannot, the connector says to whoever runs it.
fn unreachable(_: CallError) -> QueueError {
    QueueError::Unreachable
}
