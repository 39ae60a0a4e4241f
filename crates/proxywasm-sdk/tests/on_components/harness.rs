//! A plugin on the bare component crates: no filter chain, no effects, one stream at a time.

#![allow(clippy::expect_used, reason = "a test whose surroundings fail has to fail")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use wasi_common::guest::{GuestMemoryView, MemorySlot};
use wasi_common::stream::Lane;
use wasi_common::{
    AbiPolicy, Access, Action, ByteMap, CallScope, Common, CommonView, Context, ContextType, Direction,
    LogLevel, Piece, PluginSettings, StreamKey,
};
use wasi_context::{ConfigurationSizes, Lifecycle, LifecycleCallbacks, LifecycleView};
use wasi_http::{Effect, Http, HttpCallbacks, HttpView};
use wasi_log::{Log, LogCallbacks, LogView, MemorySink};
use wasmtime::{AsContextMut, Engine, Linker, Module, Store};

/// Headers or trailers.
pub(crate) type Pairs = Vec<(String, String)>;

struct State {
    memory: MemorySlot,
    common: Common,
    lifecycle: Lifecycle,
    http: Http,
    log: Log,
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

impl LifecycleView for State {
    fn lifecycle(&mut self) -> (&mut Common, &mut Lifecycle) {
        (&mut self.common, &mut self.lifecycle)
    }
}

impl HttpView for State {
    fn http(&mut self) -> (&mut Common, &mut Http) {
        (&mut self.common, &mut self.http)
    }
}

impl LogView for State {
    fn log(&mut self) -> (&mut Common, &mut Log) {
        (&mut self.common, &mut self.log)
    }
}

/// An instance with one plugin and one stream.
pub(crate) struct Guest {
    store: Store<State>,
    context: wasi_context::Callbacks,
    http: wasi_http::Callbacks,
    log: wasi_log::Callbacks,
    sink: Arc<MemorySink>,
    plugin_id: u32,
    stream: StreamKey,
    context_id: u32,
}

impl Guest {
    /// Loads a prebuilt plugin and starts it; tells whether it accepts its configuration.
    pub(crate) fn start(name: &str, configuration: &str) -> (Self, bool) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/prebuilt");
        let wasm = fs::read(folder.join(name).with_extension("wasm")).expect("the plugin is prebuilt");
        let engine = Engine::default();
        let module = Module::new(&engine, wasm).expect("a module");
        let mut linker = Linker::new(&engine);
        wasi_common::add_to_linker(&mut linker).expect("wasi-common");
        wasi_context::add_to_linker(&mut linker).expect("wasi-context");
        wasi_http::add_to_linker(&mut linker).expect("wasi-http");
        wasi_log::add_to_linker(&mut linker).expect("wasi-log");

        let sink = Arc::new(MemorySink::default());
        let log = Log::new(sink.clone(), LogLevel::Info);
        let state = State {
            memory: MemorySlot::default(),
            common: Common::default(),
            lifecycle: Lifecycle::default(),
            http: Http::default(),
            log,
        };
        let mut store = Store::new(&engine, state);
        let instance = linker
            .instantiate(&mut store, &module)
            .expect("nothing but the components is imported");
        let initialize = instance
            .get_typed_func::<(), ()>(&mut store, "_initialize")
            .expect("_initialize");

        let mut settings = PluginSettings::new("sample", AbiPolicy::COMPONENT);
        settings.configuration = Bytes::copy_from_slice(configuration.as_bytes());
        let plugin_id = store.data_mut().common.contexts.add_plugin(Arc::new(settings));
        let stream = store.data_mut().common.streams.open(1);
        let mut guest = Self {
            context: wasi_context::Callbacks::load(&mut store, &instance).expect("callbacks of wasi-context"),
            http: wasi_http::Callbacks::load(&mut store, &instance).expect("callbacks of wasi-http"),
            log: wasi_log::Callbacks::load(&mut store, &instance).expect("callbacks of wasi-log"),
            store,
            sink,
            plugin_id,
            stream,
            context_id: 0,
        };
        initialize.call(&mut guest.store, ()).expect("no trap");
        let sizes = ConfigurationSizes {
            plugin: configuration.len() as u32,
            vm: 0,
        };
        guest.enter(plugin_id, "on_plugin_start");
        let accepted = guest
            .context
            .start_plugin(guest.store.as_context_mut(), plugin_id, sizes)
            .expect("no trap");
        (guest, accepted)
    }

    /// Starts a plugin that accepts its configuration, and a stream.
    pub(crate) fn open(name: &str, configuration: &str) -> Self {
        let (mut guest, accepted) = Self::start(name, configuration);
        assert!(accepted, "{name} refuses {configuration:?}");
        let context = Context::new(guest.plugin_id, guest.stream, 0, ContextType::Http);
        let id = guest.store.data_mut().common.contexts.add_context(context);
        guest.context_id = id;
        guest.enter(id, "on_context_create");
        let store = guest.store.as_context_mut();
        let renamed = guest
            .context
            .create_context(store, id, guest.plugin_id, ContextType::Http)
            .expect("no trap");
        assert_eq!(renamed, 0);
        guest
    }

    /// Delivers headers; returns the action, and what the headers are then.
    pub(crate) fn headers(&mut self, direction: Direction, headers: &[(&str, &str)]) -> (Action, Pairs) {
        self.put(direction, Piece::Headers, headers);
        self.enter(self.context_id, "headers");
        let size = headers.len() as u32;
        let store = self.store.as_context_mut();
        let action = self
            .http
            .headers(store, direction, self.context_id, size, false)
            .expect("no trap");
        (
            action.expect("a known action"),
            self.get(direction, Piece::Headers),
        )
    }

    /// Delivers trailers; returns the action, and what the trailers are then.
    pub(crate) fn trailers(&mut self, direction: Direction, trailers: &[(&str, &str)]) -> (Action, Pairs) {
        self.put(direction, Piece::Trailers, trailers);
        self.enter(self.context_id, "trailers");
        let size = trailers.len() as u32;
        let store = self.store.as_context_mut();
        let action = self
            .http
            .trailers(store, direction, self.context_id, size)
            .expect("no trap");
        (
            action.expect("a known action"),
            self.get(direction, Piece::Trailers),
        )
    }

    /// Delivers a piece of a body behind what is held; returns the action, and what the body is then.
    pub(crate) fn body(
        &mut self,
        direction: Direction,
        piece: &[u8],
        end_of_stream: bool,
    ) -> (Action, Vec<u8>) {
        self.enter(self.context_id, "body");
        let lane = self.lane(direction);
        lane.body_access = Access::Write;
        lane.body.push(Bytes::copy_from_slice(piece));
        let size = lane.body.len() as u32;
        let store = self.store.as_context_mut();
        let action = self
            .http
            .body(store, direction, self.context_id, size, end_of_stream)
            .expect("no trap");
        let body = self
            .lane(direction)
            .body
            .range(0, usize::MAX)
            .collect::<Vec<_>>()
            .concat();
        (action.expect("a known action"), body)
    }

    /// Ends the stream.
    pub(crate) fn finalize(&mut self) {
        self.enter(self.context_id, "on_context_finalize");
        assert!(
            self.context
                .finalize_context(self.store.as_context_mut(), self.context_id)
                .expect("no trap")
        );
    }

    /// Tells another log level.
    pub(crate) fn set_log_level(&mut self, level: LogLevel) {
        self.store.data_mut().log.set_level(level);
        self.log
            .on_log_level_update(self.store.as_context_mut(), level)
            .expect("no trap");
    }

    /// What was queued since the last call.
    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        self.store.data_mut().http.take_effects()
    }

    /// What was logged since the last call.
    pub(crate) fn logged(&self) -> Vec<(LogLevel, String)> {
        self.sink.take()
    }

    fn enter(&mut self, context_id: u32, callback: &'static str) {
        self.store.data_mut().common.scope = CallScope::new(self.plugin_id, context_id, callback);
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        let stream = self
            .store
            .data_mut()
            .common
            .streams
            .get_mut(self.stream)
            .expect("the stream lives");
        stream.lane(0, direction).expect("one filter")
    }

    fn put(&mut self, direction: Direction, piece: Piece, pairs: &[(&str, &str)]) {
        let map: ByteMap = pairs.iter().copied().collect();
        let stream = self
            .store
            .data_mut()
            .common
            .streams
            .get_mut(self.stream)
            .expect("the stream lives");
        stream.map(direction, piece).put_map(map);
        *self.lane(direction).map_access(piece) = Access::Write;
    }

    fn get(&mut self, direction: Direction, piece: Piece) -> Pairs {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stream = self
            .store
            .data_mut()
            .common
            .streams
            .get_mut(self.stream)
            .expect("the stream lives");
        stream
            .map(direction, piece)
            .read()
            .iter()
            .map(|(key, value)| (text(key), text(value)))
            .collect()
    }
}
