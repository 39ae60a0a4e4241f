//! A runner: what it binds, its threads, and its end.

mod acceptor;
mod ending;
mod threads;
mod upstreams;
mod work;

use crate::access_log::Writers;
use crate::admin::{self, Inventory, Phase, State};
use crate::listen::{self, Held, Inherited, ListenError, Name, SocketFile, Sockets};
use crate::log::{LogOptions, RateLimited};
use crate::remote::Remote;
use crate::settings::{self, AcceptMode, Settings};
use crate::shutdown::{self, Trigger};
use crate::tls::{Watch, WatchTrigger};
use crate::trace::{TraceError, Tracer};
use crate::transport::{Address, BoundListener};
use crate::worker::Worker;
pub use ending::Hurry;

use acceptor::{Target, hand_over};
use ending::Ending;
use proxywasm_host::{Engine, Services};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use thiserror::Error;
use threads::Threads;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use upstreams::watch_upstreams;
use work::{WorkerStart, background_of, work};

/// How long plugins may put off their end when the streams are over.
const PLUGIN_GRACE: Duration = Duration::from_secs(2);

/// A running proxy: threads that accept and serve. Stops when dropped.
pub struct Runner {
    addresses: Vec<Address>,
    files: Vec<SocketFile>,
    /// The sockets that another process would take over.
    held: Vec<Held>,
    admin: Option<SocketAddr>,
    /// What the admin address shows and changes.
    state: Arc<State>,
    ending: Ending,
    threads: Threads,
    /// The admin address goes on until all others have stopped.
    admin_trigger: Option<Trigger>,
    admin_threads: Threads,
    remotes: Vec<Arc<dyn Remote>>,
    certificates: Option<WatchTrigger>,
    /// The access logs, which end when no worker writes any more.
    logs: Writers,
    tracer: Option<Arc<Tracer>>,
    /// Keeps the time of running plugins; they outlive no runner.
    _engine: Engine,
}

/// A runner cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address is taken, or not of this machine.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// The operating system gives no thread, or nothing to wait for events with.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
    /// The access log cannot be written.
    #[error(transparent)]
    AccessLog(io::Error),
}

// === impl Runner ===

impl Runner {
    /// Binds all addresses, then starts the threads. Each limits by itself what its plugins log to the services' log.
    ///
    /// # Errors
    /// An address cannot be listened on, or a thread not be started.
    pub fn start(settings: Settings, log: &LogOptions) -> Result<Self, StartError> {
        Self::start_with(Inherited::default(), settings, log)
    }

    /// The same, with sockets that were handed over to this process where there are such.
    pub(crate) fn start_with(
        mut inherited: Inherited,
        mut settings: Settings,
        log: &LogOptions,
    ) -> Result<Self, StartError> {
        let workers = settings.workers.get();
        let mut bound = Vec::new();
        let names = Name::of_listeners(&settings.listeners);
        for (listener, name) in settings.listeners.iter().zip(&names) {
            bound.push(Sockets::open(listener, name, workers, &mut inherited)?);
        }
        for (listener, sockets) in settings.listeners.iter_mut().zip(&bound) {
            // With the port that was chosen.
            listener.name.get_or_insert_with(|| sockets.address.to_string());
        }
        let admin = settings
            .admin
            .map(|address| listen::open_admin(address, &mut inherited));
        let admin = admin.transpose()?;
        inherited.close_rest();
        let tracer = settings.traces.as_ref().map(Tracer::start).transpose()?;
        let (trigger, shutdown) = shutdown::channel();
        let (ending, of_workers) = Ending::new(trigger, settings.drain);
        let state = Arc::new(State::new(
            Arc::clone(&settings.services.metrics),
            settings.remotes.clone(),
        ));
        state.figures.note_start();
        let connections: Vec<_> = bound.iter().map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let mut runner = Self {
            addresses: bound.iter().map(|sockets| sockets.address.clone()).collect(),
            files: bound
                .iter_mut()
                .filter_map(|sockets| sockets.file.take())
                .collect(),
            held: bound
                .iter_mut()
                .flat_map(|sockets| sockets.held.drain(..))
                .collect(),
            admin: admin.as_ref().map(|(address, ..)| *address),
            state: Arc::clone(&state),
            ending,
            threads: Threads::default(),
            admin_trigger: None,
            admin_threads: Threads::default(),
            remotes: settings.remotes.clone(),
            certificates: None,
            logs: Writers::default(),
            tracer: tracer.clone(),
            _engine: settings.engine.clone(),
        };

        // Dropped before the runner where this fails, for that waits for it.
        let of_workers = of_workers;
        if let Some((_, socket, held)) = admin {
            runner.held.push(held);
            runner.serve_admin(socket)?;
        }
        let upstreams = watch_upstreams(&mut runner.threads, &settings.upstreams, &shutdown)?;

        let mut own: Vec<Vec<(usize, BoundListener)>> = (0..workers).map(|_| Vec::new()).collect();
        let mut accepted = Vec::new();
        for (index, opened) in bound.into_iter().enumerate() {
            let sockets = opened.sockets.into_iter().map(|socket| (index, socket));
            match opened.accept {
                AcceptMode::PerWorker => {
                    // There may be more than workers, if those of another process were more.
                    for (place, socket) in sockets.enumerate() {
                        if let Some(own) = own.get_mut(place % workers) {
                            own.push(socket);
                        }
                    }
                }
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
            let logs = settings.listeners.iter().map(|listener| {
                let log = listener.access_log.as_ref();
                log.map(|log| runner.logs.open(log, &state.figures)).transpose()
            });
            let access_logs = logs.collect::<Result<_, _>>().map_err(StartError::AccessLog)?;
            let start = WorkerStart {
                listeners: settings.listeners.clone(),
                connections: connections.clone(),
                sockets,
                handovers,
                load,
                access_logs,
                overrides: state.overrides(),
                shutdown: shutdown.clone(),
                ending: of_workers.clone(),
                tracer: tracer.clone(),
            };
            let background = background_of(number, &settings.background);
            let services = Services {
                log: Arc::new(RateLimited::new(
                    state.recent.worker(Arc::clone(&settings.services.log)),
                    log.plugin_messages,
                )),
                upstreams: settings::names(&settings.upstreams),
                ..settings.services.clone()
            };
            let upstreams = upstreams.clone();
            let figures = Arc::clone(&state.figures);
            runner.threads.spawn(format!("worker-{number}"), move || {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build_local(Default::default())?;
                let worker = Worker::new(services, &upstreams, &figures);
                // Before a connection is taken, here or in a worker that starts later.
                background.iter().for_each(|plugin| worker.keep_running(plugin));
                Ok(move || work(&runtime, &worker, start))
            })?;
        }
        for (listener, socket) in accepted {
            let (targets, shutdown) = (targets.clone(), shutdown.clone());
            runner.threads.spawn(format!("acceptor-{listener}"), move || {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                Ok(move || runtime.block_on(hand_over(listener, socket, targets, shutdown)))
            })?;
        }
        let certificates = settings.certificates();
        if !certificates.is_empty() {
            let (trigger, watch) = Watch::new(certificates);
            runner.certificates = Some(trigger);
            runner
                .threads
                .spawn("certificates".to_owned(), move || Ok(move || watch.run()))?;
        }
        state.set_inventory(Inventory::new(
            &settings,
            &runner.addresses,
            &connections,
            &upstreams,
        ));
        state.set_phase(Phase::Serving);
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

    /// Shows this configuration at the admin address, as it is: it must have no secrets.
    pub fn show_configuration(&self, configuration: serde_json::Value) {
        self.state.set_configuration(configuration);
    }

    /// Has the files of access logs opened again, for whoever has moved them.
    pub fn reopen_logs(&self) {
        self.logs.reopen();
    }

    /// Completes when an operator asks at the admin address to have the process drained.
    pub async fn drain_asked(&self) {
        self.state.drain_asked().await;
    }

    /// Something that ends the patience of [`Runner::shut_down`].
    pub fn hurry(&self) -> Hurry {
        self.ending.hurry()
    }

    /// Stops as the [`DrainSettings`](crate::DrainSettings) say: clients are told to go elsewhere, then listening ends, streams that are
    /// under way get time to end, and so do plugins. Returns when all is done.
    pub fn shut_down(mut self) {
        self.stop();
    }

    /// The sockets that a process has to be started with that is to take the place of this one.
    pub(crate) fn sockets(&self) -> &[Held] {
        &self.held
    }

    /// Another process has the sockets: it answers from now on, so that this one only ends what it has begun.
    pub(crate) fn has_successor(&mut self) {
        self.ending.skip_delay();
        self.files.drain(..).for_each(SocketFile::leave);
        self.admin_trigger = None;
    }

    /// Starts the admin address, before there is anything to see there: whoever asks is told that it starts.
    fn serve_admin(&mut self, socket: TcpListener) -> Result<(), StartError> {
        let (trigger, shutdown) = shutdown::channel();
        self.admin_trigger = Some(trigger);
        let state = Arc::clone(&self.state);
        self.admin_threads.spawn("admin".to_owned(), move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(Default::default())?;
            Ok(move || runtime.block_on(admin::serve(socket, state, shutdown)))
        })
    }

    fn stop(&mut self) {
        self.state.set_phase(Phase::Draining);
        let held = std::mem::take(&mut self.held);
        self.ending.stop_workers(|| drop(held));
        if let Some(certificates) = self.certificates.take() {
            certificates.stop();
        }
        self.ending.stop_others();
        self.threads.join();
        // Dropping it requests the end, too.
        self.admin_trigger = None;
        self.admin_threads.join();
        self.files.clear();
        // Writes what is left.
        self.logs = Writers::default();
        if let Some(tracer) = self.tracer.take() {
            tracer.stop();
        }
        // The workers had the last of what used them.
        self.remotes.drain(..).for_each(|remote| remote.flush());
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop();
    }
}
