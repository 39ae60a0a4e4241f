//! Store data with everything the hostcalls need, a guest that passes every call on, and a stream to call about.

use proxywasm_legacy::{AbiVersion, Callbacks, Legacy, LegacyParts, LegacyView};
use proxywasm_wasi::{Wasi, WasiView};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use wasi_bytestream::Bytestream;
use wasi_common::guest::{GuestMemoryView, MemorySlot};
use wasi_common::stream::{Lane, Piece};
use wasi_common::{
    AbiPolicy, Access, CallScope, Common, CommonView, Context, ContextType, Direction, LogLevel,
    PluginSettings, StreamKey,
};
use wasi_context::Lifecycle;
use wasi_ffi::{CallContext, FunctionError, FunctionRegistry, Functions};
use wasi_grpc::Grpc;
use wasi_http::{Http, HttpCallbacks, Phase};
use wasi_kvstore::{InProcessStores, KvStores, StoreSettings};
use wasi_log::{Log, LogSink, LogView, MemorySink};
use wasi_metrics::{Metrics, Registry};
use wasi_queue::{InProcessQueues, Mailbox, QueueSettings, Queues};
use wasi_timer::Timers;
use wasmtime::{Engine, Instance, Linker, Module, Store, Val};

/// Every hostcall that returns a status, with the number of its parameters, but for those with numbers of 64 bits.
pub(crate) const HOSTCALLS: &[(&str, usize)] = &[
    ("proxy_add_header_map_value", 5),
    ("proxy_call_foreign_function", 6),
    ("proxy_clear_route_cache", 0),
    ("proxy_close_stream", 1),
    ("proxy_continue_request", 0),
    ("proxy_continue_response", 0),
    ("proxy_continue_stream", 1),
    ("proxy_define_metric", 4),
    ("proxy_dequeue_shared_queue", 3),
    ("proxy_done", 0),
    ("proxy_enqueue_shared_queue", 3),
    ("proxy_get_buffer_bytes", 5),
    ("proxy_get_buffer_status", 3),
    ("proxy_get_configuration", 2),
    ("proxy_get_current_time_nanoseconds", 1),
    ("proxy_get_header_map_pairs", 3),
    ("proxy_get_header_map_size", 2),
    ("proxy_get_header_map_value", 5),
    ("proxy_get_log_level", 1),
    ("proxy_get_metric", 2),
    ("proxy_get_property", 4),
    ("proxy_get_shared_data", 5),
    ("proxy_get_status", 3),
    ("proxy_grpc_call", 12),
    ("proxy_grpc_cancel", 1),
    ("proxy_grpc_close", 1),
    ("proxy_grpc_send", 4),
    ("proxy_grpc_stream", 9),
    ("proxy_http_call", 10),
    ("proxy_log", 3),
    ("proxy_register_shared_queue", 3),
    ("proxy_remove_header_map_value", 3),
    ("proxy_remove_metric", 1),
    ("proxy_remove_shared_queue", 1),
    ("proxy_replace_header_map_value", 5),
    ("proxy_resolve_shared_queue", 5),
    ("proxy_resume_downstream", 0),
    ("proxy_resume_upstream", 0),
    ("proxy_send_local_response", 8),
    ("proxy_set_buffer_bytes", 5),
    ("proxy_set_effective_context", 1),
    ("proxy_set_header_map_pairs", 3),
    ("proxy_set_property", 4),
    ("proxy_set_shared_data", 5),
    ("proxy_set_tick_period_milliseconds", 1),
];

/// The end of the memory of [`passing_on`], in bytes.
pub(crate) const END: u32 = 65536;
/// Where [`Guest::returned`] looks for an address and a length.
pub(crate) const RETURN: [u32; 2] = [16, 20];

/// Map numbers of the ABI.
pub(crate) const REQUEST_HEADERS: u32 = 0;
pub(crate) const REQUEST_TRAILERS: u32 = 1;
pub(crate) const RESPONSE_HEADERS: u32 = 2;

pub(crate) struct State {
    memory: MemorySlot,
    pub(crate) common: Common,
    pub(crate) http: Http,
    pub(crate) grpc: Grpc,
    pub(crate) bytestream: Bytestream,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) log: Log,
    pub(crate) stores: KvStores,
    pub(crate) queues: Queues,
    pub(crate) timers: Timers,
    pub(crate) metrics: Metrics,
    pub(crate) functions: Functions,
    pub(crate) mailbox: Arc<Mailbox>,
    wasi: Wasi,
    pub(crate) legacy: Legacy,
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

impl LogView for State {
    fn log(&mut self) -> (&mut Common, &mut Log) {
        (&mut self.common, &mut self.log)
    }
}

impl WasiView for State {
    fn wasi(&mut self) -> &mut Wasi {
        &mut self.wasi
    }
}

impl LegacyView for State {
    fn legacy(&mut self) -> LegacyParts<'_> {
        LegacyParts {
            common: &mut self.common,
            http: &mut self.http,
            grpc: &mut self.grpc,
            bytestream: &mut self.bytestream,
            lifecycle: &mut self.lifecycle,
            log: &mut self.log,
            stores: &mut self.stores,
            queues: &mut self.queues,
            timers: &mut self.timers,
            metrics: &mut self.metrics,
            functions: &mut self.functions,
            legacy: &mut self.legacy,
        }
    }
}

/// A guest in its store, with one plugin and one HTTP stream at it.
pub(crate) struct Guest {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) callbacks: Callbacks,
    pub(crate) plugin_id: u32,
    pub(crate) context_id: u32,
    pub(crate) stream: StreamKey,
    next: u32,
}

/// A module in a store, before anything of it ran but its start section.
pub(crate) fn instantiate(wasm: &[u8]) -> wasmtime::Result<(Store<State>, Instance, Arc<MemorySink>)> {
    let engine = Engine::default();
    let module = Module::new(&engine, wasm)?;
    let mut linker = Linker::new(&engine);
    proxywasm_legacy::add_to_linker(&mut linker)?;
    proxywasm_wasi::add_to_linker(&mut linker)?;
    linker.allow_shadowing(true);
    proxywasm_legacy::link_overloads(&mut linker, &module)?;
    let sink = Arc::new(MemorySink::default());
    let queues = InProcessQueues::new(QueueSettings {
        items: 2,
        ..QueueSettings::default()
    });
    let mailbox = Mailbox::new();
    let state = State {
        memory: MemorySlot::default(),
        common: Common::default(),
        bytestream: Bytestream::default(),
        http: Http::new(Arc::new(BTreeSet::from(["x".to_owned()]))),
        grpc: Grpc::new(Arc::new(BTreeSet::from(["x".to_owned()]))),
        lifecycle: Lifecycle::default(),
        log: Log::new(Arc::clone(&sink) as Arc<dyn LogSink>, LogLevel::Debug),
        stores: KvStores::new(Arc::new(InProcessStores::new(StoreSettings {
            value_bytes: 8 << 10,
            ..StoreSettings::default()
        }))),
        queues: Queues::new(Arc::new(queues), Arc::clone(&mailbox), 0),
        timers: Timers::default(),
        metrics: Metrics::new(Arc::new(Registry::default())),
        functions: Functions::new(Arc::new(functions())),
        mailbox,
        wasi: Wasi::default(),
        legacy: Legacy::new(AbiVersion::detect(&module).unwrap_or(AbiVersion::V0_2_1)),
    };
    let mut store = Store::new(&engine, state);
    let instance = linker.instantiate(&mut store, &module)?;
    Ok((store, instance, sink))
}

/// `twice` returns its argument two times, `fail` refuses it if there is one, and fails otherwise.
fn functions() -> FunctionRegistry {
    let mut functions = FunctionRegistry::new();
    let twice = |_: &mut CallContext<'_>, parameters: &[&[u8]]| {
        let argument = parameters.concat();
        Ok(vec![argument.clone().into(), argument.into()])
    };
    functions.register("twice", twice).unwrap();
    let fail = |_: &mut CallContext<'_>, parameters: &[&[u8]]| match parameters {
        [b""] => Err(FunctionError::Failed("it always does".into())),
        _ => Err(FunctionError::BadArgument("it wants none".into())),
    };
    functions.register("fail", fail).unwrap();
    functions
}

pub(crate) fn settings(name: &str) -> PluginSettings {
    let mut settings = PluginSettings::new(name, AbiPolicy::LEGACY);
    settings.configuration = "configuration".into();
    settings.vm_configuration = "vm".into();
    settings
}

impl Guest {
    pub(crate) fn from_wat(wat: &str) -> Self {
        Self::new(&wat::parse_str(wat).unwrap(), settings("test"))
    }

    /// A guest that has everything its callbacks could want: a request with headers and body at it, and no response yet.
    pub(crate) fn new(wasm: &[u8], settings: PluginSettings) -> Self {
        let (mut store, instance, sink) = instantiate(wasm).unwrap();
        let callbacks = Callbacks::load(&mut store, &instance).unwrap();
        proxywasm_legacy::initialize(&mut store, &instance).unwrap();
        let common = &mut store.data_mut().common;
        let plugin_id = common.contexts.add_plugin(Arc::new(settings));
        let stream = common.streams.open(1);
        let context = Context::new(plugin_id, stream, 0, ContextType::Http);
        let context_id = common.contexts.add_context(context);
        common.scope = CallScope::new(plugin_id, context_id, "test");
        let mut guest = Self {
            store,
            instance,
            sink,
            callbacks,
            plugin_id,
            context_id,
            stream,
            next: 1024,
        };
        guest.put(
            Direction::Request,
            Piece::Headers,
            &[
                (":method", "GET"),
                (":path", "/a"),
                ("x", "1"),
                ("x", "2"),
                ("empty", ""),
            ],
        );
        let lane = guest.lane(Direction::Request);
        lane.body.push("abc".into());
        lane.body.push("def".into());
        lane.body_access = Access::Write;
        guest
    }

    pub(crate) fn lane(&mut self, direction: Direction) -> &mut Lane {
        let stream = self.store.data_mut().common.streams.get_mut(self.stream).unwrap();
        stream.lane(0, direction).unwrap()
    }

    /// Puts a map at the plugin.
    pub(crate) fn put(&mut self, direction: Direction, piece: Piece, pairs: &[(&str, &str)]) {
        let stream = self.store.data_mut().common.streams.get_mut(self.stream).unwrap();
        stream
            .map(direction, piece)
            .put_map(pairs.iter().copied().collect());
        *self.lane(direction).map_access(piece) = Access::Write;
    }

    pub(crate) fn request_headers(&mut self) -> Vec<(String, String)> {
        let stream = self.store.data_mut().common.streams.get_mut(self.stream).unwrap();
        text(stream.map(Direction::Request, Piece::Headers).read().iter())
    }

    pub(crate) fn body(&mut self, direction: Direction) -> String {
        let lane = self.lane(direction);
        let bytes: Vec<u8> = lane.body.range(0, usize::MAX).flatten().copied().collect();
        String::from_utf8(bytes).unwrap()
    }

    /// Calls an export with numbers.
    pub(crate) fn try_call(&mut self, name: &str, arguments: &[u32]) -> wasmtime::Result<u32> {
        let function = self.instance.get_func(&mut self.store, name).unwrap();
        let arguments: Vec<Val> = arguments.iter().map(|number| Val::I32(*number as i32)).collect();
        let results = function.ty(&self.store).results().len();
        let mut results = vec![Val::I32(0); results];
        function.call(&mut self.store, &arguments, &mut results)?;
        Ok(results.first().and_then(Val::i32).unwrap_or(0) as u32)
    }

    pub(crate) fn call(&mut self, name: &str, arguments: &[u32]) -> u32 {
        self.try_call(name, arguments).unwrap()
    }

    /// Puts bytes into the guest's memory and returns where, as two arguments.
    pub(crate) fn give(&mut self, bytes: impl AsRef<[u8]>) -> [u32; 2] {
        let (address, bytes) = (self.next, bytes.as_ref());
        self.next += bytes.len() as u32;
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        memory.write(&mut self.store, address as usize, bytes).unwrap();
        [address, bytes.len() as u32]
    }

    pub(crate) fn bytes(&mut self, address: u32, len: u32) -> Vec<u8> {
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        memory.data(&self.store)[address as usize..][..len as usize].to_vec()
    }

    pub(crate) fn number(&mut self, address: u32) -> u32 {
        u32::from_le_bytes(self.bytes(address, 4).try_into().unwrap())
    }

    /// What a hostcall handed over at [`RETURN`].
    pub(crate) fn returned(&mut self) -> Vec<u8> {
        let (address, len) = (self.number(RETURN[0]), self.number(RETURN[1]));
        assert_eq!(address == 0, len == 0, "nothing is given as no address");
        self.bytes(address, len)
    }

    /// The value of an exported global.
    pub(crate) fn global(&mut self, name: &str) -> u32 {
        let global = self.instance.get_global(&mut self.store, name).unwrap();
        global.get(&mut self.store).i32().unwrap() as u32
    }

    pub(crate) fn set_global(&mut self, name: &str, value: u32) {
        let global = self.instance.get_global(&mut self.store, name).unwrap();
        global.set(&mut self.store, Val::I32(value as i32)).unwrap();
    }

    /// Where [`Guest::give`] puts things next.
    pub(crate) fn set_next(&mut self, address: u32) {
        self.next = address;
    }

    pub(crate) fn exports(&self, phase: Phase) -> bool {
        HttpCallbacks::<State>::exports(&self.callbacks, phase)
    }
}

pub(crate) fn text<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    pairs.map(|(key, value)| (text(key), text(value))).collect()
}

/// Imports of all of [`HOSTCALLS`], as `$name`.
pub(crate) fn imports() -> String {
    let mut imports = String::new();
    for (name, parameters) in HOSTCALLS {
        let types = "i32 ".repeat(*parameters);
        writeln!(
            imports,
            "(import \"env\" \"{name}\" (func ${name} (param {types}) (result i32)))"
        )
        .unwrap();
    }
    imports
}

/// A guest that exports each of [`HOSTCALLS`] and passes calls on, with `items` besides. Its allocator hands out the second half of
/// its one page of memory.
pub(crate) fn passing_on(items: &str) -> String {
    let mut exports = String::new();
    for (name, parameters) in HOSTCALLS {
        let types = "i32 ".repeat(*parameters);
        let arguments: String = (0..*parameters)
            .map(|index| format!("(local.get {index}) "))
            .collect();
        writeln!(
            exports,
            "(func (export \"{name}\") (param {types}) (result i32) (call ${name} {arguments}))"
        )
        .unwrap();
    }
    format!(
        r#"(module
            {imports}
            (memory (export "memory") 1)
            (global $next (export "next") (mut i32) (i32.const 32768))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get $size))))
            {exports}
            {items})"#,
        imports = imports(),
    )
}
