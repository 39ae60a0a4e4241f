//! Queues.

use crate::support::{Guest, RETURN, passing_on, settings};
use wasi_common::CallScope;
use wasi_queue::QueueCallbacks;
use wasmtime::AsContextMut;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INVALID_MEMORY_ACCESS: u32 = 6;
const EMPTY: u32 = 7;

/// Where the id of a queue comes to.
const ID: u32 = 24;

fn guest(items: &str) -> Guest {
    let mut settings = settings("test");
    settings.vm_id = "vm".into();
    settings.permissions.queues = ["", "q", "r"].into_iter().collect();
    Guest::new(&wat::parse_str(passing_on(items)).unwrap(), settings)
}

/// Calls a hostcall that returns the id of a queue.
fn id(guest: &mut Guest, status: u32) -> Result<u32, u32> {
    match status {
        OK => Ok(guest.number(ID)),
        status => Err(status),
    }
}

fn register(guest: &mut Guest, name: &str) -> Result<u32, u32> {
    let [name, len] = guest.give(name);
    let status = guest.call("proxy_register_shared_queue", &[name, len, ID]);
    id(guest, status)
}

fn resolve(guest: &mut Guest, vm_id: &[u8], name: &str) -> Result<u32, u32> {
    let ([vm_id, vm_len], [name, len]) = (guest.give(vm_id), guest.give(name));
    let status = guest.call("proxy_resolve_shared_queue", &[vm_id, vm_len, name, len, ID]);
    id(guest, status)
}

fn enqueue(guest: &mut Guest, queue: u32, item: &str) -> u32 {
    let [item, len] = guest.give(item);
    guest.call("proxy_enqueue_shared_queue", &[queue, item, len])
}

fn dequeue(guest: &mut Guest, queue: u32) -> Result<String, u32> {
    let [address, len] = RETURN;
    match guest.call("proxy_dequeue_shared_queue", &[queue, address, len]) {
        OK => Ok(String::from_utf8(guest.returned()).unwrap()),
        status => Err(status),
    }
}

#[test]
fn names() {
    let mut guest = guest("");
    assert_eq!(resolve(&mut guest, b"", "q"), Err(NOT_FOUND));
    let q = register(&mut guest, "q").unwrap();
    assert_ne!(q, 0);
    assert_eq!(register(&mut guest, "q"), Ok(q), "the same each time");
    assert_eq!(
        resolve(&mut guest, b"", "q"),
        Ok(q),
        "an empty VM id is the own one"
    );
    assert_eq!(resolve(&mut guest, b"vm", "q"), Ok(q));
    assert_eq!(resolve(&mut guest, b"other", "q"), Err(NOT_FOUND));
    assert_eq!(
        resolve(&mut guest, b"\xff", "q"),
        Err(NOT_FOUND),
        "a VM id is text"
    );
    assert_ne!(register(&mut guest, "").unwrap(), q);
    assert_eq!(register(&mut guest, "secret"), Err(BAD_ARGUMENT), "not permitted");
    assert_eq!(resolve(&mut guest, b"", "secret"), Err(NOT_FOUND));
}

#[test]
fn items() {
    let mut guest = guest("");
    let q = register(&mut guest, "q").unwrap();
    assert_eq!(dequeue(&mut guest, q), Err(EMPTY));
    assert_eq!(enqueue(&mut guest, q, "one"), OK);
    assert_eq!(enqueue(&mut guest, q, ""), OK);
    // The queues of the fixture take two items.
    assert_eq!(enqueue(&mut guest, q, "three"), NOT_FOUND);
    assert_eq!(dequeue(&mut guest, q).unwrap(), "one");
    assert_eq!(dequeue(&mut guest, q).unwrap(), "");
    assert_eq!(dequeue(&mut guest, q), Err(EMPTY));
    assert_eq!(enqueue(&mut guest, 99, "x"), NOT_FOUND);
    assert_eq!(dequeue(&mut guest, 99), Err(NOT_FOUND));
}

#[test]
fn an_item_without_room_stays() {
    let mut guest = guest("");
    let q = register(&mut guest, "q").unwrap();
    assert_eq!(enqueue(&mut guest, q, "one"), OK);
    assert_eq!(enqueue(&mut guest, q, "two"), OK);
    let next = guest.global("next");
    guest.set_global("next", 0);
    assert_eq!(
        dequeue(&mut guest, q),
        Err(INVALID_MEMORY_ACCESS),
        "the allocator has nothing"
    );
    guest.set_global("next", next);
    assert_eq!(dequeue(&mut guest, q).unwrap(), "one");
    guest.set_global("next", 0);
    assert_eq!(dequeue(&mut guest, q), Err(INVALID_MEMORY_ACCESS));
    guest.store.data_mut().queues.callback_returned();
    guest.set_global("next", next);
    assert_eq!(
        dequeue(&mut guest, q).unwrap(),
        "two",
        "also in the next callback"
    );
}

/// A stream's callback registers, and the plugin's own context is told.
#[test]
fn the_plugin_is_told() {
    let mut guest = guest(
        r#"(global $context (export "context") (mut i32) (i32.const 0))
           (global $queue (export "queue") (mut i32) (i32.const 0))
           (func (export "proxy_on_queue_ready") (param $context i32) (param $queue i32)
               (global.set $context (local.get $context))
               (global.set $queue (local.get $queue)))"#,
    );
    let q = register(&mut guest, "q").unwrap();
    assert!(guest.store.data().mailbox.is_empty());
    assert_eq!(enqueue(&mut guest, q, "x"), OK);
    let notification = guest.store.data().mailbox.next().unwrap();
    let plugin_id = notification.recipient().plugin_id;
    assert_eq!(plugin_id, guest.plugin_id);
    guest.store.data_mut().common.scope = CallScope::new(plugin_id, plugin_id, "test");
    let queue = notification.queue_id();
    guest
        .callbacks
        .on_shared_queue_ready(guest.store.as_context_mut(), plugin_id, queue)
        .unwrap();
    notification.handled();
    assert_eq!((guest.global("context"), guest.global("queue")), (plugin_id, q));
    assert_eq!(guest.store.data().common.scope.callback, "proxy_on_queue_ready");
}
