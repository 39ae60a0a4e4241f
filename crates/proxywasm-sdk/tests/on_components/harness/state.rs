//! What an instance holds, and what instances share.

use std::collections::BTreeSet;
use std::sync::Arc;

use wasi_bytestream::{Bytestream, BytestreamView};
use wasi_common::guest::{GuestMemoryView, MemorySlot};
use wasi_common::{Common, CommonView, LogLevel};
use wasi_context::{Lifecycle, LifecycleView};
use wasi_ffi::{FfiView, FunctionRegistry, Functions};
use wasi_grpc::{Grpc, GrpcView};
use wasi_http::{Http, HttpView};
use wasi_kvstore::{InProcessStores, KvStoreView, KvStores};
use wasi_log::{Log, LogView, MemorySink};
use wasi_metrics::{Metrics, MetricsView, Registry};
use wasi_queue::backend::InProcessQueues;
use wasi_queue::{Mailbox, QueueView, Queues};
use wasi_timer::{TimerView, Timers};

/// What instances share.
#[derive(Default)]
pub(crate) struct Backends {
    pub(crate) stores: Arc<InProcessStores>,
    pub(crate) queues: Arc<InProcessQueues>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) functions: Arc<FunctionRegistry>,
}

pub(super) struct State {
    memory: MemorySlot,
    pub(super) common: Common,
    lifecycle: Lifecycle,
    pub(super) http: Http,
    pub(super) bytestream: Bytestream,
    pub(super) grpc: Grpc,
    pub(super) log: Log,
    stores: KvStores,
    pub(super) queues: Queues,
    /// Of this instance alone.
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) timers: Timers,
    metrics: Metrics,
    pub(super) functions: Functions,
}

impl State {
    pub(super) fn new(backends: &Backends, sink: Arc<MemorySink>) -> Self {
        let names = ["auth", "authz", "files", "echo", "reports"];
        let upstreams = Arc::new(names.map(str::to_owned).into_iter().collect::<BTreeSet<_>>());
        let mailbox = Mailbox::new();
        Self {
            memory: MemorySlot::default(),
            common: Common::default(),
            lifecycle: Lifecycle::default(),
            http: Http::new(upstreams.clone()),
            bytestream: Bytestream::default(),
            grpc: Grpc::new(upstreams),
            log: Log::new(sink, LogLevel::Info),
            stores: KvStores::new(backends.stores.clone()),
            queues: Queues::new(backends.queues.clone(), mailbox.clone(), 1),
            mailbox,
            timers: Timers::default(),
            metrics: Metrics::new(backends.registry.clone()),
            functions: Functions::new(backends.functions.clone()),
        }
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

impl GrpcView for State {
    fn grpc(&mut self) -> (&mut Common, &mut Grpc) {
        (&mut self.common, &mut self.grpc)
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
