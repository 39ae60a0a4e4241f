//! Plugins on the bare component crates: no filter chain, no driver, one stream at a time.

#![allow(clippy::expect_used, reason = "a test whose surroundings fail has to fail")]

mod bytestream;
mod callouts;
mod http;
mod services;
mod state;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use wasi_common::{AbiPolicy, CallScope, Context, ContextType, LogLevel, PluginSettings, StreamKey};
use wasi_context::{ConfigurationSizes, LifecycleCallbacks};
use wasi_log::MemorySink;
use wasmtime::{AsContextMut, Engine, Instance, Linker, Module, Store};

pub(crate) use state::Backends;
use state::State;

/// Headers or trailers.
pub(crate) type Pairs = Vec<(String, String)>;

/// An instance with one plugin and at most one stream.
pub(crate) struct Guest {
    store: Store<State>,
    callbacks: Callbacks,
    sink: Arc<MemorySink>,
    plugin_id: u32,
    stream: StreamKey,
    context_id: u32,
    now: Instant,
    stream_effects: Vec<wasi_http::Effect>,
    call_effects: Vec<wasi_http::CallEffect>,
}

/// The callbacks of the module, by component.
struct Callbacks {
    context: wasi_context::Callbacks,
    http: wasi_http::Callbacks,
    bytestream: wasi_bytestream::Callbacks,
    grpc: wasi_grpc::Callbacks,
    log: wasi_log::Callbacks,
    queue: wasi_queue::Callbacks,
    timer: wasi_timer::Callbacks,
    ffi: wasi_ffi::Callbacks,
}

impl Callbacks {
    fn load(store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Self> {
        Ok(Self {
            context: wasi_context::Callbacks::load(&mut *store, instance)?,
            http: wasi_http::Callbacks::load(&mut *store, instance)?,
            bytestream: wasi_bytestream::Callbacks::load(&mut *store, instance)?,
            grpc: wasi_grpc::Callbacks::load(&mut *store, instance)?,
            log: wasi_log::Callbacks::load(&mut *store, instance)?,
            queue: wasi_queue::Callbacks::load(&mut *store, instance)?,
            timer: wasi_timer::Callbacks::load(&mut *store, instance)?,
            ffi: wasi_ffi::Callbacks::load(&mut *store, instance)?,
        })
    }
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi_common::add_to_linker(&mut linker)?;
    wasi_context::add_to_linker(&mut linker)?;
    wasi_http::add_to_linker(&mut linker)?;
    wasi_bytestream::add_to_linker(&mut linker)?;
    wasi_grpc::add_to_linker(&mut linker)?;
    wasi_log::add_to_linker(&mut linker)?;
    wasi_kvstore::add_to_linker(&mut linker)?;
    wasi_queue::add_to_linker(&mut linker)?;
    wasi_timer::add_to_linker(&mut linker)?;
    wasi_metrics::add_to_linker(&mut linker)?;
    wasi_ffi::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl Guest {
    /// Loads a prebuilt plugin and starts it; tells whether it accepts its configuration.
    pub(crate) fn start(name: &str, configuration: &str) -> (Self, bool) {
        Self::start_on(&Backends::default(), name, configuration)
    }

    /// Like [`Guest::start`], on backends that others use as well.
    pub(crate) fn start_on(backends: &Backends, name: &str, configuration: &str) -> (Self, bool) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/prebuilt");
        let wasm = fs::read(folder.join(name).with_extension("wasm")).expect("the plugin is prebuilt");
        let engine = Engine::default();
        let module = Module::new(&engine, wasm).expect("a module");
        let sink = Arc::new(MemorySink::default());
        let mut store = Store::new(&engine, State::new(backends, sink.clone()));
        let instance = linker(&engine)
            .expect("no name twice")
            .instantiate(&mut store, &module)
            .expect("nothing but the components is imported");
        let callbacks = Callbacks::load(&mut store, &instance).expect("callbacks of known types");
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ()).expect("no trap");
        }
        let stream = store.data_mut().common.streams.open(1);
        let mut guest = Self {
            store,
            callbacks,
            sink,
            plugin_id: 0,
            stream,
            context_id: 0,
            now: Instant::now(),
            stream_effects: Vec::new(),
            call_effects: Vec::new(),
        };
        guest.load_answers();
        let accepted = guest.add_plugin(configuration);
        (guest, accepted)
    }

    /// Starts another configuration of the module in this instance; tells whether it is accepted. What happens from now on happens to
    /// this plugin.
    pub(crate) fn add_plugin(&mut self, configuration: &str) -> bool {
        let mut settings = PluginSettings::new("sample", AbiPolicy::COMPONENT);
        settings.configuration = Bytes::copy_from_slice(configuration.as_bytes());
        let contexts = &mut self.store.data_mut().common.contexts;
        self.plugin_id = contexts.add_plugin(Arc::new(settings));
        let sizes = ConfigurationSizes {
            plugin: configuration.len() as u32,
            vm: 0,
        };
        self.enter(self.plugin_id, "on_plugin_start");
        let store = self.store.as_context_mut();
        let accepted = self
            .callbacks
            .context
            .start_plugin(store, self.plugin_id, sizes)
            .expect("no trap");
        self.leave();
        accepted
    }

    /// Starts a plugin that accepts its configuration, and an HTTP stream.
    pub(crate) fn open(name: &str, configuration: &str) -> Self {
        Self::open_on(&Backends::default(), name, configuration)
    }

    /// Like [`Guest::open`], on backends that others use as well.
    pub(crate) fn open_on(backends: &Backends, name: &str, configuration: &str) -> Self {
        let (mut guest, accepted) = Self::start_on(backends, name, configuration);
        assert!(accepted, "{name} refuses {configuration:?}");
        guest.open_stream(ContextType::Http);
        guest
    }

    /// Opens the next stream of the plugin.
    pub(crate) fn open_stream(&mut self, kind: ContextType) {
        self.stream = self.store.data_mut().common.streams.open(1);
        let context = Context::new(self.plugin_id, self.stream, 0, kind);
        let id = self.store.data_mut().common.contexts.add_context(context);
        self.enter(id, "on_context_create");
        let store = self.store.as_context_mut();
        let renamed = self
            .callbacks
            .context
            .create_context(store, id, self.plugin_id, kind)
            .expect("no trap");
        self.context_id = if renamed == 0 { id } else { renamed };
        if renamed != 0 {
            let contexts = &mut self.store.data_mut().common.contexts;
            contexts.rename_context(id, renamed).expect("a number of its own");
        }
        self.leave();
    }

    /// Ends the stream.
    pub(crate) fn finalize(&mut self) {
        self.enter(self.context_id, "on_context_finalize");
        assert!(
            self.callbacks
                .context
                .finalize_context(self.store.as_context_mut(), self.context_id)
                .expect("no trap")
        );
        self.leave();
        let contexts = &mut self.store.data_mut().common.contexts;
        contexts.remove_context(self.context_id);
    }

    /// What was logged since the last call.
    pub(crate) fn logged(&self) -> Vec<(LogLevel, String)> {
        self.sink.take()
    }

    /// The texts that were logged since the last call.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.logged().into_iter().map(|(_, text)| text).collect()
    }

    fn enter(&mut self, context_id: u32, callback: &'static str) {
        self.store.data_mut().common.scope = CallScope::new(self.plugin_id, context_id, callback);
    }

    /// The callback has returned.
    fn leave(&mut self) {
        let now = self.now;
        let state = self.store.data_mut();
        state.queues.callback_returned();
        state.functions.callback_returned();
        state.timers.arm(now);
        state.common.scope = CallScope::default();
    }
}
