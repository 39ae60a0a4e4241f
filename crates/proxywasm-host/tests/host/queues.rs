//! Queues: each status of each hostcall, and who is told of an item, in several workers.

use crate::common::request;
use proxywasm_host::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use wasi_common::Status;
use wasi_queue::{Queue, QueueError};

/// Workers that share plugins and queues. Each has a log of its own.
struct Fleet {
    services: Services,
    workers: Vec<Worker>,
}

struct Worker {
    host: Host,
    chains: Vec<FilterChain>,
    log: Arc<MemorySink>,
    woken: Arc<Woken>,
}

/// Counts how often a worker is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Fleet {
    /// A chain for each plugin.
    fn new(workers: usize, guests: &[String], change: impl Fn(&mut PluginConfig)) -> Self {
        let queues = InProcessQueues::new(QueueSettings {
            queues_per_scope: 2,
            items: 100,
            item_bytes: 8,
            ..QueueSettings::default()
        });
        Self::with(Arc::new(queues), workers, guests, change)
    }

    fn with(
        queues: Arc<dyn QueueBackend>,
        workers: usize,
        guests: &[String],
        change: impl Fn(&mut PluginConfig),
    ) -> Self {
        let engine = Engine::new(EngineSettings::default()).unwrap();
        let mut services = Services::from(Arc::new(MemorySink::default()));
        services.queues = queues;
        let plugins = guests.iter().enumerate().map(|(index, guest)| {
            let mut config = PluginConfig::new(format!("p{index}"));
            config.vm_id = "vm".to_owned();
            config.log_level = LogLevel::Trace;
            change(&mut config);
            let code = engine.load(&wat::parse_str(guest).unwrap()).unwrap();
            Plugin::new(&engine, code, config, &services).unwrap()
        });
        let chains: Vec<_> = plugins.map(|plugin| FilterChain::new(vec![plugin])).collect();
        let workers = (0..workers).map(|_| {
            let (log, woken) = (Arc::new(MemorySink::default()), Arc::new(Woken::default()));
            let mut host = Host::new(Services {
                log: Arc::clone(&log) as Arc<dyn LogSink>,
                ..services.clone()
            });
            host.set_waker(Waker::from(Arc::clone(&woken)));
            let chains = chains.clone();
            Worker {
                host,
                chains,
                log,
                woken,
            }
        });
        Self {
            workers: workers.collect(),
            services,
        }
    }

    fn queue(&self, name: &str) -> Result<Arc<dyn Queue>, QueueError> {
        self.services.queues.open("vm", name.as_bytes(), false)
    }

    /// Begins a stream at a plugin in a worker, which starts it.
    fn open(&mut self, worker: usize, plugin: usize) {
        let worker = &mut self.workers[worker];
        worker.host.open(&worker.chains[plugin], None);
    }

    /// Sends a request to a plugin in a worker.
    fn request(&mut self, worker: usize, plugin: usize) {
        let worker = &mut self.workers[worker];
        let stream = worker.host.open(&worker.chains[plugin], None);
        worker.host.request_headers(stream, request(), true);
        worker.host.finish(stream);
    }

    /// Wakes every worker; returns what plugins have logged in each.
    fn wake(&mut self) -> Vec<String> {
        for worker in &mut self.workers {
            worker.host.handle_wake();
        }
        self.logs()
    }

    fn logs(&mut self) -> Vec<String> {
        let text = |worker: &Worker| {
            let messages = worker.log.take().into_iter().map(|(_, message)| message);
            messages.collect::<Vec<_>>().join(" ")
        };
        self.workers.iter().map(text).collect()
    }
}

/// A plugin of the component ABI: code for its start, for request headers, and for an item. `$open` opens a queue by the one letter of
/// its name, `$put` adds an item of one letter, `$take` takes one into a place of so many bytes, `$id` is the queue that was opened last.
/// Each call notes the status as a hexadecimal digit, `$take` also the item; what was noted is logged at the end of each callback.
fn component(start: &str, request: &str, ready: &str) -> String {
    format!(
        r#"(module
        (import "wasi-queue" "open_shared_queue" (func $open_queue (param i32 i32 i32 i32) (result i32)))
        (import "wasi-queue" "delete_shared_queue" (func $delete_queue (param i32) (result i32)))
        (import "wasi-queue" "dequeue_shared_queue_item" (func $dequeue (param i32 i32 i32 i32) (result i32)))
        (import "wasi-queue" "enqueue_shared_queue_item" (func $enqueue (param i32 i32 i32) (result i32)))
        (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "0123456789abcdef")
        (data (i32.const 16) "\80\00\00\00")
        ;; 24: iovec of one letter at 32; 40: iovec of the place for items at 512
        (data (i32.const 24) "\20\00\00\00\01\00\00\00")
        (data (i32.const 40) "\00\02\00\00")
        (func (export "proxy_abi_version_2021_04"))
        (func $id (result i32) (i32.load (i32.const 64)))
        (func $letter (param $letter i32)
            (i32.store8 (i32.add (i32.const 128) (i32.load (i32.const 20))) (local.get $letter))
            (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (i32.const 1))))
        (func $note (param $status i32) (call $letter (i32.load8_u (local.get $status))))
        (func $say
            (if (i32.load (i32.const 20)) (then (drop (call $log (i32.const 2) (i32.const 16) (i32.const 1)))))
            (i32.store (i32.const 20) (i32.const 0)))
        (func $open (param $name i32) (param $create i32)
            (i32.store (i32.const 32) (local.get $name))
            (call $note (call $open_queue (i32.const 24) (i32.const 1) (local.get $create) (i32.const 64))))
        (func $put (param $queue i32) (param $item i32)
            (i32.store (i32.const 32) (local.get $item))
            (call $note (call $enqueue (local.get $queue) (i32.const 24) (i32.const 1))))
        (func $take (param $queue i32) (param $room i32)
            (local $status i32)
            (i32.store (i32.const 44) (local.get $room))
            (local.set $status (call $dequeue (local.get $queue) (i32.const 40) (i32.const 1) (i32.const 68)))
            (call $note (local.get $status))
            (if (i32.eqz (local.get $status)) (then (call $letter (i32.load8_u (i32.const 512))))))
        (func (export "proxy_on_plugin_start") (param i32 i32) (result i32)
            {start} (call $say) (i32.const 1))
        (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32)
            {request} (call $say) (i32.const 0))
        (func (export "proxy_on_shared_queue_ready") (param $queue i32)
            {ready} (call $say)))"#
    )
}

/// Opens the queue `q`, as a consumer or not.
const OPEN: &str = "(call $open (i32.const 113) (i32.const 0))";
const CREATE: &str = "(call $open (i32.const 113) (i32.const 1))";
/// Adds `x`.
const PUT: &str = "(call $put (call $id) (i32.const 120))";
/// Takes the item of a notification.
const TAKE: &str = "(call $take (local.get $queue) (i32.const 8))";

/// Calls, and the statuses that they have to answer, in hexadecimal digits, an item following its own.
fn check(calls: &[(&str, &str)], change: impl Fn(&mut PluginConfig)) {
    let code: String = calls.iter().map(|(call, _)| *call).collect();
    let expected: String = calls.iter().map(|(_, answer)| *answer).collect();
    let mut fleet = Fleet::new(1, &[component("", &code, "")], change);
    fleet.request(0, 0);
    assert_eq!(fleet.logs(), [expected], "{code}");
}

fn status(status: Status) -> String {
    format!("{:x}", status as u32)
}

#[test]
fn opening_and_deleting() {
    let open =
        |name: char, create: u32| format!("(call $open (i32.const {}) (i32.const {create}))", name as u32);
    let (keep, kept) = (
        "(i32.store (i32.const 80) (call $id))",
        "(i32.load (i32.const 80))",
    );
    let delete = |queue: &str| format!("(call $note (call $delete_queue {queue}))");
    let of_no_name =
        "(call $note (call $open_queue (i32.const 24) (i32.const 0) (i32.const 1) (i32.const 64)))";
    let nowhere =
        "(call $note (call $open_queue (i32.const 65532) (i32.const 1) (i32.const 1) (i32.const 64)))";
    let nowhere_to =
        "(call $note (call $open_queue (i32.const 24) (i32.const 1) (i32.const 0) (i32.const 65534)))";
    let same = format!("(if (i32.eq (call $id) {kept}) (then (call $letter (i32.const 61))))");
    let calls = [
        (of_no_name, status(Status::BadArgument)),
        (nowhere, status(Status::InvalidMemoryAccess)),
        (&open('q', 0), status(Status::NotFound)),
        (&open('z', 1), status(Status::NotAllowed)),
        (&open('q', 1), status(Status::Ok)),
        (keep, String::new()),
        (&open('q', 0), status(Status::Ok)),
        (&same, "=".to_owned()),
        (nowhere_to, status(Status::InvalidMemoryAccess)),
        (&open('r', 1), status(Status::Ok)),
        // The scope has no more than two.
        (&open('s', 1), status(Status::Unavailable)),
        (&delete("(i32.const 0)"), status(Status::BadArgument)),
        (&delete("(i32.const 99)"), status(Status::BadArgument)),
        (&delete(kept), status(Status::Ok)),
        (&delete(kept), status(Status::BadArgument)),
        (&open('q', 0), status(Status::NotFound)),
        (&open('s', 1), status(Status::Ok)),
    ];
    let calls: Vec<_> = calls
        .iter()
        .map(|(call, answer)| (*call, answer.as_str()))
        .collect();
    check(&calls, |config| {
        config.permissions.queues = ["q", "r", "s", ""].into_iter().collect();
    });
    // Handles are bounded as well.
    check(
        &[(&open('q', 1), "0"), (&open('r', 1), "a"), (&open('q', 1), "0")],
        |config| {
            config.limits.handles = 1;
        },
    );
}

#[test]
fn items() {
    let take = |room: u32| format!("(call $take (call $id) (i32.const {room}))");
    let long = "(call $note (call $enqueue (call $id) (i32.const 80) (i32.const 1)))";
    let put = |item: char| format!("(call $put (call $id) (i32.const {}))", item as u32);
    let size = "(call $note (i32.load (i32.const 68)))";
    let nowhere = "(call $note (call $enqueue (call $id) (i32.const 65532) (i32.const 1)))";
    let to_nowhere = "(call $note (call $dequeue (call $id) (i32.const 65532) (i32.const 1) (i32.const 68)))";
    let no_size = "(call $note (call $dequeue (call $id) (i32.const 40) (i32.const 1) (i32.const 65534)))";
    let calls = [
        (CREATE, status(Status::Ok)),
        (&take(8), status(Status::Empty)),
        (&put('a'), status(Status::Ok)),
        (&put('b'), status(Status::Ok)),
        (nowhere, status(Status::InvalidMemoryAccess)),
        (to_nowhere, status(Status::InvalidMemoryAccess)),
        (no_size, status(Status::InvalidMemoryAccess)),
        (&take(0), status(Status::BufferTooSmall)),
        (size, "1".to_owned()),
        (&take(8), "0a".to_owned()),
        (&take(1), "0b".to_owned()),
        (&take(8), status(Status::Empty)),
        // An iovec of 9 bytes: more than an item may have.
        ("(i32.store (i32.const 84) (i32.const 9))", String::new()),
        (long, status(Status::Unavailable)),
        (
            "(call $put (i32.const 99) (i32.const 97))",
            status(Status::BadArgument),
        ),
        (
            "(call $take (i32.const 99) (i32.const 8))",
            status(Status::BadArgument),
        ),
    ];
    let calls: Vec<_> = calls
        .iter()
        .map(|(call, answer)| (*call, answer.as_str()))
        .collect();
    check(&calls, |_| {});
    let full = format!(
        "(local $n i32) {CREATE} (loop {PUT} (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $n) (i32.const 101))))"
    );
    check(&[(&full, &format!("0{}a", "0".repeat(100)))], |_| {});
}

#[test]
fn queues_of_other_plugins() {
    // The second plugin lives in the instance of the first, and uses its queue without having opened it.
    let deleted = "(call $note (call $delete_queue (i32.const 1)))";
    let foreign = format!(
        "(if (call $id) (then {deleted} (call $put (i32.const 1) (i32.const 120)) (call $take (i32.const 1) (i32.const 8)))
            (else {CREATE}))"
    );
    let guest = component("", &foreign, "");
    let mut fleet = Fleet::new(1, &[guest.clone(), guest], |_| {});
    fleet.request(0, 0);
    fleet.request(0, 1);
    let not_allowed = status(Status::NotAllowed);
    assert_eq!(fleet.logs(), [format!("0 {}", not_allowed.repeat(3))]);

    // Another instance deletes a queue that this one has opened.
    let gone = format!(
        "(if (call $id) (then {PUT} (call $take (call $id) (i32.const 8)) (call $note (call $delete_queue (call $id))))
            (else {CREATE}))"
    );
    let mut fleet = Fleet::new(1, &[component("", &gone, "")], |_| {});
    fleet.request(0, 0);
    fleet.queue("q").unwrap().delete().unwrap();
    fleet.request(0, 0);
    assert_eq!(
        fleet.logs(),
        [format!("0 {}", status(Status::NotFound).repeat(3))]
    );
}

#[test]
fn before_any_plugin_is_there() {
    let guest = component("", "(call $say)", "").replace(
        "(func (export \"proxy_on_plugin_start\")",
        &format!("(func (export \"_initialize\") {CREATE}) (func (export \"proxy_on_plugin_start\")"),
    );
    let mut fleet = Fleet::new(1, &[guest], |_| {});
    fleet.request(0, 0);
    assert_eq!(fleet.logs(), [status(Status::InvalidOperation)]);
}

/// Queues of a server that cannot be reached, or no longer.
struct Away {
    opens: bool,
}

impl QueueBackend for Away {
    fn open(&self, _: &str, _: &[u8], _: bool) -> Result<Arc<dyn Queue>, QueueError> {
        match self.opens {
            true => Ok(Arc::new(Self { opens: true })),
            false => Err(QueueError::Unreachable),
        }
    }

    fn find(&self, _: u32) -> Option<Arc<dyn Queue>> {
        None
    }
}

impl Queue for Away {
    fn number(&self) -> u32 {
        1
    }

    fn name(&self) -> &[u8] {
        b"q"
    }

    fn enqueue(&self, _: &[u8]) -> Result<(), QueueError> {
        Err(QueueError::Unreachable)
    }

    fn take(&self) -> Result<wasi_queue::Item, QueueError> {
        Err(QueueError::Unreachable)
    }

    fn acknowledge(&self, _: wasi_queue::Item) {}

    fn give_back(&self, _: wasi_queue::Item) {}

    fn delete(&self) -> Result<(), QueueError> {
        Err(QueueError::Unreachable)
    }

    fn subscribe(&self, _: wasi_queue::Consumer) -> Result<wasi_queue::Subscription, QueueError> {
        Err(QueueError::Unreachable)
    }
}

#[test]
fn a_server_that_is_away() {
    let code = format!(
        "{CREATE} {OPEN} {PUT} (call $take (call $id) (i32.const 8)) (call $note (call $delete_queue (call $id)))"
    );
    for (opens, expected) in [(true, "a0aaa"), (false, "aa444")] {
        let mut fleet = Fleet::with(Arc::new(Away { opens }), 1, &[component("", &code, "")], |_| {});
        fleet.request(0, 0);
        assert_eq!(fleet.logs(), [expected], "{opens}");
    }
}

#[test]
fn an_item_that_was_not_fetched_goes_back_when_the_callback_returns() {
    let probe = "(call $take (call $id) (i32.const 0))";
    let guest = component("", &format!("{CREATE} {probe} {PUT} {probe}"), "");
    let mut fleet = Fleet::new(1, &[guest], |_| {});
    fleet.request(0, 0);
    assert_eq!(fleet.logs(), ["0108"], "empty, ok, too small");
    let item = fleet.queue("q").unwrap().take().unwrap();
    assert_eq!(&item.payload[..], b"x", "anyone can have it");
}

/// A consumer is told in its own callback; the producer is another plugin, in any worker.
#[test]
fn one_worker_is_told_of_each_item() {
    let (consumer, producer) = (component(CREATE, "", TAKE), component(OPEN, PUT, ""));
    let mut fleet = Fleet::new(2, &[consumer, producer], |_| {});
    assert!(fleet.queue("q").is_err(), "proving a plugin opens nothing");
    fleet.request(0, 0);
    fleet.request(1, 0);
    assert_eq!(fleet.logs(), ["0", "0"]);
    for _ in 0..3 {
        fleet.request(1, 1);
    }
    assert_eq!(
        fleet.logs(),
        ["", "0 0 0 0"],
        "nobody is called before the worker is woken"
    );
    let woken = |fleet: &Fleet, worker: usize| fleet.workers[worker].woken.0.load(Ordering::SeqCst);
    assert_eq!(
        (woken(&fleet, 0), woken(&fleet, 1)),
        (1, 1),
        "and it is woken once for all"
    );
    assert_eq!(fleet.wake(), ["0x 0x", "0x"], "workers take turns");
    assert_eq!(fleet.wake(), ["", ""]);
}

#[test]
fn another_worker_is_told_where_one_fails() {
    let (bad, producer) = (
        component(
            CREATE,
            "(i32.store (i32.const 96) (i32.const 1))",
            &format!("(if (i32.load (i32.const 96)) (then unreachable)) {TAKE}"),
        ),
        component(OPEN, PUT, ""),
    );
    let mut fleet = Fleet::new(2, &[bad, producer], |_| {});
    fleet.request(0, 0);
    fleet.open(1, 0);
    for _ in 0..4 {
        fleet.request(1, 1);
    }
    fleet.logs();
    assert_eq!(fleet.wake(), ["", "0x 0x 0x 0x"]);

    // Nobody is left: who starts next finds what is there.
    let producer = component(OPEN, PUT, "");
    let consumer = component(CREATE, "unreachable", TAKE);
    let mut fleet = Fleet::new(1, &[consumer, producer], |_| {});
    fleet.open(0, 0);
    fleet.request(0, 1);
    fleet.request(0, 0);
    fleet.logs();
    assert_eq!(fleet.wake(), [""]);
    fleet.open(0, 0);
    assert_eq!(fleet.wake(), ["0 0x"]);
}

#[test]
fn another_worker_is_told_where_a_plugin_ends() {
    let (consumer, producer) = (component(CREATE, "", TAKE), component(OPEN, PUT, ""));
    let mut fleet = Fleet::new(2, &[consumer, producer], |_| {});
    fleet.request(0, 0);
    fleet.request(1, 0);
    for _ in 0..4 {
        fleet.request(1, 1);
    }
    fleet.logs();
    let plugin = fleet.workers[0].chains[0].plugins()[0].clone();
    fleet.workers[0].host.shut_down(&plugin);
    assert_eq!(fleet.wake(), ["", "0x 0x 0x 0x"]);
}

#[test]
fn a_plugin_that_feeds_itself_leaves_time_for_others() {
    let guest = component(&format!("{CREATE} {PUT}"), "", &format!("{TAKE} {PUT}"));
    let mut fleet = Fleet::new(1, &[guest], |_| {});
    fleet.request(0, 0);
    fleet.logs();
    let woken = fleet.workers[0].woken.0.load(Ordering::SeqCst);
    let told = fleet.wake()[0].split(' ').count();
    assert!(told < 1000, "{told} callbacks in one turn");
    assert!(
        fleet.workers[0].woken.0.load(Ordering::SeqCst) > woken,
        "it goes on in the next turn"
    );
    assert_ne!(fleet.wake(), [""]);
}

/// The same queues for plugins of the older ABIs, which name them by number.
#[test]
fn older_plugins() {
    let legacy = |start: &str, request: &str| {
        format!(
            r#"(module
            (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
            (import "env" "proxy_resolve_shared_queue" (func $resolve (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
            (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "qvmxy!")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
            (func $check (param $status i32) (if (local.get $status) (then unreachable)))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) {start} (i32.const 1))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {request} (i32.const 0))
            ;; One item for each call, as plugins of today do; `!` where there is none, or the number is not the one of the queue.
            (func (export "proxy_on_queue_ready") (param $context i32) (param $queue i32)
                (if (i32.or (i32.ne (local.get $queue) (i32.load (i32.const 16)))
                        (call $dequeue (local.get $queue) (i32.const 20) (i32.const 24)))
                    (then (drop (call $log (i32.const 2) (i32.const 5) (i32.const 1))))
                    (else (drop (call $log (i32.const 2) (i32.load (i32.const 20)) (i32.load (i32.const 24))))))))"#
        )
    };
    let register = "(call $check (call $register (i32.const 0) (i32.const 1) (i32.const 16)))";
    let send =
        "(call $check (call $resolve (i32.const 1) (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))
        (call $check (call $enqueue (i32.load (i32.const 16)) (i32.const 3) (i32.const 1)))
        (call $check (call $enqueue (i32.load (i32.const 16)) (i32.const 4) (i32.const 1)))";
    let mut fleet = Fleet::new(2, &[legacy(register, ""), legacy("", send)], |_| {});
    fleet.request(0, 0);
    fleet.request(1, 0);
    fleet.request(1, 1);
    assert_eq!(fleet.wake(), ["x", "y"]);
    // Both generations share queues.
    let component = component(CREATE, "", TAKE);
    let mut fleet = Fleet::new(2, &[component, legacy("", send)], |_| {});
    fleet.request(0, 0);
    fleet.request(1, 1);
    fleet.logs();
    assert_eq!(fleet.wake(), ["0x 0y", ""]);
}
