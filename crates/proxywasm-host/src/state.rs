//! What the store of an instance holds: one field for each component.

use crate::clock::CallClock;
use crate::profile::Sampling;
use proxywasm_legacy::{AbiVersion, Legacy, LegacyParts, LegacyView};
use proxywasm_wasi::{Wasi, WasiView};
use std::sync::Arc;
use std::time::Duration;
use wasi_bytestream::{Bytestream, BytestreamView};
use wasi_common::guest::{GuestMemoryView, MemorySlot};
use wasi_common::{Common, CommonView, LogLevel};
use wasi_context::{Lifecycle, LifecycleView};
use wasi_ffi::{FfiView, Functions};
use wasi_grpc::{Grpc, GrpcView};
use wasi_http::{Http, HttpView};
use wasi_kvstore::{InProcessStores, KvStoreView, KvStores};
use wasi_log::{Log, LogView, TracingSink};
use wasi_metrics::{Metrics, MetricsView};
use wasi_queue::{InProcessQueues, Mailbox, QueueView, Queues};
use wasi_timer::{TimerView, Timers};
use wasmtime::{ResourceLimiter, StoreLimits};

/// The state of one instance.
pub(crate) struct State {
    pub(crate) memory: MemorySlot,
    pub(crate) common: Common,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) http: Http,
    pub(crate) grpc: Grpc,
    pub(crate) bytestream: Bytestream,
    pub(crate) log: Log,
    pub(crate) stores: KvStores,
    pub(crate) queues: Queues,
    pub(crate) timers: Timers,
    pub(crate) metrics: Metrics,
    pub(crate) functions: Functions,
    pub(crate) wasi: Wasi,
    pub(crate) legacy: Legacy,
    pub(crate) clock: CallClock,
    pub(crate) sampling: Sampling,
    pub(crate) limits: Bounds,
}

/// What an instance may have, and how much memory it has.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    limits: StoreLimits,
    memory_bytes: usize,
}

impl State {
    /// A state that no guest runs on, to look at types with.
    pub(crate) fn for_checks() -> Self {
        Self {
            memory: MemorySlot::default(),
            common: Common::default(),
            lifecycle: Lifecycle::default(),
            http: Http::default(),
            grpc: Grpc::default(),
            bytestream: Bytestream::default(),
            log: Log::new(Arc::new(TracingSink), LogLevel::Critical),
            stores: KvStores::new(Arc::new(InProcessStores::default())),
            queues: Queues::new(Arc::new(InProcessQueues::default()), Mailbox::new(), 0),
            timers: Timers::default(),
            metrics: Metrics::new(Arc::default()),
            functions: Functions::default(),
            wasi: Wasi::default(),
            legacy: Legacy::new(AbiVersion::V0_2_1),
            clock: CallClock::new(Duration::ZERO),
            sampling: Sampling::default(),
            limits: Bounds::default(),
        }
    }

    /// Whether a callback has asked for anything that the host has to carry out.
    #[inline]
    pub(crate) fn has_effects(&self) -> bool {
        self.http.has_effects()
            || self.grpc.has_effects()
            || self.lifecycle.has_effects()
            || self.bytestream.has_effects()
            || self.timers.has_changed()
    }
}

// === impl Bounds ===

impl Bounds {
    pub(crate) fn new(limits: StoreLimits) -> Self {
        Self {
            limits,
            memory_bytes: 0,
        }
    }

    /// How much memory it has.
    #[inline]
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes as u64
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = self.limits.memory_growing(current, desired, maximum)?;
        if allowed {
            self.memory_bytes = desired;
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
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

impl GrpcView for State {
    fn grpc(&mut self) -> (&mut Common, &mut Grpc) {
        (&mut self.common, &mut self.grpc)
    }
}

impl HttpView for State {
    fn http(&mut self) -> (&mut Common, &mut Http) {
        (&mut self.common, &mut self.http)
    }
}

impl BytestreamView for State {
    fn bytestream(&mut self) -> (&mut Common, &mut Bytestream) {
        (&mut self.common, &mut self.bytestream)
    }
}

impl LogView for State {
    fn log(&mut self) -> (&mut Common, &mut Log) {
        (&mut self.common, &mut self.log)
    }
}

impl KvStoreView for State {
    fn kv_stores(&mut self) -> (&mut Common, &mut KvStores) {
        (&mut self.common, &mut self.stores)
    }
}

impl QueueView for State {
    fn queues(&mut self) -> (&mut Common, &mut Queues) {
        (&mut self.common, &mut self.queues)
    }
}

impl TimerView for State {
    fn timers(&mut self) -> (&mut Common, &mut Timers) {
        (&mut self.common, &mut self.timers)
    }
}

impl MetricsView for State {
    fn metrics(&mut self) -> (&mut Common, &mut Metrics) {
        (&mut self.common, &mut self.metrics)
    }
}

impl FfiView for State {
    fn functions(&mut self) -> (&mut Common, &mut Functions) {
        (&mut self.common, &mut self.functions)
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
