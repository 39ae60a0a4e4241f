//! The life of a worker's thread.

use super::acceptor::Handover;
use super::{PLUGIN_GRACE, SHUTDOWN_GRACE};
use crate::admin::Overrides;
use crate::driver::{Destination, HttpListener, Routed};
use crate::forwarding::RequestIds;
use crate::server::{Application, Connections, Service};
use crate::settings::{BackgroundSettings, ListenerSettings};
use crate::shutdown::Shutdown;
use crate::tcp::TcpRoute;
use crate::transport::BoundListener;
use crate::upstream::{Upstream, UpstreamTarget};
use crate::worker::Worker;
use proxywasm_host::Plugin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::runtime::LocalRuntime;
use tokio::sync::{mpsc, watch};

/// What a worker's thread begins with.
pub(super) struct WorkerStart {
    pub(super) listeners: Vec<ListenerSettings>,
    /// How many connections each listener has in all workers.
    pub(super) connections: Vec<Arc<AtomicUsize>>,
    /// Sockets of its own, and which listener each is for.
    pub(super) sockets: Vec<(usize, BoundListener)>,
    pub(super) handovers: mpsc::UnboundedReceiver<Handover>,
    pub(super) load: Arc<AtomicUsize>,
    pub(super) overrides: watch::Receiver<Overrides>,
    pub(super) shutdown: Shutdown,
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
        sockets,
        mut handovers,
        load,
        overrides,
        mut shutdown,
    } = start;
    runtime.block_on(async {
        worker.spawn_tasks(overrides);
        let services: Vec<Rc<Service>> = listeners
            .into_iter()
            .zip(connections)
            .map(|(listener, connections)| Rc::new(service(worker, listener, connections)))
            .collect();
        let connections = Connections::new(load, shutdown.clone());
        for (listener, socket) in sockets {
            let Some(service) = services.get(listener) else {
                continue;
            };
            match socket.into_listener() {
                Ok(socket) => {
                    tokio::task::spawn_local(Rc::clone(&connections).accept(socket, Rc::clone(service)));
                }
                Err(error) => tracing::error!(%error, "a socket cannot be used"),
            }
        }
        {
            let mut stopped = std::pin::pin!(shutdown.requested());
            loop {
                let handover = tokio::select! {
                    Some(handover) = handovers.recv() => handover,
                    () = &mut stopped => break,
                };
                let Some(service) = services.get(handover.listener) else {
                    continue;
                };
                match handover.socket.into_socket() {
                    Ok(socket) => connections.serve(socket, handover.peer, service),
                    Err(error) => tracing::warn!(%error, "an accepted connection cannot be used"),
                }
            }
        }
        if tokio::time::timeout(SHUTDOWN_GRACE, connections.drained())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = connections.open(),
                "connections that did not end in time are closed"
            );
        }
        worker.finish_all();
        if worker.shut_down() {
            tokio::time::sleep(PLUGIN_GRACE).await;
        }
    });
}

/// What a worker does with the connections of a listener.
fn service(worker: &Rc<Worker>, listener: ListenerSettings, connections: Arc<AtomicUsize>) -> Service {
    Service {
        proxy_protocol: listener.proxy_protocol,
        tls: listener.tls.clone(),
        http: listener.limits.clone(),
        max_connections: listener.max_connections.get(),
        connections,
        application: application(worker, listener),
    }
}

/// What it does with what comes on them.
fn application(worker: &Rc<Worker>, listener: ListenerSettings) -> Application {
    let destination = match (listener.routes, listener.upstream) {
        (Some(table), _) => {
            let routed = Routed::new(table, listener.http.paths, worker.clusters());
            Destination::Routed(Box::new(routed))
        }
        (None, UpstreamTarget::Echo) => Destination::One(Upstream::new(None)),
        (None, UpstreamTarget::Http(target)) => Destination::One(Upstream::new(Some(&target))),
        (None, UpstreamTarget::Tcp(target)) => {
            return Application::Tcp(Rc::new(TcpRoute {
                worker: Rc::clone(worker),
                chain: listener.chain,
                target,
            }));
        }
    };
    Application::Http(Rc::new(HttpListener {
        worker: Rc::clone(worker),
        chain: listener.chain,
        destination,
        http: listener.http,
        request_ids: RequestIds::default(),
    }))
}
