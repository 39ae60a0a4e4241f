//! What the host's plugins reach beyond their streams: the log, and the backends of the components.

use std::collections::BTreeSet;
use std::sync::Arc;
use wasi_common::{PropertySource, Upstreams};
use wasi_ffi::FunctionRegistry;
use wasi_kvstore::{InProcessStores, KvBackend};
use wasi_log::LogSink;
use wasi_metrics::Registry;
use wasi_queue::{InProcessQueues, QueueBackend};

/// What plugins reach beyond their streams. Clones share it: a program makes one and gives it to all its hosts, so that its
/// workers see the same stores, queues and metrics.
#[derive(Clone)]
pub struct Services {
    /// Where log messages go.
    pub log: Arc<dyn LogSink>,
    /// The upstreams that calls of plugins can go to. None by default.
    pub upstreams: Arc<dyn Upstreams>,
    /// Where key-value stores and shared data live. The memory of this process by default.
    pub stores: Arc<dyn KvBackend>,
    /// Where queues live. The memory of this process by default.
    pub queues: Arc<dyn QueueBackend>,
    /// The metrics of plugins, for whoever exports them: [`Registry::render`].
    pub metrics: Arc<Registry>,
    /// The functions of the embedder that plugins can call. None by default.
    pub functions: Arc<FunctionRegistry>,
    /// Properties that are the same for all plugins and streams, as those of `node`. None by default.
    pub properties: Option<Arc<dyn PropertySource + Sync>>,
}

// === impl Services ===

impl Services {
    /// A log, no upstreams, and backends of this process that nobody else shares.
    pub fn new(log: Arc<dyn LogSink>) -> Self {
        Self {
            log,
            upstreams: Arc::new(BTreeSet::new()),
            stores: Arc::new(InProcessStores::default()),
            queues: Arc::new(InProcessQueues::default()),
            metrics: Arc::new(Registry::default()),
            functions: Arc::new(FunctionRegistry::new()),
            properties: None,
        }
    }

    /// The same services for an instance that is only to prove itself: it sees the names that there are, and changes nothing that
    /// others see. Functions of the embedder are called, since only they know what they answer.
    pub(crate) fn for_proof(&self) -> Self {
        Self {
            upstreams: Arc::clone(&self.upstreams),
            functions: Arc::clone(&self.functions),
            properties: self.properties.clone(),
            ..Self::new(Arc::clone(&self.log))
        }
    }
}

impl<L: LogSink + 'static> From<Arc<L>> for Services {
    fn from(log: Arc<L>) -> Self {
        Self::new(log)
    }
}

impl From<Arc<dyn LogSink>> for Services {
    fn from(log: Arc<dyn LogSink>) -> Self {
        Self::new(log)
    }
}
