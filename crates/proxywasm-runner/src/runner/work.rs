//! The life of a worker's thread.

use super::PLUGIN_GRACE;
use super::acceptor::Handover;
use super::ending::WorkerEnding;
use crate::access_log::AccessLog;
use crate::admin::Overrides;
use crate::driver::{Destination, HttpListener, Observer, Routed};
use crate::forwarding::RequestIds;
use crate::routing::ECHO;
use crate::server::{Application, Connections, Drain, Service};
use crate::settings::{BackgroundSettings, ListenerSettings};
use crate::shutdown::{Phase, Shutdown};
use crate::tcp::TcpRoute;
use crate::trace::Tracer;
use crate::transport::BoundListener;
use crate::upstream::{Upstream, UpstreamTarget};
use crate::worker::Worker;
use proxywasm_host::Plugin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::runtime::LocalRuntime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What a worker's thread begins with.
pub(super) struct WorkerStart {
    pub(super) listeners: Vec<ListenerSettings>,
    /// How many connections each listener has in all workers.
    pub(super) connections: Vec<Arc<AtomicUsize>>,
    /// Sockets of its own, and which listener each is for.
    pub(super) sockets: Vec<(usize, BoundListener)>,
    pub(super) handovers: mpsc::UnboundedReceiver<Handover>,
    pub(super) load: Arc<AtomicUsize>,
    /// The access log of each, if it has one.
    pub(super) access_logs: Vec<Option<AccessLog>>,
    pub(super) overrides: watch::Receiver<Overrides>,
    pub(super) shutdown: Shutdown,
    pub(super) ending: WorkerEnding,
    /// Who traces requests, if anyone does.
    pub(super) tracer: Option<Arc<Tracer>>,
}

/// The background plugins of a worker.
pub(super) fn background_of(worker: usize, background: &[BackgroundSettings]) -> Vec<Plugin> {
    let own = background.iter().filter(|settings| settings.runs_in(worker));
    own.map(|settings| settings.plugin.clone()).collect()
}

/// The life of a worker.
pub(super) fn work(runtime: &LocalRuntime, worker: &Rc<Worker>, start: WorkerStart) {
    let WorkerStart {
        listeners,
        connections,
        access_logs,
        sockets,
        mut handovers,
        load,
        overrides,
        mut shutdown,
        ending,
        tracer,
    } = start;
    runtime.block_on(async {
        worker.spawn_tasks(overrides);
        let services: Vec<Rc<Service>> = listeners
            .into_iter()
            .zip(connections)
            .zip(access_logs)
            .map(|((listener, connections), log)| {
                Rc::new(service(worker, listener, connections, log, tracer.clone()))
            })
            .collect();
        let drain = Drain::new(shutdown.clone(), ending.idle);
        tokio::task::spawn_local(Rc::clone(&drain).watch());
        let connections = Connections::new(load, &drain);
        let mut accepting = JoinSet::new();
        for (listener, socket) in sockets {
            let Some(service) = services.get(listener) else {
                continue;
            };
            match socket.into_listener() {
                Ok(socket) => {
                    accepting.spawn_local(Rc::clone(&connections).accept(socket, Rc::clone(service)));
                }
                Err(error) => tracing::error!(%error, "a socket cannot be used"),
            }
        }
        let mut cutting = shutdown.clone();
        let done = async {
            // Until all who accept have stopped.
            let taking = async {
                while let Some(handover) = handovers.recv().await {
                    let Some(service) = services.get(handover.listener) else {
                        continue;
                    };
                    match handover.socket.into_socket() {
                        Ok(socket) => connections.serve(socket, handover.peer, service),
                        Err(error) => tracing::warn!(%error, "an accepted connection cannot be used"),
                    }
                }
            };
            let accepted = async { while accepting.join_next().await.is_some() {} };
            tokio::join!(taking, accepted, shutdown.reached(Phase::Closing));
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

/// What a worker does with the connections of a listener.
fn service(
    worker: &Rc<Worker>,
    listener: ListenerSettings,
    connections: Arc<AtomicUsize>,
    log: Option<AccessLog>,
    tracer: Option<Arc<Tracer>>,
) -> Service {
    let figures = worker.figures().listener(&listener.name());
    let observer = Rc::new(Observer {
        listener: listener.name(),
        figures: Arc::clone(&figures),
        log,
    });
    Service {
        figures,
        proxy_protocol: listener.proxy_protocol,
        tls: listener.tls.clone(),
        http: listener.limits.clone(),
        max_connections: listener.max_connections.get(),
        connections,
        application: application(worker, listener, observer, tracer),
    }
}

/// What it does with what comes on them.
fn application(
    worker: &Rc<Worker>,
    listener: ListenerSettings,
    observer: Rc<Observer>,
    tracer: Option<Arc<Tracer>>,
) -> Application {
    let name = listener.name();
    let upstream = listener.upstream.to_string();
    let figures = worker.figures();
    let destination = match (listener.routes, listener.upstream) {
        (Some(table), _) => {
            let routed = Routed::new(&name, table, listener.http.paths, worker.clusters(), figures);
            Destination::Routed(Box::new(routed))
        }
        (None, UpstreamTarget::Echo) => {
            Destination::One(Box::new(Upstream::new(None, None)), ECHO.to_owned())
        }
        (None, UpstreamTarget::Http(target)) => {
            let counted = figures.upstream(&upstream);
            let target = Upstream::new(Some(&target), Some(&counted));
            Destination::One(Box::new(target), upstream)
        }
        (None, UpstreamTarget::Tcp(target)) => {
            return Application::Tcp(Rc::new(TcpRoute {
                worker: Rc::clone(worker),
                chain: listener.chain,
                target,
                observer,
                figures: figures.upstream(&upstream),
                upstream,
            }));
        }
    };
    Application::Http(Rc::new(HttpListener {
        worker: Rc::clone(worker),
        chain: listener.chain,
        destination,
        http: listener.http,
        request_ids: RequestIds::default(),
        observer,
        tracer,
    }))
}
