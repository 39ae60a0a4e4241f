//! The life of a worker's thread.

use super::PLUGIN_GRACE;
use super::acceptor::Handover;
use super::ending::WorkerEnding;
use super::listeners::{ListenerPart, Listeners, LogPart};
use crate::admin::Overrides;
use crate::cluster::Shared;
use crate::server::{Connections, Drain};
use crate::settings::BackgroundSettings;
use crate::shutdown::{Phase, Shutdown};
use crate::trace::Tracer;
use crate::transport::BoundListener;
use crate::worker::Worker;
use proxywasm_host::Plugin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::SyncSender;
use std::time::Instant;
use tokio::runtime::LocalRuntime;
use tokio::sync::{mpsc, watch};

/// What a worker's thread begins with.
pub(super) struct WorkerStart {
    pub(super) number: usize,
    pub(super) handovers: mpsc::UnboundedReceiver<Handover>,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) load: Arc<AtomicUsize>,
    pub(super) overrides: watch::Receiver<Overrides>,
    pub(super) shutdown: Shutdown,
    pub(super) ending: WorkerEnding,
    /// Who traces requests, if anyone does.
    pub(super) tracer: Option<Arc<Tracer>>,
}

/// Something that a worker does between two turns.
pub(super) enum Order {
    /// It serves another version of the settings from now on.
    Serve(Box<WorkerVersion>),
    /// It looks how its plugins are.
    Look(Box<dyn FnOnce(&Worker) + Send>),
}

/// What a worker serves.
pub(super) struct WorkerVersion {
    /// The same for all workers.
    pub(super) version: Arc<Version>,
    /// Sockets of this worker's own, and which listener each is for.
    pub(super) sockets: Vec<(usize, BoundListener)>,

    /// The access logs of the listeners, in their order.
    pub(super) logs: Vec<LogPart>,
    /// Dropped when it serves it.
    pub(super) _done: SyncSender<()>,
}

/// What all workers serve.
pub(super) struct Version {
    pub(super) listeners: Vec<ListenerPart>,
    pub(super) upstreams: Vec<Arc<Shared>>,
    pub(super) background: Vec<BackgroundSettings>,
    /// Plugins that were there before, and until when their streams may go on.
    pub(super) retired: Vec<Plugin>,
    pub(super) retired_until: Instant,
}

/// The life of a worker.
pub(super) fn work(runtime: &LocalRuntime, worker: &Rc<Worker>, start: WorkerStart) {
    let WorkerStart {
        number,
        mut handovers,
        mut orders,
        load,
        overrides,
        mut shutdown,
        ending,
        tracer,
    } = start;
    runtime.block_on(async {
        worker.spawn_tasks(overrides);
        let drain = Drain::new(shutdown.clone(), ending.idle);
        let connections = Connections::new(load);
        let listeners = Rc::new(Listeners::new(worker, &connections, &drain, tracer));
        let (ordered, of_worker) = (Rc::clone(&listeners), Rc::clone(worker));
        tokio::task::spawn_local(async move {
            while let Some(order) = orders.recv().await {
                match order {
                    Order::Serve(version) => serve(number, &of_worker, &ordered, *version),
                    Order::Look(look) => look(&of_worker),
                }
            }
        });
        let mut cutting = shutdown.clone();
        let done = async {
            // Until all who accept have stopped.
            let taking = async {
                while let Some(handover) = handovers.recv().await {
                    listeners.serve(handover.listener, handover.socket, handover.peer);
                }
            };
            tokio::join!(taking, shutdown.reached(Phase::Closing));
            connections.drained().await;
        };
        let finished = tokio::select! {
            biased;
            () = done => true,
            () = cutting.reached(Phase::Cutting) => false,
        };
        if !finished {
            drain.cut(&ending.cut);
        }
        worker.finish_all();
        if worker.shut_down() {
            let _ = tokio::time::timeout(PLUGIN_GRACE, shutdown.reached(Phase::Abandoning)).await;
        }
    });
    drop(ending);
}

/// Serves a version from now on. Nothing comes between its steps.
fn serve(number: usize, worker: &Worker, listeners: &Listeners, of_worker: WorkerVersion) {
    let WorkerVersion {
        version,
        sockets,
        logs,
        ..
    } = of_worker;
    worker.set_upstreams(&version.upstreams);
    listeners.set(&version.listeners, logs);
    worker.retire(&version.retired, version.retired_until);
    let own = version.background.iter();
    let own = own.filter(|settings| settings.runs_in(number));
    worker.keep_running(own.map(|settings| settings.plugin.clone()).collect());
    for (listener, socket) in sockets {
        listeners.accept(listener, socket);
    }
}
