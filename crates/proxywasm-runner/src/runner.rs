//! The threads of a runner.

use crate::admin::{self, Metrics, Overrides};
use crate::cluster::{self, Shared, UpstreamSettings};
use crate::driver::{Destination, HttpListener, Routed};
use crate::forwarding::RequestIds;
use crate::listen::{self, ListenError, SocketFile, Sockets};
use crate::log::{LogOptions, RateLimited};
use crate::remote::Remote;
use crate::server::{self, Application, Connections, Service};
use crate::settings::{self, AcceptMode, BackgroundSettings, ListenerSettings, Settings};
use crate::shutdown::{self, Shutdown, Trigger};
use crate::tcp::TcpRoute;
use crate::tls::{Watch, WatchTrigger};
use crate::transport::{Address, BoundListener, BoundSocket};
use crate::upstream::{Upstream, UpstreamTarget};
use crate::worker::Worker;
use proxywasm_host::{Engine, Plugin, Services};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::runtime::{Builder, LocalRuntime};
use tokio::sync::{mpsc, watch};

/// How long requests may go on after a shutdown was asked for.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// How long plugins may put off their end after that.
const PLUGIN_GRACE: Duration = Duration::from_secs(2);

/// A running proxy: threads that accept and serve. Stops when dropped.
pub struct Runner {
    addresses: Vec<Address>,
    files: Vec<SocketFile>,
    admin: Option<SocketAddr>,
    trigger: Trigger,
    threads: Vec<JoinHandle<()>>,
    remotes: Vec<Arc<dyn Remote>>,
    certificates: Option<WatchTrigger>,
    /// Keeps the time of running plugins; they outlive no runner.
    _engine: Engine,
}

/// A runner cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken, or not of this machine.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The operating system gives no thread, or nothing to wait for events with.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}

/// A connection on its way to a worker.
struct Handover {
    listener: usize,
    socket: BoundSocket,
    peer: Address,
}

/// A worker as acceptors see it.
#[derive(Clone)]
struct Target {
    connections: mpsc::UnboundedSender<Handover>,
    load: Arc<AtomicUsize>,
}

/// What a worker's thread begins with.
struct WorkerStart {
    listeners: Vec<ListenerSettings>,
    /// How many connections each listener has in all workers.
    connections: Vec<Arc<AtomicUsize>>,
    /// Sockets of its own, and which listener each is for.
    sockets: Vec<(usize, BoundListener)>,
    handovers: mpsc::UnboundedReceiver<Handover>,
    load: Arc<AtomicUsize>,
    overrides: watch::Receiver<Overrides>,
    shutdown: Shutdown,
}

// === impl Runner ===

impl Runner {
    /// Binds all addresses, then starts the threads. Each limits by itself what its plugins log to the services' log.
    ///
    /// # Errors
    /// An address cannot be listened on, or a thread not be started.
    pub fn start(settings: Settings, log: &LogOptions) -> Result<Self, StartError> {
        let workers = settings.workers.get();
        let mut bound = Vec::new();
        for listener in &settings.listeners {
            bound.push(Sockets::bind(listener, workers)?);
        }
        let admin = settings.admin.map(listen::bind_admin).transpose()?;
        let (trigger, shutdown) = shutdown::channel();
        let (overrides, overridden) = watch::channel(Overrides::default());
        let connections: Vec<_> = bound.iter().map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let mut runner = Self {
            addresses: bound.iter().map(|sockets| sockets.address.clone()).collect(),
            files: bound.iter().filter_map(Sockets::file).collect(),
            admin: admin.as_ref().map(|(address, _)| *address),
            trigger,
            threads: Vec::new(),
            remotes: settings.remotes.clone(),
            certificates: None,
            _engine: settings.engine.clone(),
        };

        let upstreams = runner.watch_upstreams(&settings.upstreams, &shutdown)?;

        let mut own: Vec<Vec<(usize, BoundListener)>> = (0..workers).map(|_| Vec::new()).collect();
        let mut accepted = Vec::new();
        for (index, (sockets, listener)) in bound.into_iter().zip(&settings.listeners).enumerate() {
            let sockets = sockets.sockets.into_iter().map(|socket| (index, socket));
            match listener.accept() {
                AcceptMode::PerWorker => own
                    .iter_mut()
                    .zip(sockets)
                    .for_each(|(own, socket)| own.push(socket)),
                AcceptMode::OneAcceptor => accepted.extend(sockets),
            }
        }
        let mut targets = Vec::new();
        for (number, sockets) in own.into_iter().enumerate() {
            let (given, handovers) = mpsc::unbounded_channel();
            let load = Arc::new(AtomicUsize::new(0));
            targets.push(Target {
                connections: given,
                load: Arc::clone(&load),
            });
            let start = WorkerStart {
                listeners: settings.listeners.clone(),
                connections: connections.clone(),
                sockets,
                handovers,
                load,
                overrides: overridden.clone(),
                shutdown: shutdown.clone(),
            };
            let background = background_of(number, &settings.background);
            let services = Services {
                log: Arc::new(RateLimited::new(
                    Arc::clone(&settings.services.log),
                    log.plugin_messages,
                )),
                upstreams: settings::names(&settings.upstreams),
                ..settings.services.clone()
            };
            let upstreams = upstreams.clone();
            runner.spawn(format!("worker-{number}"), move || {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build_local(Default::default())?;
                let worker = Worker::new(services, &upstreams);
                // Before a connection is taken, here or in a worker that starts later.
                background.iter().for_each(|plugin| worker.keep_running(plugin));
                Ok(move || work(&runtime, &worker, start))
            })?;
        }
        for (listener, socket) in accepted {
            let (targets, shutdown) = (targets.clone(), shutdown.clone());
            runner.spawn(format!("acceptor-{listener}"), move || {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                Ok(move || runtime.block_on(hand_over(listener, socket, targets, shutdown)))
            })?;
        }
        let certificates = settings.certificates();
        if !certificates.is_empty() {
            let (trigger, watch) = Watch::new(certificates);
            runner.certificates = Some(trigger);
            runner.spawn("certificates".to_owned(), move || Ok(move || watch.run()))?;
        }
        if let Some((_, socket)) = admin {
            let shutdown = shutdown.clone();
            let metrics = Metrics {
                plugins: Arc::clone(&settings.services.metrics),
                remotes: runner.remotes.clone(),
            };
            runner.spawn("admin".to_owned(), move || {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build_local(Default::default())?;
                Ok(move || runtime.block_on(admin::serve(socket, overrides, metrics, shutdown)))
            })?;
        }
        Ok(runner)
    }

    /// The addresses it listens on, in the order of the listeners, with the ports that were chosen.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The admin address, if there is one, with the port that was chosen.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Has the files of certificates and keys read again, in the background. They also are when they change.
    pub fn reload_certificates(&self) {
        if let Some(certificates) = &self.certificates {
            certificates.reload();
        }
    }

    /// Stops: no new connections, requests that are under way get [`SHUTDOWN_GRACE`] to end, then plugins end. Returns when all is
    /// done.
    pub fn shut_down(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.trigger.request();
        if let Some(certificates) = self.certificates.take() {
            certificates.stop();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
        self.files.clear();
        // The workers had the last of what used them.
        self.remotes.drain(..).for_each(|remote| remote.flush());
    }

    /// Starts what keeps an eye on upstreams, where one needs it, and waits until their names have been resolved.
    fn watch_upstreams(
        &mut self,
        settings: &[UpstreamSettings],
        shutdown: &Shutdown,
    ) -> Result<Vec<Arc<Shared>>, StartError> {
        let upstreams: Vec<_> = settings.iter().cloned().map(Shared::new).map(Arc::new).collect();
        let watched: Vec<_> = upstreams
            .iter()
            .filter(|shared| cluster::needs_watch(shared))
            .cloned()
            .collect();
        if watched.is_empty() {
            return Ok(upstreams);
        }
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let shutdown = shutdown.clone();
        self.spawn("upstreams".to_owned(), move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(Default::default())?;
            let ready = move || {
                let _ = ready.send(());
            };
            Ok(move || {
                runtime.block_on(cluster::watch_all(watched, ready, shutdown));
                // Nobody waits for a name that is being resolved.
                runtime.shutdown_background();
            })
        })?;
        // An error says that the thread is gone, and with it what it would have done.
        let _ = is_ready.recv();
        Ok(upstreams)
    }

    /// Starts a thread, and waits until it is known to work or not.
    fn spawn<W: FnOnce()>(
        &mut self,
        name: String,
        prepare: impl FnOnce() -> io::Result<W> + Send + 'static,
    ) -> Result<(), StartError> {
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let body = move || match prepare() {
            Ok(work) => {
                let _ = ready.send(Ok(()));
                work();
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(body)
            .map_err(StartError::Worker)?;
        self.threads.push(thread);
        match is_ready.recv() {
            Ok(result) => result.map_err(StartError::Worker),
            Err(_) => Err(StartError::Worker(io::Error::other(
                "it stopped while it started",
            ))),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The background plugins of a worker.
fn background_of(worker: usize, background: &[BackgroundSettings]) -> Vec<Plugin> {
    let own = background.iter().filter(|settings| settings.runs_in(worker));
    own.map(|settings| settings.plugin.clone()).collect()
}

/// The life of a worker.
fn work(runtime: &LocalRuntime, worker: &Rc<Worker>, start: WorkerStart) {
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

/// The life of an acceptor.
async fn hand_over(listener: usize, socket: BoundListener, targets: Vec<Target>, mut shutdown: Shutdown) {
    let acceptor = match socket.into_listener() {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(%error, "a socket cannot be used"),
    };
    let mut stopped = std::pin::pin!(shutdown.requested());
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            () = &mut stopped => return,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                server::rest_after(&error).await;
                continue;
            }
        };
        let Some(target) = targets
            .iter()
            .min_by_key(|target| target.load.load(Ordering::Relaxed))
        else {
            return;
        };
        match socket.into_bound() {
            Ok(socket) => {
                target.load.fetch_add(1, Ordering::Relaxed);
                // A worker that is gone is one that stopped; so does this.
                let _ = target.connections.send(Handover {
                    listener,
                    socket,
                    peer,
                });
            }
            Err(error) => tracing::warn!(%error, "an accepted connection cannot be handed over"),
        }
    }
}
