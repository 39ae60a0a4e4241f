//! A runner: what it binds, its threads, and its end.

mod acceptor;
mod core;
mod ending;
mod listeners;
mod served;
mod threads;
mod upstreams;
mod work;

use crate::access_log::Writers;
use crate::admin::{self, Phase, State};
use crate::listen::{self, Held, Inherited, ListenError, SocketFile};
use crate::log::{LogOptions, RateLimited};
use crate::remote::Remote;
use crate::settings::Settings;
use crate::shutdown::{self, Shutdown, Trigger};
use crate::trace::{TraceError, Tracer};
use crate::transport::Address;
use crate::update::{Reloader, Reloads, Snapshot, Source, Update, UpdateError};
use crate::worker::Worker;
pub(crate) use core::Core;
pub use ending::Hurry;

use ending::{Ending, WorkerEnding};
use proxywasm_host::{Engine, LogSink, Services};
use served::{Served, WorkerHandle, target};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use threads::Threads;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use work::{WorkerStart, work};

/// How long plugins may put off their end when the streams are over.
const PLUGIN_GRACE: Duration = Duration::from_secs(2);

/// A running proxy: threads that accept and serve. Stops when dropped.
pub struct Runner {
    core: Arc<Core>,
    reloads: Option<Reloads>,
    reloader: Threads,
    admin: Option<SocketAddr>,
    /// Its socket, for another process.
    admin_held: Option<Held>,
    /// What the admin address shows and changes.
    state: Arc<State>,
    ending: Ending,
    /// The admin address goes on until all others have stopped.
    admin_trigger: Option<Trigger>,
    admin_threads: Threads,
    remotes: Vec<Arc<dyn Remote>>,
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
        settings: Settings,
        log: &LogOptions,
    ) -> Result<Self, StartError> {
        let (trigger, shutdown) = shutdown::channel();
        let state = Arc::new(State::new(
            Arc::clone(&settings.services.metrics),
            settings.remotes.clone(),
        ));
        let figures = Arc::clone(&state.figures);
        let mut served = Served::new(settings.clone(), log, shutdown.clone(), figures);
        let placed = served.place(&settings.listeners, &mut inherited)?;
        let admin = settings
            .admin
            .map(|address| listen::open_admin(address, &mut inherited));
        let admin = admin.transpose()?;
        inherited.close_rest();
        let tracer = settings.traces.as_ref().map(Tracer::start).transpose()?;
        let (ending, of_workers) = Ending::new(trigger, settings.drain);
        state.figures.note_start();
        let mut runner = Self {
            core: Arc::new(Core::new(served, Arc::clone(&state))),
            reloads: None,
            reloader: Threads::default(),
            admin: admin.as_ref().map(|(address, ..)| *address),
            admin_held: None,
            state: Arc::clone(&state),
            ending,
            admin_trigger: None,
            admin_threads: Threads::default(),
            remotes: settings.remotes.clone(),
            tracer,
            _engine: settings.engine.clone(),
        };
        // Dropped before the runner where this fails, for that waits for it.
        let of_workers = of_workers;
        if let Some((_, socket, held)) = admin {
            runner.admin_held = Some(held);
            runner.serve_admin(socket)?;
        }
        let core = Arc::clone(&runner.core);
        let mut served = core.served();
        for number in 0..settings.workers.get() {
            let ending = of_workers.clone();
            runner.start_worker(&mut served, number, &settings, &shutdown, ending)?;
        }
        core.apply(&mut served, settings, log, placed)?;
        drop(served);
        state.set_core(&core);
        state.set_phase(Phase::Serving);
        Ok(runner)
    }

    /// The same, and serves other settings when their source has them: when one of its files changes, if it `watches`, and when asked.
    ///
    /// # Errors
    /// As of [`Runner::start`].
    pub fn start_with_source(
        settings: Settings,
        log: &LogOptions,
        source: Box<dyn Source>,
        watches: bool,
    ) -> Result<Self, StartError> {
        let mut runner = Self::start(settings, log)?;
        runner.update_from(source, watches)?;
        Ok(runner)
    }

    /// Serves other settings from now on when a source has them.
    pub(crate) fn update_from(&mut self, source: Box<dyn Source>, watches: bool) -> Result<(), StartError> {
        let (reloader, reloads) = Reloader::new(source, Arc::clone(&self.core), watches);
        self.state.set_reloads(reloads.clone());
        self.reloads = Some(reloads);
        self.reloader
            .spawn("reloader".to_owned(), move || Ok(move || reloader.run()))
    }

    /// Serves other settings for streams that begin from now on; streams that are under way end as they began. What is equal goes on as
    /// it is: see `update`.
    ///
    /// # Errors
    /// They cannot be served; everything is as it was.
    pub fn update(&self, settings: Settings, log: &LogOptions) -> Result<Update, UpdateError> {
        let result = self.core.update(settings, log);
        self.core.note(result.as_ref());
        result
    }

    /// Has the source read again, and certificates, in the background.
    pub fn reload(&self) {
        match &self.reloads {
            Some(reloads) => reloads.ask(),
            None => self.core.reload_certificates(),
        }
    }

    /// The same, and completes when that is done.
    pub(crate) async fn reloaded(&self) {
        match &self.reloads {
            // What comes of it is logged.
            Some(reloads) => drop(reloads.ask_and_tell().await),
            None => self.core.reload_certificates(),
        }
    }

    /// The same, and waits for what comes of it. Not to be called within a runtime.
    ///
    /// # Errors
    /// Nothing came of it; everything is as it was.
    pub fn reload_now(&self) -> Result<Update, Arc<UpdateError>> {
        let Some(reloads) = &self.reloads else {
            return Err(Arc::new(UpdateError::NoSource));
        };
        let reloaded = reloads.ask_and_tell().blocking_recv();
        reloaded.unwrap_or_else(|_| Err(Arc::new(UpdateError::Stopping)))
    }

    /// What is served, and how its plugins are. Asks the workers, and so may take a moment.
    pub fn snapshot(&self) -> Snapshot {
        self.core.snapshot()
    }

    /// The addresses it listens on, in the order of the listeners, with the ports that were chosen.
    pub fn addresses(&self) -> Vec<Address> {
        self.core.served().addresses()
    }

    /// The admin address, if there is one, with the port that was chosen.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Has the files of certificates and keys read again, in the background. They also are when they change.
    pub fn reload_certificates(&self) {
        self.core.reload_certificates();
    }

    /// Shows this configuration at the admin address, as it is: it must have no secrets.
    pub fn show_configuration(&self, configuration: serde_json::Value) {
        self.state.set_configuration(configuration);
    }

    /// Has the files of access logs opened again, for whoever has moved them.
    pub fn reopen_logs(&self) {
        self.core.served().logs.reopen();
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

    /// The sockets that a process has to be started with that is to take the place of this one, and how they are called.
    pub(crate) fn sockets(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let served = self.core.served();
        let of_listeners = served.listeners.iter().flat_map(|listening| &listening.held);
        of_listeners
            .chain(&self.admin_held)
            .map(Held::handed_over)
            .collect()
    }

    /// Another process has the sockets: it answers from now on, so that this one only ends what it has begun.
    pub(crate) fn has_successor(&mut self) {
        self.ending.skip_delay();
        let mut served = self.core.served();
        let files = served.listeners.iter_mut();
        files
            .filter_map(|listening| listening.file.take())
            .for_each(SocketFile::leave);
        self.admin_trigger = None;
    }

    /// Starts a worker, which serves nothing yet.
    fn start_worker(
        &self,
        served: &mut Served,
        number: usize,
        settings: &Settings,
        shutdown: &Shutdown,
        ending: WorkerEnding,
    ) -> Result<(), StartError> {
        let (target, handovers) = target();
        let (orders, ordered) = mpsc::unbounded_channel();
        let sink = self.state.recent.worker(Arc::clone(&settings.services.log));
        let sink: Arc<dyn LogSink> = Arc::new(sink);
        let limited = Arc::new(RateLimited::new(sink, served.log.plugin_messages));
        let services = Services {
            log: Arc::clone(&limited) as _,
            ..settings.services.clone()
        };
        let start = WorkerStart {
            number,
            handovers,
            orders: ordered,
            load: Arc::clone(&target.load),
            overrides: self.state.overrides(),

            shutdown: shutdown.clone(),
            ending,
            tracer: self.tracer.clone(),
        };
        let figures = Arc::clone(&self.state.figures);
        served.threads.spawn(format!("worker-{number}"), move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(Default::default())?;
            let worker = Worker::new(services, &figures);
            Ok(move || work(&runtime, &worker, start))
        })?;
        served.targets.push(target);
        served.workers.push(WorkerHandle { orders, log: limited });
        Ok(())
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
        if let Some(reloads) = &self.reloads {
            reloads.stop();
        }
        // From now on there are no updates.
        let mut served = self.core.served();
        served.targets.clear();
        let listeners = served.listeners.iter_mut();
        let held: Vec<Held> = listeners
            .flat_map(|listening| std::mem::take(&mut listening.held))
            .chain(self.admin_held.take())
            .collect();
        drop(served);
        self.ending.stop_workers(|| drop(held));
        let mut threads = {
            let mut served = self.core.served();
            if let Some(certificates) = served.certificates.take() {
                certificates.stop();
            }
            std::mem::take(&mut served.threads)
        };
        self.ending.stop_others();
        threads.join();
        self.reloader.join();
        // Dropping it requests the end, too.
        self.admin_trigger = None;
        self.admin_threads.join();
        {
            let mut served = self.core.served();
            // With them go the files of sockets.
            served.listeners.clear();
            // Writes what is left.
            served.logs = Writers::default();
        }
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
