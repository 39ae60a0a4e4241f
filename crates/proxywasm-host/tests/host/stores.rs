//! Key-value stores and shared data: each status of each hostcall, and who shares what.

use crate::common::request;
use proxywasm_host::*;
use std::sync::Arc;
use wasi_common::Status;
use wasi_kvstore::{Condition, KvBackend, KvError, KvStore, StoreSettings, ValueList};

/// Calls of `wasi-kvstore` that a plugin makes one after the other when request headers come.
struct Script {
    data: Vec<u8>,
    code: String,
    expected: String,
}

/// Where a script's data begins.
const DATA: usize = 1024;
/// Places for the numbers that hostcalls return.
const ID: &str = "(i32.const 512)";
const SIZE: &str = "(i32.const 516)";
const CAS: &str = "(i32.const 520)";
/// The compare-and-swap value that the last read gave.
const LAST_CAS: &str = "(i32.load (i32.const 520))";
/// An iovec array outside of the memory.
const NOWHERE: &str = "(i32.const 131072) (i32.const 1)";
/// A number outside of the memory.
const OUTSIDE: &str = "(i32.const 131070)";

const OPEN: &str = "open_shared_kvstore";
const DELETE: &str = "delete_shared_kvstore";
const GET: &str = "get_shared_kvstore_key_values";
const SET: &str = "set_shared_kvstore_key_values";
const ADD: &str = "add_shared_kvstore_key_values";
const REMOVE: &str = "remove_shared_kvstore_key";

const HOSTCALLS: [(&str, usize); 6] = [(OPEN, 4), (DELETE, 1), (GET, 7), (SET, 6), (ADD, 6), (REMOVE, 4)];

impl Script {
    fn new() -> Self {
        Self {
            data: Vec::new(),
            code: String::new(),
            expected: String::new(),
        }
    }

    /// Puts an iovec array into memory, one iovec for each part, and returns it as two arguments.
    fn iovecs(&mut self, parts: &[&str]) -> String {
        let mut array = Vec::new();
        for part in parts {
            array.extend_from_slice(&((DATA + self.data.len()) as u32).to_le_bytes());
            array.extend_from_slice(&(part.len() as u32).to_le_bytes());
            self.data.extend_from_slice(part.as_bytes());
        }
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let address = DATA + self.data.len();
        self.data.extend_from_slice(&array);
        format!("(i32.const {address}) (i32.const {})", parts.len())
    }

    /// Room for so many bytes, as two arguments.
    fn room(&mut self, bytes: usize) -> String {
        self.iovecs(&[&" ".repeat(bytes)])
    }

    /// Calls a hostcall, which has to answer with a status.
    fn call(&mut self, status: Status, name: &str, arguments: &[&str]) -> &mut Self {
        let arguments = arguments.join(" ");
        self.code
            .push_str(&format!("(call $note (call ${name} {arguments}))\n"));
        self.expected.push(char::from_digit(status as u32, 16).unwrap());
        self
    }

    /// Reads a key, to know its compare-and-swap value.
    fn read(&mut self, store: u32, key: &str) -> &mut Self {
        let (key, room) = (self.iovecs(&[key]), self.room(64));
        self.call(Status::Ok, GET, &[&handle(store), &key, &room, SIZE, CAS])
    }

    fn guest(&self) -> String {
        let imports: String = HOSTCALLS
            .iter()
            .map(|(name, parameters)| {
                let types = "i32 ".repeat(*parameters);
                format!(r#"(import "wasi-kvstore" "{name}" (func ${name} (param {types}) (result i32)))"#)
            })
            .collect();
        let data: String = self.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(
            r#"(module
            {imports}
            (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 2 2)
            (data (i32.const 0) "0123456789abcdef")
            (data (i32.const 16) "\80\00\00\00")
            (data (i32.const {DATA}) "{data}")
            (func (export "proxy_abi_version_2021_04"))
            ;; Adds the digit of a status to the text at 128, whose iovec is at 16.
            (func $note (param $status i32)
                (i32.store8 (i32.add (i32.const 128) (i32.load (i32.const 20))) (i32.load8_u (local.get $status)))
                (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (i32.const 1))))
            (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32)
                {code}
                (drop (call $log (i32.const 2) (i32.const 16) (i32.const 1)))
                (i32.store (i32.const 20) (i32.const 0))
                (i32.const 0)))"#,
            code = self.code,
        )
    }

    /// Runs it on a worker of its own.
    fn run(&self, services: &Services, change: impl Fn(&mut PluginConfig)) {
        let mut worker = Worker::new(services, &[self.guest()], |_, config| change(config));
        assert_eq!(
            worker.request(),
            std::slice::from_ref(&self.expected),
            "{}",
            self.code
        );
    }
}

/// A worker: a host and a chain of plugins.
struct Worker {
    host: Host,
    chain: FilterChain,
    log: Arc<MemorySink>,
}

impl Worker {
    fn new(services: &Services, guests: &[String], change: impl Fn(usize, &mut PluginConfig)) -> Self {
        let engine = Engine::new(EngineSettings::default()).unwrap();
        let log = Arc::new(MemorySink::default());
        let services = Services {
            log: Arc::clone(&log) as Arc<dyn LogSink>,
            ..services.clone()
        };
        let plugins = guests.iter().enumerate().map(|(index, guest)| {
            let mut config = PluginConfig::new(format!("p{index}"));
            config.vm_id = "vm".to_owned();
            change(index, &mut config);
            let code = engine.load(&wat::parse_str(guest).unwrap()).unwrap();
            Plugin::new(&engine, code, config, &services).unwrap()
        });
        let chain = FilterChain::new(plugins.collect());
        Self {
            host: Host::new(services),
            chain,
            log,
        }
    }

    /// Sends a request through the chain; returns what plugins log.
    fn request(&mut self) -> Vec<String> {
        let stream = self.host.open(&self.chain, None);
        self.host.request_headers(stream, request(), true);
        assert!(matches!(
            self.host.next_output(stream),
            Some(Output::RequestHeaders { .. })
        ));
        self.host.finish(stream);
        self.log.take().into_iter().map(|(_, message)| message).collect()
    }
}

fn services(stores: impl KvBackend + 'static) -> Services {
    Services {
        stores: Arc::new(stores),
        ..Services::new(Arc::new(MemorySink::default()))
    }
}

fn in_process() -> Services {
    services(InProcessStores::default())
}

fn store_of(services: &Services, name: &str) -> Arc<dyn KvStore> {
    services.stores.open(b"vm", name.as_bytes(), true).unwrap()
}

fn list(values: &[&str]) -> ValueList {
    let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    ValueList::new(values)
}

fn handle(id: u32) -> String {
    format!("(i32.const {id})")
}

#[test]
fn what_plugins_write_and_read() {
    let services = in_process();
    let mut script = Script::new();
    let (name, key) = (script.iovecs(&["sto", "re"]), script.iovecs(&["k", "", "ey"]));
    let (one, values) = (script.iovecs(&["one"]), script.iovecs(&["two", "", "three"]));
    let (room, little) = (script.room(64), script.room(3));
    script
        .call(Status::Ok, OPEN, &[&name, "(i32.const 1)", ID])
        .call(
            Status::NotFound,
            GET,
            &["(i32.load (i32.const 512))", &key, &room, SIZE, CAS],
        )
        .call(Status::Ok, SET, &[&handle(1), &key, &one, "(i32.const 0)"])
        .call(Status::Ok, ADD, &[&handle(1), &key, &values, "(i32.const 0)"])
        .call(
            Status::BufferTooSmall,
            GET,
            &[&handle(1), &key, &little, SIZE, CAS],
        )
        .call(Status::Ok, GET, &[&handle(1), &key, &room, SIZE, CAS])
        .call(Status::Ok, ADD, &[&handle(1), &key, &one, LAST_CAS])
        .call(Status::CasMismatch, SET, &[&handle(1), &key, &one, LAST_CAS])
        .call(Status::CasMismatch, ADD, &[&handle(1), &key, &one, LAST_CAS])
        .call(Status::CasMismatch, REMOVE, &[&handle(1), &key, LAST_CAS]);
    script.run(&services, |_| {});
    let entry = store_of(&services, "store").get(b"key").unwrap();
    assert_eq!(entry.values, list(&["one", "two", "", "three", "one"]));

    let mut script = Script::new();
    let (name, key, other) = (
        script.iovecs(&["store"]),
        script.iovecs(&["key"]),
        script.iovecs(&["other"]),
    );
    let none = script.iovecs(&[]);
    script.call(Status::Ok, OPEN, &[&name, "(i32.const 0)", ID]);
    script
        .read(1, "key")
        .call(Status::CasMismatch, SET, &[&handle(1), &other, &none, LAST_CAS])
        .call(Status::CasMismatch, ADD, &[&handle(1), &other, &none, LAST_CAS])
        .call(Status::NotFound, REMOVE, &[&handle(1), &other, LAST_CAS])
        .call(Status::Ok, SET, &[&handle(1), &key, &none, LAST_CAS]);
    script
        .read(1, "key")
        .call(Status::Ok, REMOVE, &[&handle(1), &key, LAST_CAS])
        .call(Status::NotFound, REMOVE, &[&handle(1), &key, "(i32.const 0)"])
        .call(Status::Ok, SET, &[&handle(1), &other, &none, "(i32.const 0)"]);
    script.run(&services, |_| {});
    assert_eq!(store_of(&services, "store").get(b"key"), Err(KvError::NoSuchKey));
    assert_eq!(
        store_of(&services, "store").get(b"other").unwrap().values,
        list(&[])
    );
}

#[test]
fn opening_and_deleting() {
    let stores = StoreSettings {
        stores: 2,
        ..StoreSettings::default()
    };
    let mut script = Script::new();
    let [empty, a, b, c, other] = ["", "a", "b", "c", "other"].map(|name| script.iovecs(&[name]));
    let (key, room) = (script.iovecs(&["k"]), script.room(64));
    let (create, existing) = ("(i32.const 1)", "(i32.const 0)");
    script
        .call(Status::BadArgument, OPEN, &[&empty, create, ID])
        .call(Status::NotAllowed, OPEN, &[&other, create, ID])
        .call(Status::NotFound, OPEN, &[&a, existing, ID])
        .call(Status::Ok, OPEN, &[&a, create, ID])
        .call(Status::Ok, OPEN, &[&a, existing, ID])
        .call(Status::Ok, OPEN, &[&b, create, ID])
        // More stores than the quota, then more handles than the limit.
        .call(Status::Unavailable, OPEN, &[&c, create, ID])
        .call(Status::Ok, OPEN, &[&b, create, ID])
        .call(Status::Unavailable, OPEN, &[&b, create, ID])
        .call(Status::BadArgument, DELETE, &[&handle(0)])
        .call(Status::BadArgument, DELETE, &[&handle(99)])
        .call(Status::Ok, DELETE, &[&handle(1)])
        .call(Status::BadArgument, DELETE, &[&handle(1)])
        // The other handle of the store that is no more.
        .call(Status::NotFound, GET, &[&handle(2), &key, &room, SIZE, CAS])
        .call(Status::NotFound, SET, &[&handle(2), &key, &key, "(i32.const 0)"])
        .call(Status::NotFound, ADD, &[&handle(2), &key, &key, "(i32.const 0)"])
        .call(Status::NotFound, REMOVE, &[&handle(2), &key, "(i32.const 0)"])
        .call(Status::NotFound, DELETE, &[&handle(2)])
        .call(Status::NotFound, OPEN, &[&a, existing, ID])
        .call(Status::Ok, OPEN, &[&c, create, ID]);
    script.run(&services(InProcessStores::new(stores)), |config| {
        config.limits.handles = 4;
        config.permissions.stores = ["a", "b", "c", ""].into_iter().collect();
    });
}

#[test]
fn bad_arguments() {
    let mut script = Script::new();
    let (name, key, room) = (script.iovecs(&["s"]), script.iovecs(&["k"]), script.room(64));
    let create = "(i32.const 1)";
    script
        .call(Status::InvalidMemoryAccess, OPEN, &[NOWHERE, create, ID])
        .call(Status::Ok, OPEN, &[&name, create, ID])
        .call(
            Status::InvalidMemoryAccess,
            SET,
            &[&handle(1), NOWHERE, &key, "(i32.const 0)"],
        )
        .call(
            Status::InvalidMemoryAccess,
            SET,
            &[&handle(1), &key, NOWHERE, "(i32.const 0)"],
        )
        .call(
            Status::InvalidMemoryAccess,
            ADD,
            &[&handle(1), NOWHERE, &key, "(i32.const 0)"],
        )
        .call(
            Status::InvalidMemoryAccess,
            ADD,
            &[&handle(1), &key, NOWHERE, "(i32.const 0)"],
        )
        .call(
            Status::InvalidMemoryAccess,
            REMOVE,
            &[&handle(1), NOWHERE, "(i32.const 0)"],
        )
        .call(Status::NotFound, REMOVE, &[&handle(1), &key, "(i32.const 0)"])
        .call(Status::Ok, SET, &[&handle(1), &key, &key, "(i32.const 0)"])
        .call(
            Status::InvalidMemoryAccess,
            GET,
            &[&handle(1), NOWHERE, &room, SIZE, CAS],
        )
        .call(
            Status::InvalidMemoryAccess,
            GET,
            &[&handle(1), &key, NOWHERE, SIZE, CAS],
        )
        .call(
            Status::InvalidMemoryAccess,
            GET,
            &[&handle(1), &key, &room, OUTSIDE, CAS],
        )
        .call(
            Status::InvalidMemoryAccess,
            GET,
            &[&handle(1), &key, &room, SIZE, OUTSIDE],
        );
    for store in [handle(0), handle(99)] {
        script
            .call(Status::BadArgument, GET, &[&store, &key, &room, SIZE, CAS])
            .call(Status::BadArgument, SET, &[&store, &key, &key, "(i32.const 0)"])
            .call(Status::BadArgument, ADD, &[&store, &key, &key, "(i32.const 0)"])
            .call(Status::BadArgument, REMOVE, &[&store, &key, "(i32.const 0)"]);
    }
    script.run(&in_process(), |_| {});
}

#[test]
fn handles_of_another_plugin() {
    let mut script = Script::new();
    let (name, key, room) = (script.iovecs(&["s"]), script.iovecs(&["k"]), script.room(64));
    script.call(Status::Ok, OPEN, &[&name, "(i32.const 1)", ID]);
    // Both plugins live in one instance, where the handle of the second one follows that of the first, before which there is none.
    const OTHER: &str = "(i32.sub (i32.load (i32.const 512)) (i32.const 1))";
    script
        .call(Status::NotAllowed, DELETE, &[OTHER])
        .call(Status::NotAllowed, GET, &[OTHER, &key, &room, SIZE, CAS])
        .call(Status::NotAllowed, SET, &[OTHER, &key, &key, "(i32.const 0)"])
        .call(Status::NotAllowed, ADD, &[OTHER, &key, &key, "(i32.const 0)"])
        .call(Status::NotAllowed, REMOVE, &[OTHER, &key, "(i32.const 0)"]);
    let mut worker = Worker::new(&in_process(), &[script.guest(), script.guest()], |_, _| {});
    assert_eq!(worker.request(), ["044444", "033333"]);
}

/// Stores on a server that cannot be reached, or no longer.
struct Away {
    opens: bool,
}

impl KvBackend for Away {
    fn open(&self, _: &[u8], _: &[u8], _: bool) -> Result<Arc<dyn KvStore>, KvError> {
        match self.opens {
            true => Ok(Arc::new(Self { opens: true })),
            false => Err(KvError::Unreachable),
        }
    }
}

impl KvStore for Away {
    fn get(&self, _: &[u8]) -> Result<wasi_kvstore::Entry, KvError> {
        Err(KvError::Unreachable)
    }

    fn set(&self, _: &[u8], _: ValueList, _: Condition) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }

    fn add(&self, _: &[u8], _: ValueList, _: Condition) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }

    fn remove(&self, _: &[u8], _: Condition) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }

    fn delete(&self) -> Result<(), KvError> {
        Err(KvError::Unreachable)
    }
}

#[test]
fn a_server_that_is_away_and_quotas() {
    let mut script = Script::new();
    let name = script.iovecs(&["s"]);
    script.call(Status::Unavailable, OPEN, &[&name, "(i32.const 1)", ID]);
    script.run(&services(Away { opens: false }), |_| {});

    let mut script = Script::new();
    let (name, key, room) = (script.iovecs(&["s"]), script.iovecs(&["k"]), script.room(64));
    let values = script.iovecs(&["1", "2"]);
    script
        .call(Status::Ok, OPEN, &[&name, "(i32.const 1)", ID])
        .call(
            Status::Unavailable,
            SET,
            &[&handle(1), &key, &values, "(i32.const 0)"],
        )
        .call(
            Status::Unavailable,
            ADD,
            &[&handle(1), &key, &values, "(i32.const 0)"],
        );
    let full = StoreSettings {
        value_bytes: 8,
        ..StoreSettings::default()
    };
    script.run(&services(InProcessStores::new(full)), |_| {});
    script
        .call(Status::Unavailable, GET, &[&handle(1), &key, &room, SIZE, CAS])
        .call(Status::Unavailable, REMOVE, &[&handle(1), &key, "(i32.const 0)"])
        .call(Status::Unavailable, DELETE, &[&handle(1)]);
    script.run(&services(Away { opens: true }), |_| {});
}

/// Appends a value to a key on each request.
fn appender() -> String {
    let mut script = Script::new();
    let (name, key, value) = (
        script.iovecs(&["s"]),
        script.iovecs(&["k"]),
        script.iovecs(&["x"]),
    );
    let id = "(i32.load (i32.const 512))";
    script.call(Status::Ok, OPEN, &[&name, "(i32.const 1)", ID]).call(
        Status::Ok,
        ADD,
        &[id, &key, &value, "(i32.const 0)"],
    );
    script.guest()
}

#[test]
fn workers_share_and_strangers_do_not() {
    let services = in_process();
    let guests = [appender()];
    let mut workers = [
        Worker::new(&services, &guests, |_, _| {}),
        Worker::new(&services, &guests, |_, _| {}),
        Worker::new(&services, &guests, |_, config| config.vm_id = "other".to_owned()),
    ];
    let none = services.stores.open(b"vm", b"s", false);
    assert!(
        matches!(none, Err(KvError::NoSuchStore)),
        "plugins that are only proved write nothing"
    );
    for worker in &mut workers {
        assert_eq!(worker.request(), ["00"]);
    }
    assert_eq!(
        store_of(&services, "s").get(b"k").unwrap().values,
        list(&["x", "x"])
    );
}

/// A plugin of ABI 0.2.1 that increments the byte at key `k` by compare-and-swap and logs what it becomes.
const INCREMENTS: &str = r#"(module
    (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "k")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        ;; status 1: no such key yet
        (if (i32.eq (call $get (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8)) (i32.const 1))
            (then (i32.store8 (i32.const 1024) (i32.const 48))))
        (i32.store8 (i32.const 1024) (i32.add (i32.load8_u (i32.const 1024)) (i32.const 1)))
        (if (call $set (i32.const 64) (i32.const 1) (i32.const 1024) (i32.const 1) (i32.load (i32.const 8))) (then unreachable))
        (drop (call $log (i32.const 2) (i32.const 1024) (i32.const 1)))
        (i32.const 0)))"#;

#[test]
fn shared_data_of_older_plugins() {
    let services = in_process();
    let guests = [INCREMENTS.to_owned()];
    let mut workers = [(); 2].map(|()| Worker::new(&services, &guests, |_, _| {}));
    for (index, expected) in [(0, "1"), (1, "2"), (1, "3"), (0, "4")] {
        assert_eq!(workers[index].request(), [expected]);
    }
    let mut stranger = Worker::new(&services, &guests, |_, config| config.vm_id = "other".to_owned());
    assert_eq!(stranger.request(), ["1"]);
}
