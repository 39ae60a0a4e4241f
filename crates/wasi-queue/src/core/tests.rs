use super::*;
use crate::backend::{InProcessQueues, QueueSettings};
use wasi_common::permissions::Allowed;
use wasi_common::{AbiPolicy, CallScope, Limits};

/// An instance with some plugins, of which one is executing.
struct Guest {
    common: Common,
    queues: Queues,
    mailbox: Arc<Mailbox>,
}

impl Guest {
    /// Plugins by name, VM id and ABI; their ids count from 1.
    fn new(backend: &Arc<InProcessQueues>, plugins: &[(&str, &str, AbiPolicy)]) -> Self {
        let mut common = Common::default();
        for (name, vm_id, policy) in plugins {
            let mut settings = PluginSettings::new(*name, *policy);
            settings.vm_id = (*vm_id).into();
            settings.limits = Limits {
                handles: 3,
                ..Limits::default()
            };
            settings.permissions.queues = ["q", "r", "s", "t"].into_iter().collect::<Allowed>();
            common.contexts.add_plugin(Arc::new(settings));
        }
        let mailbox = Mailbox::new();
        let backend = Arc::clone(backend) as Arc<dyn QueueBackend>;
        let mut guest = Self {
            common,
            queues: Queues::new(backend, Arc::clone(&mailbox), 1),
            mailbox,
        };
        guest.enter(1);
        guest
    }

    fn enter(&mut self, plugin_id: u32) {
        self.queues.callback_returned();
        self.common.scope = CallScope::new(plugin_id, plugin_id, "test");
    }

    fn open(&mut self, name: &str, create: bool) -> Result<u32, Status> {
        self.queues.open(&self.common, name.as_bytes(), create)
    }

    fn enqueue(&mut self, queue_id: u32, payload: &str) -> Result<(), Status> {
        self.queues.enqueue(&self.common, queue_id, payload.as_bytes())
    }

    fn reserve(&mut self, queue_id: u32) -> Result<Bytes, Status> {
        self.queues.reserve(&self.common, queue_id)
    }

    fn dequeue(&mut self, queue_id: u32) -> Result<Bytes, Status> {
        let payload = self.reserve(queue_id)?;
        self.queues.fetched(&self.common, queue_id);
        Ok(payload)
    }

    fn delete(&mut self, queue_id: u32) -> Result<(), Status> {
        self.queues.delete(&self.common, queue_id)
    }
}

const COMPONENT: AbiPolicy = AbiPolicy::COMPONENT;
const LEGACY: AbiPolicy = AbiPolicy::LEGACY;

fn backend() -> Arc<InProcessQueues> {
    Arc::new(InProcessQueues::new(QueueSettings {
        queues_per_scope: 3,
        items: 2,
        bytes: 8,
        item_bytes: 5,
    }))
}

#[test]
fn names_are_scoped_by_vm_id() {
    let backend = backend();
    let mut one = Guest::new(&backend, &[("a", "vm", COMPONENT)]);
    let mut same = Guest::new(&backend, &[("b", "vm", COMPONENT)]);
    let mut other = Guest::new(&backend, &[("c", "", COMPONENT)]);
    assert_eq!(one.open("q", false), Err(Status::NotFound));
    let queue = one.open("q", true).unwrap();
    assert_eq!(one.open("q", true), Ok(queue), "the same id each time");
    assert_eq!(one.open("q", false), Ok(queue));
    assert_eq!(other.open("q", false), Err(Status::NotFound));
    assert_ne!(other.open("q", true), Ok(queue));
    one.enqueue(queue, "x").unwrap();
    let queue = same.open("q", false).unwrap();
    assert_eq!(same.dequeue(queue).unwrap(), "x");
    assert_eq!(same.dequeue(queue), Err(Status::Empty));
}

#[test]
fn refusals() {
    let backend = backend();
    let mut guest = Guest::new(&backend, &[("a", "", COMPONENT), ("b", "", COMPONENT)]);
    assert_eq!(guest.open("", true), Err(Status::BadArgument));
    assert_eq!(guest.open("secret", true), Err(Status::NotAllowed));
    let [q, _, _] = ["q", "r", "s"].map(|name| guest.open(name, true).unwrap());
    assert_eq!(guest.open("t", true), Err(Status::Unavailable), "handles");
    assert_eq!(guest.open("q", true), Ok(q), "it has that one");

    guest.enter(2);
    assert_eq!(
        guest.open("t", true),
        Err(Status::Unavailable),
        "queues of the scope"
    );
    assert_eq!(guest.enqueue(q, "x"), Err(Status::NotAllowed));
    assert_eq!(guest.enqueue(99, "x"), Err(Status::BadArgument));
    assert_eq!(guest.reserve(0), Err(Status::BadArgument));
    assert_eq!(guest.delete(q), Err(Status::NotAllowed));

    guest.enter(1);
    assert_eq!(
        guest.enqueue(q, "123456"),
        Err(Status::Unavailable),
        "bytes of an item"
    );
    assert_eq!(guest.enqueue(q, "12345"), Ok(()));
    assert_eq!(
        guest.enqueue(q, "1234"),
        Err(Status::Unavailable),
        "bytes of the queue"
    );
    assert_eq!(guest.enqueue(q, ""), Ok(()));
    assert_eq!(guest.enqueue(q, ""), Err(Status::Unavailable), "items");

    guest.enter(0);
    assert_eq!(guest.open("q", true), Err(Status::InvalidOperation));
    assert_eq!(guest.enqueue(q, ""), Err(Status::InvalidOperation));
}

#[test]
fn what_was_deleted_is_not_found() {
    let backend = backend();
    let mut one = Guest::new(&backend, &[("a", "", COMPONENT)]);
    let mut two = Guest::new(&backend, &[("a", "", COMPONENT)]);
    let q = one.open("q", true).unwrap();
    assert_eq!(two.open("q", true), Ok(q));
    one.enqueue(q, "x").unwrap();
    assert_eq!(one.delete(q), Ok(()));
    assert_eq!(one.delete(q), Err(Status::BadArgument), "the id is gone");
    assert!(two.mailbox.next().is_none());
    assert_eq!(two.reserve(q), Err(Status::NotFound));
    assert_eq!(two.enqueue(q, "x"), Err(Status::NotFound));
    assert_eq!(two.delete(q), Err(Status::NotFound));
    assert_eq!(two.open("q", false), Err(Status::NotFound));
    let again = two.open("q", true).unwrap();
    assert_ne!(again, q);
    assert_eq!(two.dequeue(again), Err(Status::Empty));
    two.delete(again).unwrap();
    for _ in 0..5 {
        // Ids of what others deleted do not use up the plugin's handles.
        let q = one.open("q", true).unwrap();
        two.open("q", true).unwrap();
        one.delete(q).unwrap();
    }
}

#[test]
fn what_was_not_fetched_goes_back_in_front() {
    let backend = backend();
    let mut one = Guest::new(&backend, &[("a", "", COMPONENT)]);
    let mut two = Guest::new(&backend, &[("a", "", COMPONENT)]);
    let q = one.open("q", true).unwrap();
    two.open("q", true).unwrap();
    one.enqueue(q, "x").unwrap();
    one.enqueue(q, "y").unwrap();
    assert_eq!(one.reserve(q).unwrap(), "x");
    assert_eq!(one.reserve(q).unwrap(), "x", "the same one until it is fetched");
    assert_eq!(two.dequeue(q).unwrap(), "y", "it is nobody else's meanwhile");
    assert_eq!(two.dequeue(q), Err(Status::Empty));
    one.queues.callback_returned();
    assert_eq!(two.reserve(q).unwrap(), "x");
    drop(two);
    assert_eq!(
        one.dequeue(q).unwrap(),
        "x",
        "an instance that dies gives it back"
    );
    one.queues.callback_returned();
    assert_eq!(one.dequeue(q), Err(Status::Empty), "what was fetched is gone");
}

#[test]
fn who_creates_is_told() {
    let backend = backend();
    let mut producer = Guest::new(&backend, &[("a", "", COMPONENT)]);
    let mut consumer = Guest::new(&backend, &[("b", "", COMPONENT), ("c", "", COMPONENT)]);
    let q = consumer.open("q", true).unwrap();
    assert_eq!(producer.open("q", false), Ok(q));
    let told = |guest: &Guest| {
        let notification = guest.mailbox.next()?;
        let told = (notification.recipient().plugin_id, notification.queue_id());
        notification.handled();
        Some(told)
    };
    producer.enqueue(q, "x").unwrap();
    assert_eq!(told(&consumer), Some((1, q)));
    assert_eq!(told(&producer), None);
    consumer.enter(2);
    consumer.open("q", true).unwrap();
    assert_eq!(told(&consumer), Some((2, q)), "the item is still there");
    consumer.queues.remove_plugin(2);
    producer.enqueue(q, "x").unwrap();
    assert_eq!(told(&consumer), Some((1, q)));
    drop(consumer);
    producer.open("q", true).unwrap();
    assert_eq!(told(&producer), Some((1, q)), "what nobody took");
}

#[test]
fn older_abis() {
    let backend = backend();
    let mut one = Guest::new(&backend, &[("a", "vm", LEGACY)]);
    let mut two = Guest::new(&backend, &[("b", "other", LEGACY)]);
    let q = one.open("q", true).unwrap();
    assert_eq!(two.enqueue(q, "x"), Ok(()), "by the number alone");
    assert_eq!(two.queues.open_in(&two.common, "vm", b"q", false), Ok(q));
    assert_eq!(
        two.queues.open_in(&two.common, "", b"q", false),
        Err(Status::NotFound)
    );
    assert_eq!(one.dequeue(q).unwrap(), "x");
    assert_eq!(one.enqueue(99, "x"), Err(Status::NotFound));
    let hidden = backend.open("vm", b"secret", true).unwrap().number();
    assert_eq!(one.enqueue(hidden, "x"), Err(Status::NotAllowed));
}
