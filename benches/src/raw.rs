//! Crossings of the boundary on bare wasmtime, and hostcalls on a bare linker.

use crate::{Body, LOOPS, Scenario};
use std::sync::Arc;
use wasi_common::guest::{GuestMemoryView, MemorySlot};
use wasi_common::{
    AbiPolicy, Access, ByteMap, CallScope, Common, CommonView, Context, ContextType, Direction, Piece,
    PluginSettings,
};
use wasmtime::{Config, Engine, Instance, Linker, Module, Store, UpdateDeadline};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("crossing/empty callback", empty_crossings),
    Scenario::new("crossing/empty hostcall", empty_hostcalls),
    Scenario::new(
        "crossing/five callbacks and a hostcall",
        five_crossings_and_a_hostcall,
    ),
    Scenario::new(
        "crossing/the guest's part of a stream that adds a header, ABI 0.2.1",
        guest_alone,
    ),
    Scenario::new("hostcall/get_buffer, one iovec", get_buffer),
    Scenario::new("hostcall/get_map_values, 20 headers", get_map_values),
    Scenario::new(
        "hostcall/proxy_get_header_map_pairs, 20 headers",
        get_header_map_pairs,
    ),
];

#[derive(Default)]
pub(crate) struct State {
    memory: MemorySlot,
    common: Common,
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

/// A guest under the same settings that the host uses: interrupted by epochs.
fn guest(text: &str) -> (Store<State>, Instance) {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let mut linker = Linker::new(&engine);
    wasi_common::add_to_linker(&mut linker).unwrap();
    linker.func_wrap("bench", "empty", |_: i32| -> i32 { 0 }).unwrap();
    let mut store = Store::new(&engine, State::default());
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

const EMPTY: &str = r#"(module
    (import "bench" "empty" (func $empty (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "hostcall") (param i32 i32 i32) (result i32) (call $empty (i32.const 1)))
    (func (export "hostcalls") (param $n i32)
        (loop $again (drop (call $empty (i32.const 1)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

fn empty_crossings() -> Body {
    let (mut store, instance) = guest(EMPTY);
    let callback = instance
        .get_typed_func::<(u32, u32, u32), u32>(&mut store, "callback")
        .unwrap();
    Box::new(move || {
        for _ in 0..LOOPS {
            callback.call(&mut store, (1, 2, 3)).unwrap();
        }
    })
}

fn empty_hostcalls() -> Body {
    let (mut store, instance) = guest(EMPTY);
    let hostcalls = instance
        .get_typed_func::<u32, ()>(&mut store, "hostcalls")
        .unwrap();
    Box::new(move || hostcalls.call(&mut store, LOOPS).unwrap())
}

fn five_crossings_and_a_hostcall() -> Body {
    let (mut store, instance) = guest(EMPTY);
    let callback = instance
        .get_typed_func::<(u32, u32, u32), u32>(&mut store, "callback")
        .unwrap();
    let hostcall = instance
        .get_typed_func::<(u32, u32, u32), u32>(&mut store, "hostcall")
        .unwrap();
    Box::new(move || {
        for _ in 0..LOOPS {
            for _ in 0..4 {
                callback.call(&mut store, (1, 2, 3)).unwrap();
            }
            hostcall.call(&mut store, (1, 2, 3)).unwrap();
        }
    })
}

fn get_buffer() -> Body {
    let (mut store, instance) = guest(
        r#"(module
        (import "wasi-common" "get_buffer" (func $get (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\00\10\00\00\00\10\00\00")
        (func (export "hostcalls") (param $n i32) (param $context i32)
            (loop $again
                (if (call $get (local.get $context) (i32.const 3) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 1) (i32.const 8))
                    (then (unreachable)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#,
    );
    let context_id = http_stream(store.data_mut(), AbiPolicy::COMPONENT);
    let hostcalls = instance
        .get_typed_func::<(u32, u32), ()>(&mut store, "hostcalls")
        .unwrap();
    Box::new(move || hostcalls.call(&mut store, (LOOPS, context_id)).unwrap())
}

fn get_map_values() -> Body {
    let (mut store, instance) = guest(
        r#"(module
        (import "wasi-common" "get_map_values" (func $get (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\00\10\00\00\00\10\00\00")
        (func (export "hostcalls") (param $n i32) (param $context i32)
            (loop $again
                (if (call $get (local.get $context) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
                    (then (unreachable)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#,
    );
    let context_id = http_stream(store.data_mut(), AbiPolicy::COMPONENT);
    let hostcalls = instance
        .get_typed_func::<(u32, u32), ()>(&mut store, "hostcalls")
        .unwrap();
    Box::new(move || hostcalls.call(&mut store, (LOOPS, context_id)).unwrap())
}

/// The same through ABI 0.2.1, whose host allocates in the guest: by a whole host, since the allocator is part of its state.
fn get_header_map_pairs() -> Body {
    let text = format!(
        r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $get (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (local $n i32)
            (local.set $n (i32.const {LOOPS}))
            (loop $again
                (if (call $get (i32.const 0) (i32.const 0) (i32.const 4)) (then (unreachable)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.const 0)))"#
    );
    let mut bench = crate::streams::Bench::new(&wat::parse_str(text).unwrap(), |_| ());
    bench.head = Some(crate::streams::head(17));
    Box::new(move || bench.stream())
}

/// A stream whose request headers (20 pairs, about 500 bytes) and body are at a plugin.
fn http_stream(state: &mut State, policy: AbiPolicy) -> u32 {
    let common = &mut state.common;
    let plugin_id = common
        .contexts
        .add_plugin(Arc::new(PluginSettings::new("bench", policy)));
    let stream = common.streams.open(1);
    let context_id = common
        .contexts
        .add_context(Context::new(plugin_id, stream, 0, ContextType::Http));
    common.scope = CallScope::new(plugin_id, context_id, "bench");
    let slots = common.streams.get_mut(stream).unwrap();
    let map: ByteMap = (0..20)
        .map(|index| (format!("header-{index}"), "a value of some bytes"))
        .collect();
    slots.map(Direction::Request, Piece::Headers).put_map(map);
    let lane = slots.lane(0, Direction::Request).unwrap();
    lane.body.push("a body of 24 bytes, about".into());
    lane.body_access = Access::Write;
    *lane.map_access(Piece::Headers) = Access::Write;
    context_id
}

/// The same five callbacks and hostcall as the stream that adds a header, in the same plugin, with a host that does nothing at all:
/// what no host can go below.
fn guest_alone() -> Body {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let plugin = proxywasm_tests::guests::load(proxywasm_tests::guests::ADD_HEADER_LEGACY);
    let module = Module::new(&engine, plugin).unwrap();
    let mut store = Store::new(&engine, State::default());
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
    let mut linker = Linker::new(&engine);
    let add = "proxy_add_header_map_value";
    linker
        .func_wrap("env", add, |_: i32, _: i32, _: i32, _: i32, _: i32| -> i32 { 0 })
        .unwrap();
    linker
        .define_unknown_imports_as_default_values(&mut store, &module)
        .unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    instance
        .get_typed_func::<(), ()>(&mut store, "_initialize")
        .unwrap()
        .call(&mut store, ())
        .unwrap();
    let create = instance
        .get_typed_func::<(u32, u32), ()>(&mut store, "proxy_on_context_create")
        .unwrap();
    let headers = instance
        .get_typed_func::<(u32, u32, u32), u32>(&mut store, "proxy_on_request_headers")
        .unwrap();
    let done = instance
        .get_typed_func::<u32, u32>(&mut store, "proxy_on_done")
        .unwrap();
    let log = instance
        .get_typed_func::<u32, ()>(&mut store, "proxy_on_log")
        .unwrap();
    let delete = instance
        .get_typed_func::<u32, ()>(&mut store, "proxy_on_delete")
        .unwrap();
    create.call(&mut store, (1, 0)).unwrap();
    let mut id = 1;
    Box::new(move || {
        for _ in 0..LOOPS {
            id += 1;
            create.call(&mut store, (id, 1)).unwrap();
            headers.call(&mut store, (id, 7, 1)).unwrap();
            done.call(&mut store, id).unwrap();
            log.call(&mut store, id).unwrap();
            delete.call(&mut store, id).unwrap();
        }
    })
}
