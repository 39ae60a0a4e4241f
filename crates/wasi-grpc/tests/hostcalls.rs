//! Each hostcall from a guest, with each status it can return.
//!
//! The guest only passes on: it exports the hostcalls under their names, and what they point to is written into its memory first.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasi_common::guest::{GuestMemoryView, MemorySlot};
use wasi_common::packed::{Layout, pack};
use wasi_common::{
    AbiPolicy, Action, Allowed, ByteMap, CallScope, CalloutStatus, Common, CommonView, PluginSettings, Status,
};
use wasi_grpc::{Effect, Event, Grpc, GrpcView};
use wasmtime::{Engine, Instance, Linker, Memory, Module, Store, Val};

struct State {
    memory: MemorySlot,
    common: Common,
    grpc: Grpc,
}

impl GuestMemoryView for State {
    fn memory_slot(&mut self) -> &mut MemorySlot {
        &mut self.memory
    }
}

impl CommonView for State {
    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}

impl GrpcView for State {
    fn grpc(&mut self) -> (&mut Common, &mut Grpc) {
        (&mut self.common, &mut self.grpc)
    }
}

struct Guest {
    store: Store<State>,
    instance: Instance,
    memory: Memory,
    plugins: [u32; 2],
    next: usize,
}

/// Where results go: one word each for the id or the code, and the size.
const RESULT: i32 = 16;
const SIZE: i32 = 20;
/// One page is the whole memory.
const OUTSIDE: i32 = 65536;

impl Guest {
    fn new() -> Self {
        let hostcalls = [
            ("dispatch_grpc_call", 12),
            ("open_grpc_stream", 9),
            ("send_grpc_stream_message", 4),
            ("close_grpc_call", 1),
            ("close_grpc_stream", 1),
            ("resume_grpc_stream", 1),
            ("get_callout_status", 5),
        ];
        let imports = hostcalls.map(|(name, count)| {
            let parameters = "i32 ".repeat(count);
            format!(r#"(import "wasi-grpc" "{name}" (func ${name} (param {parameters}) (result i32)))"#)
        });
        let exports = hostcalls.map(|(name, count)| {
            let parameters = "i32 ".repeat(count);
            let passed: String = (0..count).map(|index| format!("(local.get {index})")).collect();
            format!(r#"(func (export "{name}") (param {parameters}) (result i32) (call ${name} {passed}))"#)
        });
        let (imports, exports) = (imports.concat(), exports.concat());
        let guest = format!(r#"(module {imports} (memory (export "memory") 1 1) {exports})"#);
        let engine = Engine::default();
        let mut linker = Linker::new(&engine);
        wasi_grpc::add_to_linker(&mut linker).unwrap();
        let mut common = Common::default();
        let plugins = ["one", "two"].map(|name| {
            let mut settings = PluginSettings::new(name, AbiPolicy::COMPONENT);
            settings.limits.callouts = 2;
            settings.limits.callout_bytes = 200;
            settings.permissions.upstreams = Allowed::from_iter(["up", "nowhere"]);
            common.contexts.add_plugin(Arc::new(settings))
        });
        common.scope = CallScope::new(plugins[0], plugins[0], "test");
        let state = State {
            memory: MemorySlot::default(),
            common,
            grpc: Grpc::new(Arc::new(BTreeSet::from(["up".to_owned(), "secret".to_owned()]))),
        };
        let mut store = Store::new(&engine, state);
        let module = Module::new(&engine, wat::parse_str(guest).unwrap()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self {
            store,
            instance,
            memory,
            plugins,
            next: 64,
        }
    }

    /// Puts bytes into the memory, with an iovec that names them. The result is that array, address and count.
    fn iovec(&mut self, bytes: &[u8]) -> [i32; 2] {
        let at = self.next;
        let start = u32::try_from(at + 8).unwrap();
        let len = u32::try_from(bytes.len()).unwrap();
        self.memory
            .write(&mut self.store, at, &start.to_le_bytes())
            .unwrap();
        self.memory
            .write(&mut self.store, at + 4, &len.to_le_bytes())
            .unwrap();
        self.memory.write(&mut self.store, at + 8, bytes).unwrap();
        self.next = (at + 8 + bytes.len()).next_multiple_of(4);
        [i32::try_from(at).unwrap(), 1]
    }

    fn call(&mut self, hostcall: &str, arguments: &[i32]) -> Status {
        let arguments: Vec<Val> = arguments.iter().map(|number| Val::I32(*number)).collect();
        let mut results = [Val::I32(-1)];
        let function = self.instance.get_func(&mut self.store, hostcall).unwrap();
        function.call(&mut self.store, &arguments, &mut results).unwrap();
        Status::try_from(u32::try_from(results[0].unwrap_i32()).unwrap()).unwrap()
    }

    fn word(&mut self, at: i32) -> u32 {
        let mut word = [0; 4];
        let at = usize::try_from(at).unwrap();
        self.memory.read(&self.store, at, &mut word).unwrap();
        u32::from_le_bytes(word)
    }

    /// Opens a stream, or makes a unary call, and returns its id.
    fn begin(&mut self, hostcall: &str) -> i32 {
        let (status, _) = begin(self, hostcall, &[b"up", b"s", b"m", b"", b""], RESULT);
        assert_eq!(status, Status::Ok);
        i32::try_from(self.word(RESULT)).unwrap()
    }

    fn enter(&mut self, plugin: usize) {
        let id = self.plugins[plugin];
        self.store.data_mut().common.scope = CallScope::new(id, id, "test");
    }

    fn end(&mut self, id: i32, action: Action) {
        let id = u32::try_from(id).unwrap();
        let (common, grpc) = self.store.data_mut().grpc();
        let status = CalloutStatus {
            code: 5,
            message: Bytes::from("gone"),
        };
        grpc.receive(
            id,
            Event::End {
                status,
                trailing_metadata: None,
            },
        );
        grpc.next_delivery(common, id).unwrap();
        assert!(grpc.answered(common, id, Ok(action)));
    }
}

/// Calls one of the hostcalls that begin something. The part `<outside>` is an iovec array outside of the memory.
fn begin(guest: &mut Guest, hostcall: &str, parts: &[&[u8]; 5], result: i32) -> (Status, u32) {
    let count = if hostcall == "open_grpc_stream" { 4 } else { 5 };
    let mut arguments = Vec::new();
    for part in &parts[..count] {
        arguments.extend(if *part == b"<outside>" {
            [OUTSIDE, 1]
        } else {
            guest.iovec(part)
        });
    }
    if count == 5 {
        arguments.push(1000);
    }
    arguments.push(result);
    let status = guest.call(hostcall, &arguments);
    let id = if result == RESULT { guest.word(RESULT) } else { 0 };
    (status, id)
}

#[test]
fn dispatch_grpc_call_and_open_grpc_stream() {
    let mut metadata = Vec::new();
    pack([(&b"k"[..], &b"v"[..])].into_iter(), Layout::Flat, &mut metadata);
    let mut forbidden = Vec::new();
    pack(
        [(&b"grpc-x"[..], &b"v"[..])].into_iter(),
        Layout::Flat,
        &mut forbidden,
    );
    let table: &[(&[&[u8]; 5], i32, Status)] = &[
        (&[b"up", b"s", b"m", &metadata, b"hi"], RESULT, Status::Ok),
        (&[b"up", b"s", b"m", b"", b""], RESULT, Status::Ok),
        (&[b"nowhere", b"s", b"m", b"", b""], RESULT, Status::NotFound),
        (&[b"\xff", b"s", b"m", b"", b""], RESULT, Status::NotFound),
        (&[b"secret", b"s", b"m", b"", b""], RESULT, Status::NotAllowed),
        (&[b"up", b"", b"m", b"", b""], RESULT, Status::BadArgument),
        (&[b"up", b"s", b"", b"", b""], RESULT, Status::BadArgument),
        (
            &[b"up", b"s", b"m", b"\x01\0\0", b""],
            RESULT,
            Status::BadArgument,
        ),
        (&[b"up", b"s", b"m", &forbidden, b""], RESULT, Status::BadArgument),
        (
            &[b"<outside>", b"s", b"m", b"", b""],
            RESULT,
            Status::InvalidMemoryAccess,
        ),
        (
            &[b"up", b"s", b"m", b"<outside>", b""],
            RESULT,
            Status::InvalidMemoryAccess,
        ),
    ];
    for hostcall in ["dispatch_grpc_call", "open_grpc_stream"] {
        for (index, (parts, result, expected)) in table.iter().enumerate() {
            let mut guest = Guest::new();
            let (status, id) = begin(&mut guest, hostcall, parts, *result);
            assert_eq!(status, *expected, "{hostcall}, row {index}");
            let effects = guest.store.data_mut().grpc.take_effects();
            assert_eq!(
                effects.len(),
                usize::from(status == Status::Ok),
                "{hostcall}, row {index}"
            );
            assert_eq!(id != 0, status == Status::Ok, "{hostcall}, row {index}");
        }
        let mut guest = Guest::new();
        guest.begin(hostcall);
        guest.begin(hostcall);
        let (status, _) = begin(&mut guest, hostcall, table[0].0, RESULT);
        assert_eq!(status, Status::Unavailable, "{hostcall}: too many callouts");
    }

    let mut guest = Guest::new();
    let (_, id) = begin(&mut guest, "dispatch_grpc_call", table[0].0, RESULT);
    match guest.store.data_mut().grpc.take_effects().remove(0) {
        Effect::Open { callout_id, request } => {
            assert_eq!((callout_id, &request.path[..]), (id, "/s/m"));
            assert_eq!(request.metadata, ByteMap::from_iter([("k", "v")]));
            assert_eq!(request.message.as_deref(), Some(&b"hi"[..]));
            assert_eq!(request.timeout.map(|timeout| timeout.as_millis()), Some(1000));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn send_grpc_stream_message() {
    let mut guest = Guest::new();
    let stream = guest.begin("open_grpc_stream");
    let unary = guest.begin("dispatch_grpc_call");
    guest.store.data_mut().grpc.take_effects();
    let text = guest.iovec(b"hello");
    let empty = guest.iovec(b"");
    let large = guest.iovec(&[b'x'; 201]);
    let table: &[(i32, [i32; 2], i32, Status, Option<(Option<&[u8]>, bool)>)] = &[
        (stream, text, 0, Status::Ok, Some((Some(b"hello"), false))),
        (stream, empty, 0, Status::Ok, Some((Some(b""), false))),
        (stream, [0, 0], 0, Status::Ok, None),
        (stream, large, 0, Status::Unavailable, None),
        (stream, [OUTSIDE, 1], 0, Status::InvalidMemoryAccess, None),
        (unary, text, 0, Status::BadArgument, None),
        (99, text, 0, Status::BadArgument, None),
        (stream, [0, 0], 1, Status::Ok, Some((None, true))),
        (stream, text, 0, Status::InvalidOperation, None),
    ];
    for (index, (id, message, end, expected, effect)) in table.iter().enumerate() {
        let status = guest.call("send_grpc_stream_message", &[*id, message[0], message[1], *end]);
        assert_eq!(status, *expected, "row {index}");
        let effects = guest.store.data_mut().grpc.take_effects();
        let sent = effects.iter().map(|effect| match effect {
            Effect::Send {
                message,
                end_of_stream,
                ..
            } => (message.as_deref(), *end_of_stream),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            sent.collect::<Vec<_>>(),
            effect.iter().copied().collect::<Vec<_>>(),
            "row {index}"
        );
    }
    guest.enter(1);
    let status = guest.call("send_grpc_stream_message", &[stream, 0, 0, 1]);
    assert_eq!(status, Status::NotAllowed);
}

#[test]
fn closes_and_resume() {
    let table = [
        ("close_grpc_call", "dispatch_grpc_call", Status::Ok),
        ("close_grpc_call", "open_grpc_stream", Status::BadArgument),
        ("close_grpc_stream", "open_grpc_stream", Status::Ok),
        ("close_grpc_stream", "dispatch_grpc_call", Status::BadArgument),
        ("resume_grpc_stream", "open_grpc_stream", Status::InvalidOperation),
        ("resume_grpc_stream", "dispatch_grpc_call", Status::BadArgument),
    ];
    for (hostcall, beginning, expected) in table {
        let mut guest = Guest::new();
        let id = guest.begin(beginning);
        guest.enter(1);
        assert_eq!(
            guest.call(hostcall, &[id]),
            Status::NotAllowed,
            "{hostcall} {beginning}"
        );
        guest.enter(0);
        assert_eq!(
            guest.call(hostcall, &[99]),
            Status::BadArgument,
            "{hostcall} {beginning}"
        );
        assert_eq!(guest.call(hostcall, &[id]), expected, "{hostcall} {beginning}");
    }
    let mut guest = Guest::new();
    let id = guest.begin("open_grpc_stream");
    guest.end(id, Action::Pause);
    assert_eq!(guest.call("resume_grpc_stream", &[id]), Status::Ok);
    assert_eq!(
        guest.call("resume_grpc_stream", &[id]),
        Status::BadArgument,
        "it is over"
    );
}

#[test]
fn get_callout_status() {
    let mut guest = Guest::new();
    let id = guest.begin("dispatch_grpc_call");
    let room = guest.iovec(b"....");
    let small = guest.iovec(b"...");
    let ask = |guest: &mut Guest, id, code, message: [i32; 2], size| {
        let zeros = [0xff; 8];
        guest.memory.write(&mut guest.store, 16, &zeros).unwrap();
        let status = guest.call("get_callout_status", &[id, code, message[0], message[1], size]);
        (status, guest.word(RESULT), guest.word(SIZE))
    };
    const UNWRITTEN: u32 = u32::MAX;
    let running = ask(&mut guest, id, RESULT, room, SIZE);
    assert_eq!(running, (Status::InvalidOperation, UNWRITTEN, UNWRITTEN));
    guest.end(id, Action::Pause);
    let table = [
        (id, RESULT, room, SIZE, (Status::Ok, 5, 4)),
        (id, RESULT, small, SIZE, (Status::BufferTooSmall, UNWRITTEN, 4)),
        (id, RESULT, [0, 0], SIZE, (Status::BufferTooSmall, UNWRITTEN, 4)),
        (
            99,
            RESULT,
            room,
            SIZE,
            (Status::BadArgument, UNWRITTEN, UNWRITTEN),
        ),
        (
            id,
            OUTSIDE,
            room,
            SIZE,
            (Status::InvalidMemoryAccess, UNWRITTEN, UNWRITTEN),
        ),
        (
            id,
            RESULT,
            [OUTSIDE, 1],
            SIZE,
            (Status::InvalidMemoryAccess, UNWRITTEN, UNWRITTEN),
        ),
        (
            id,
            RESULT,
            room,
            OUTSIDE,
            (Status::InvalidMemoryAccess, UNWRITTEN, UNWRITTEN),
        ),
    ];
    for (index, (id, code, message, size, expected)) in table.into_iter().enumerate() {
        assert_eq!(ask(&mut guest, id, code, message, size), expected, "row {index}");
    }
    let mut text = [0; 4];
    let at = usize::try_from(room[0]).unwrap() + 8;
    guest.memory.read(&guest.store, at, &mut text).unwrap();
    assert_eq!(&text, b"gone");
    guest.enter(1);
    assert_eq!(ask(&mut guest, id, RESULT, room, SIZE).0, Status::NotAllowed);
    guest.enter(0);
    assert_eq!(guest.call("close_grpc_call", &[id]), Status::Ok);
    assert_eq!(
        ask(&mut guest, id, RESULT, room, SIZE).0,
        Status::BadArgument,
        "it is over"
    );
}
