//! One instance: a store, the callbacks of its module, and the only way into it.

use crate::callback::Callback;
use crate::clock::{CallClock, watch};
use crate::code::Abi;
use crate::config::PhaseSet;
use crate::error::{LoadError, StartError};
use crate::figures::{self, Counted, Ended, PluginFigures};
use crate::plugin::Plugin;
use crate::profile::Sampling;
use crate::services::Services;
use crate::starts::Restarts;
use crate::state::{Bounds, State};
use proxywasm_legacy::{AbiVersion, Legacy, PluginOptions};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;
use wasi_bytestream::{Bytestream, BytestreamCallbacks};
use wasi_common::guest::{Exports, MemorySlot};
use wasi_common::{CallScope, Common, StreamTable, copied};
use wasi_context::{ConfigurationSizes, Lifecycle, LifecycleCallbacks};
use wasi_ffi::{FfiCallbacks, Functions};
use wasi_grpc::{Grpc, GrpcCallbacks};
use wasi_http::{Http, HttpCallCallbacks, HttpCallbacks, Phase};
use wasi_kvstore::KvStores;
use wasi_log::{Log, LogCallbacks};
use wasi_metrics::Metrics;
use wasi_queue::{Mailbox, QueueCallbacks, Queues};
use wasi_timer::{TimerCallbacks, Timers};
use wasmtime::{AsContextMut, Store, StoreContextMut, StoreLimitsBuilder, WasmBacktrace};

/// An instance. It is entered for one callback at a time; nothing re-enters it.
pub(crate) struct Instance {
    store: Store<State>,
    callbacks: Callbacks,
    roots: FxHashMap<u64, Root>,
    figures: Counted,
    callback_time: Duration,
    callout_time: Duration,
    end_time: Duration,
    restarts: Restarts,
}

/// The callbacks of a module, whichever generation of the ABI it speaks.
#[derive(Clone)]
pub(crate) struct Callbacks {
    pub(crate) lifecycle: Arc<dyn LifecycleCallbacks<State> + Send + Sync>,
    pub(crate) http: Arc<dyn HttpCallbacks<State> + Send + Sync>,
    pub(crate) http_calls: Arc<dyn HttpCallCallbacks<State> + Send + Sync>,
    pub(crate) grpc: Arc<dyn GrpcCallbacks<State> + Send + Sync>,
    pub(crate) bytestream: Arc<dyn BytestreamCallbacks<State> + Send + Sync>,
    pub(crate) log: Arc<dyn LogCallbacks<State> + Send + Sync>,
    pub(crate) queues: Arc<dyn QueueCallbacks<State> + Send + Sync>,
    pub(crate) timers: Arc<dyn TimerCallbacks<State> + Send + Sync>,
    pub(crate) ffi: Arc<dyn FfiCallbacks<State> + Send + Sync>,
}

/// A plugin that was started in an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Root {
    pub(crate) plugin_id: u32,
    /// The callbacks that are called: those that the module exports and the configuration has not switched off.
    pub(crate) phases: PhaseSet,
}

// === impl Instance ===

impl Instance {
    /// Instantiates the code of a plugin and lets it initialise itself. No plugin is started yet.
    pub(crate) fn new(plugin: &Plugin, services: &Services) -> Result<Self, StartError> {
        let config = plugin.config();
        let trap = |error| StartError::Trap {
            plugin: config.name.clone(),
            error,
        };
        let load = |error| StartError::Load {
            plugin: config.name.clone(),
            error,
        };
        let version = match plugin.code().abi() {
            Abi::Legacy(version) => version,
            Abi::Component => AbiVersion::V0_2_1,
        };
        let limits = StoreLimitsBuilder::new()
            .memory_size(config.resources.memory_bytes)
            .table_elements(config.resources.table_elements)
            .instances(1)
            .memories(1)
            .build();
        let state = State {
            memory: MemorySlot::default(),
            common: Common {
                process_properties: services.properties.clone(),
                ..Common::default()
            },
            lifecycle: Lifecycle::default(),
            http: Http::new(Arc::clone(&services.upstreams)),
            grpc: Grpc::new(Arc::clone(&services.upstreams)),
            bytestream: Bytestream::default(),
            log: Log::new(Arc::clone(&services.log), config.log_level),
            stores: KvStores::new(Arc::clone(&services.stores)),
            queues: Queues::new(Arc::clone(&services.queues), Mailbox::new(), 0),
            timers: Timers::default(),
            metrics: Metrics::new(Arc::clone(&services.metrics)),
            functions: Functions::new(Arc::clone(&services.functions)),
            wasi: plugin.environment().clone(),
            legacy: Legacy::new(version),
            clock: CallClock::new(config.resources.start_time),
            sampling: Sampling::of(plugin.sampler()),
            limits: Bounds::new(limits),
        };
        let mut store = Store::new(plugin.pre().module().engine(), state);
        store.limiter(|state| &mut state.limits);
        watch(
            &mut store,
            |state| &mut state.clock,
            |context| {
                if context.data().sampling.is_on() {
                    let backtrace = WasmBacktrace::capture(&*context);
                    context.data_mut().sampling.sample(backtrace.frames());
                }
            },
        );
        store.data_mut().clock.enter();
        let sampled = store.data_mut().sampling.enter_new();
        let instance = plugin.pre().instantiate(&mut store);
        proxywasm_wasi::end_lines(store.data_mut());
        let instance = instance.map_err(trap)?;
        let exports = Exports::new(&instance, config.allowed_callbacks.as_ref());
        let callbacks = Callbacks::load(&mut store, exports, plugin.code().abi()).map_err(load)?;
        let streams_answers = callbacks.http_calls.streams_answers();
        store.data_mut().http.calls.set_streams_answers(streams_answers);
        let initialized = match plugin.code().abi() {
            Abi::Component => proxywasm_wasi::initialize(&mut store, &instance),
            Abi::Legacy(_) => proxywasm_legacy::initialize(&mut store, &instance),
        };
        proxywasm_wasi::end_lines(store.data_mut());
        initialized.map_err(trap)?;
        if sampled {
            store.data_mut().sampling.leave();
        }
        let callback_time = config.resources.callback_time;
        Ok(Self {
            store,
            callbacks,
            roots: FxHashMap::default(),
            figures: Counted::default(),
            callback_time,
            callout_time: config.resources.callout_time,
            end_time: config.resources.end_time,
            restarts: Restarts::of(config),
        })
    }

    /// Starts a plugin in the instance.
    pub(crate) fn start_plugin(&mut self, plugin: &Plugin) -> Result<Root, StartError> {
        let settings = plugin.settings();
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let sizes = ConfigurationSizes {
            plugin: size(&settings.configuration),
            vm: size(&settings.vm_configuration),
        };
        let plugin_id = self
            .store
            .data_mut()
            .common
            .contexts
            .add_plugin(Arc::clone(settings));
        let options = PluginOptions {
            headers_pause: plugin.config().headers_pause,
            repeated_headers: plugin.config().repeated_headers,
        };
        self.store.data_mut().legacy.set_options(plugin_id, options);
        if let Some(scope) = &plugin.config().metric_scope {
            let metrics = &mut self.store.data_mut().metrics;
            metrics.set_scope(plugin_id, scope.as_str());
        }
        self.store
            .data_mut()
            .clock
            .set_limit(plugin.config().resources.start_time);
        let sampling = &mut self.store.data_mut().sampling;
        sampling.add(plugin_id, plugin.sampler());
        let started = self.enter(
            &mut StreamTable::new(),
            (plugin_id, plugin_id),
            Callback::PluginStart,
            |callbacks, store| callbacks.lifecycle.start_plugin(store, plugin_id, sizes),
        );
        self.store.data_mut().clock.set_limit(self.callback_time);
        match started {
            Ok(true) => {}
            Ok(false) => {
                return Err(StartError::Refused {
                    plugin: plugin.name().to_owned(),
                });
            }
            Err(error) => {
                return Err(StartError::Trap {
                    plugin: plugin.name().to_owned(),
                    error,
                });
            }
        }
        let http = Phase::ALL
            .into_iter()
            .filter(|phase| self.callbacks.http.exports(*phase));
        let bytestream = wasi_bytestream::Phase::ALL
            .into_iter()
            .filter(|phase| self.callbacks.bytestream.exports(*phase));
        let exported = http.collect::<PhaseSet>().with(bytestream.collect::<PhaseSet>());
        let phases = exported.without(plugin.config().callbacks_off);
        let root = Root { plugin_id, phases };
        self.roots.insert(plugin.id(), root);
        Ok(root)
    }

    /// The number of stream contexts of a plugin that was started here.
    pub(crate) fn contexts_of(&self, id: u64) -> usize {
        let root = self.roots.get(&id);
        root.map_or(0, |root| {
            self.store.data().common.contexts.contexts_of(root.plugin_id)
        })
    }

    /// A plugin that was started here, by its id.
    pub(crate) fn root_of(&self, id: u64) -> Option<Root> {
        self.roots.get(&id).copied()
    }

    /// A plugin that was started here.
    pub(crate) fn root(&self, plugin: &Plugin) -> Option<Root> {
        self.root_of(plugin.id())
    }

    /// All plugins that were started here.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (u64, Root)> {
        self.roots.iter().map(|(id, root)| (*id, *root))
    }

    /// Forgets a plugin that has ended.
    pub(crate) fn remove_root(&mut self, id: u64) {
        if let Some(root) = self.roots.remove(&id) {
            self.figures.remove(root.plugin_id);
            let state = self.state();
            state.http.calls.remove_plugin(&mut state.common, root.plugin_id);
            state.grpc.remove_plugin(&mut state.common, root.plugin_id);
            state.common.contexts.remove_plugin(root.plugin_id);
            state.sampling.remove(root.plugin_id);
            self.state().legacy.remove_plugin(root.plugin_id);
            self.state().stores.remove_plugin(root.plugin_id);
            self.state().queues.remove_plugin(root.plugin_id);
            self.state().timers.remove_plugin(root.plugin_id);
            self.state().metrics.remove_plugin(root.plugin_id);
            self.state().functions.remove_plugin(root.plugin_id);
        }
    }

    /// Enters the guest for one callback of a plugin, which is for a context of it, or the plugin's own. The streams of the worker are lent to it for as long.
    #[inline]
    pub(crate) fn enter<R>(
        &mut self,
        streams: &mut StreamTable,
        (plugin_id, context_id): (u32, u32),
        callback: Callback,
        call: impl FnOnce(&Callbacks, StoreContextMut<'_, State>) -> wasmtime::Result<R>,
    ) -> wasmtime::Result<R> {
        let scope = CallScope::new(plugin_id, context_id, callback.name());
        let state = self.store.data_mut();
        std::mem::swap(&mut state.common.streams, streams);
        state.common.scope = scope;
        state.clock.enter();
        let sampled = state.sampling.is_wanted() && state.sampling.enter(scope);
        if sampled {
            // Ticks that came while no callback of it ran are nobody's.
            self.store.set_epoch_deadline(1);
        }
        let begun = figures::sample();
        let result = call(&self.callbacks, self.store.as_context_mut());
        let state = self.store.data_mut();
        std::mem::swap(&mut state.common.streams, streams);
        state.queues.callback_returned();
        state.functions.callback_returned();
        proxywasm_wasi::end_lines(state);
        if sampled {
            state.sampling.leave();
        }
        let (long, memory) = (state.clock.seen(), state.limits.memory_bytes());
        self.figures.set_memory(memory);
        let ended = Ended {
            callback,
            trapped: result.is_err(),
            begun,
            long,
            copied: copied::take(),
        };
        self.figures.called(plugin_id, ended);
        result
    }

    /// Counts in these figures from now on what a plugin does here.
    pub(crate) fn count(&mut self, plugin_id: u32, figures: Arc<PluginFigures>) {
        let memory = self.store.data().limits.memory_bytes();
        self.figures.set_memory(memory);
        self.figures.add(plugin_id, figures);
    }

    /// The figures of a plugin.
    pub(crate) fn figures(&self, plugin_id: u32) -> Option<&PluginFigures> {
        self.figures.of(plugin_id)
    }

    /// How long a callout may take whose plugin did not say; the same for all its plugins.
    pub(crate) fn callout_time(&self) -> Duration {
        self.callout_time
    }

    /// How long its plugins may put off the end of a stream, or their own; the same for all of them.
    pub(crate) fn end_time(&self) -> Duration {
        self.end_time
    }

    /// The name of its first plugin, for messages.
    pub(crate) fn name(&mut self) -> String {
        let first = self.roots.values().map(|root| root.plugin_id).min();
        let plugin = first.and_then(|id| self.state().common.contexts.plugin(id));
        plugin.map_or_else(String::new, |plugin| plugin.settings.name.clone())
    }

    /// When the one after it is made.
    pub(crate) fn restarts(&self) -> Restarts {
        self.restarts
    }

    /// The state, to look at and change between callbacks.
    #[inline]
    pub(crate) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }
}

// === impl Callbacks ===

impl Callbacks {
    fn load(store: &mut Store<State>, exports: Exports<'_>, abi: Abi) -> Result<Self, LoadError> {
        Ok(match abi {
            Abi::Component => {
                let http = Arc::new(wasi_http::Callbacks::load(&mut *store, exports)?);
                Self {
                    lifecycle: Arc::new(wasi_context::Callbacks::load(&mut *store, exports)?),
                    http: Arc::clone(&http) as _,
                    http_calls: http as _,
                    grpc: Arc::new(wasi_grpc::Callbacks::load(&mut *store, exports)?),
                    bytestream: Arc::new(wasi_bytestream::Callbacks::load(&mut *store, exports)?),
                    log: Arc::new(wasi_log::Callbacks::load(&mut *store, exports)?),
                    queues: Arc::new(wasi_queue::Callbacks::load(&mut *store, exports)?),
                    timers: Arc::new(wasi_timer::Callbacks::load(&mut *store, exports)?),
                    ffi: Arc::new(wasi_ffi::Callbacks::load(&mut *store, exports)?),
                }
            }
            Abi::Legacy(_) => {
                let callbacks = Arc::new(proxywasm_legacy::Callbacks::load(store, exports)?);
                Self {
                    lifecycle: Arc::clone(&callbacks) as _,
                    http: Arc::clone(&callbacks) as _,
                    http_calls: Arc::clone(&callbacks) as _,
                    grpc: Arc::clone(&callbacks) as _,
                    log: Arc::clone(&callbacks) as _,
                    queues: Arc::clone(&callbacks) as _,
                    timers: Arc::clone(&callbacks) as _,
                    bytestream: Arc::clone(&callbacks) as _,
                    ffi: callbacks as _,
                }
            }
        })
    }
}
