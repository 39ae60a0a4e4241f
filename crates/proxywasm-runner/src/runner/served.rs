//! What a runner serves at the moment.

use super::StartError;
use super::acceptor::{Handover, Target, hand_over};
use super::listeners::{ListenerPart, LogPart};
use super::threads::Threads;
use super::upstreams::RunnerUpstreams;
use super::work::{Order, Version, WorkerVersion};
use crate::access_log::Writers;
use crate::figures::Figures;
use crate::listen::{Held, Inherited, ListenError, Name, SocketFile, Sockets};
use crate::log::{LogOptions, RateLimited};
use crate::settings::{AcceptMode, ListenerSettings, Settings};
use crate::shutdown::{Shutdown, Trigger};
use crate::tls::{Watch, WatchTrigger};
use crate::transport::{Address, BoundListener};
use crate::update::Age;
use proxywasm_host::{LogSink, Plugin};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::sync_channel;
use std::time::{Instant, SystemTime};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// What a runner serves.
pub(super) struct Served {
    pub(super) settings: Settings,
    pub(super) log: LogOptions,
    /// Counts the versions of the settings.
    pub(super) generation: u64,
    pub(super) since: SystemTime,
    pub(super) ages: BTreeMap<String, Age>,
    /// Plugins of before that may have streams.
    pub(super) retired: Vec<(Plugin, Age)>,
    pub(super) listeners: Vec<Listening>,
    next_listener: usize,
    pub(super) upstreams: RunnerUpstreams,
    pub(super) workers: Vec<WorkerHandle>,
    /// The same, for acceptors. Gone when the runner stops.
    pub(super) targets: Vec<Target>,
    pub(super) threads: Threads,
    pub(super) certificates: Option<WatchTrigger>,
    pub(super) shutdown: Shutdown,
    /// The access logs, which end when no worker writes any more.
    pub(super) logs: Writers,
    figures: Arc<Figures>,
}

/// A worker as the runner sees it.
pub(super) struct WorkerHandle {
    pub(super) orders: mpsc::UnboundedSender<Order>,
    pub(super) log: Arc<RateLimited<Arc<dyn LogSink>>>,
}

/// A listener that is listened on.
pub(super) struct Listening {
    number: usize,
    /// The address that the settings have.
    configured: Address,
    /// The address, with the port that was chosen.
    pub(super) address: Address,
    pub(super) connections: Arc<AtomicUsize>,
    /// Ends it, at the latest when dropped.
    _trigger: Trigger,
    shutdown: Shutdown,
    /// Removed with it.
    pub(super) file: Option<SocketFile>,
    /// For another process that takes the place of this one.
    pub(super) held: Vec<Held>,
}

/// A listener of other settings.
pub(super) enum Placed {
    /// It is there, at this place.
    Kept(usize),
    /// It was bound.
    New(Listening, Bound),
}

/// The sockets of a listener.
pub(super) struct Bound {
    accept: AcceptMode,
    sockets: Vec<BoundListener>,
}

// === impl Served ===

impl Served {
    pub(super) fn new(
        settings: Settings,
        log: &LogOptions,
        shutdown: Shutdown,
        figures: Arc<Figures>,
    ) -> Self {
        Self {
            settings,
            log: log.clone(),
            generation: 0,
            since: SystemTime::now(),
            ages: BTreeMap::new(),
            retired: Vec::new(),
            listeners: Vec::new(),
            next_listener: 0,
            upstreams: RunnerUpstreams::default(),
            workers: Vec::new(),
            targets: Vec::new(),
            threads: Threads::default(),
            certificates: None,
            shutdown,
            logs: Writers::default(),
            figures,
        }
    }

    /// Finds those listeners that are there, and binds the others.
    pub(super) fn place(
        &mut self,
        listeners: &[ListenerSettings],
        inherited: &mut Inherited,
    ) -> Result<Vec<Placed>, ListenError> {
        let configured: Vec<_> = self
            .listeners
            .iter()
            .map(|listening| listening.configured.clone())
            .collect();
        let kept = pair(&configured, listeners.iter().map(|listener| &listener.address));
        let mut placed = Vec::new();
        let names = Name::of_listeners(listeners);
        for ((listener, kept), name) in listeners.iter().zip(kept).zip(&names) {
            placed.push(match kept {
                Some(place) => Placed::Kept(place),
                None => self.open(listener, name, inherited)?,
            });
        }
        Ok(placed)
    }

    fn open(
        &mut self,
        listener: &ListenerSettings,
        name: &Name,
        inherited: &mut Inherited,
    ) -> Result<Placed, ListenError> {
        let opened = Sockets::open(listener, name, self.settings.workers.get(), inherited)?;
        let (trigger, shutdown) = self.shutdown.part();
        let number = self.next_listener;
        self.next_listener = number.saturating_add(1);
        let listening = Listening {
            number,
            configured: listener.address.clone(),
            file: opened.file,
            held: opened.held,
            address: opened.address,
            connections: Arc::default(),
            _trigger: trigger,
            shutdown,
        };
        let bound = Bound {
            accept: opened.accept,
            sockets: opened.sockets,
        };
        Ok(Placed::New(listening, bound))
    }

    /// Serves other settings from now on, in all workers. Their listeners were placed.
    pub(super) fn apply(
        &mut self,
        mut settings: Settings,
        placed: Vec<Placed>,
        retired: Vec<Plugin>,
    ) -> Result<(), StartError> {
        for (listener, placed) in settings.listeners.iter_mut().zip(&placed) {
            // With the port that was chosen.
            let address = self.address_of(placed);
            listener
                .name
                .get_or_insert_with(|| address.map_or_else(String::new, ToString::to_string));
        }
        let logs = self.open_logs(&settings.listeners, &placed);
        let logs = logs.map_err(StartError::AccessLog)?;
        let upstreams = self.upstreams.succeeding(&settings.upstreams);
        self.upstreams
            .prepare(&upstreams, &mut self.threads, &self.shutdown)?;
        let mut before: Vec<_> = std::mem::take(&mut self.listeners)
            .into_iter()
            .map(Some)
            .collect();
        let mut own: Vec<Vec<(usize, BoundListener)>> = self.workers.iter().map(|_| Vec::new()).collect();
        let mut accepted = Vec::new();
        for placed in placed {
            match placed {
                Placed::Kept(place) => {
                    let kept = before.get_mut(place).and_then(Option::take);
                    self.listeners.extend(kept);
                }
                Placed::New(listening, bound) => {
                    let number = listening.number;
                    let sockets = bound.sockets.into_iter();
                    match bound.accept {
                        AcceptMode::PerWorker => {
                            // There may be more than workers, if those of another process were more.
                            let workers = own.len().max(1);
                            for (place, socket) in sockets.enumerate() {
                                if let Some(own) = own.get_mut(place % workers) {
                                    own.push((number, socket));
                                }
                            }
                        }
                        AcceptMode::OneAcceptor => {
                            accepted
                                .extend(sockets.map(|socket| (number, socket, listening.shutdown.clone())));
                        }
                    }
                    self.listeners.push(listening);
                }
            }
        }
        let parts = self.listeners.iter().zip(&settings.listeners);
        let version = Arc::new(Version {
            listeners: parts
                .map(|(listening, settings)| listening.part(settings))
                .collect(),
            upstreams: upstreams.clone(),
            background: settings.background.clone(),
            retired,
            retired_until: Instant::now() + settings.old_streams,
        });

        for ((worker, sockets), logs) in self.workers.iter().zip(own).zip(logs) {
            worker.serve(&version, sockets, logs);
        }
        for (number, socket, shutdown) in accepted {
            self.accept(number, socket, shutdown)?;
        }
        self.upstreams.set(upstreams);
        self.watch_certificates(&settings)?;
        self.settings = settings;
        // Listeners that are not there any more end with this.
        drop(before);
        Ok(())
    }

    fn address_of<'a>(&'a self, placed: &'a Placed) -> Option<&'a Address> {
        match placed {
            Placed::Kept(place) => self.listeners.get(*place).map(|listening| &listening.address),
            Placed::New(listening, _) => Some(&listening.address),
        }
    }

    /// The access log of each listener for each worker.
    fn open_logs(
        &mut self,
        listeners: &[ListenerSettings],
        placed: &[Placed],
    ) -> io::Result<Vec<Vec<LogPart>>> {
        let mut logs = Vec::new();
        for _ in &self.workers {
            let mut of_worker = Vec::new();
            for (listener, placed) in listeners.iter().zip(placed) {
                let before = match placed {
                    Placed::Kept(place) => self.settings.listeners.get(*place),
                    Placed::New(..) => None,
                };

                let is_same = |before: &ListenerSettings| {
                    before.access_log == listener.access_log && before.name == listener.name
                };
                if before.is_some_and(is_same) {
                    of_worker.push(LogPart::Same);
                    continue;
                }
                let log = listener.access_log.as_ref();
                let opened = log.map(|log| self.logs.open(log, &self.figures));
                of_worker.push(LogPart::Other(opened.transpose()?));
            }
            logs.push(of_worker);
        }
        Ok(logs)
    }

    fn accept(&mut self, number: usize, socket: BoundListener, shutdown: Shutdown) -> Result<(), StartError> {
        let targets = self.targets.clone();
        self.threads.spawn(format!("acceptor-{number}"), move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            Ok(move || runtime.block_on(hand_over(number, socket, targets, shutdown)))
        })
    }

    fn watch_certificates(&mut self, settings: &Settings) -> Result<(), StartError> {
        let certificates = settings.certificates();
        match &self.certificates {
            Some(watch) => watch.set(certificates),
            None if certificates.is_empty() => {}
            None => {
                let (trigger, watch) = Watch::new(certificates);
                self.threads
                    .spawn("certificates".to_owned(), move || Ok(move || watch.run()))?;
                self.certificates = Some(trigger);
            }
        }
        Ok(())
    }

    /// The addresses that are listened on, with the ports that were chosen.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let listeners = self.listeners.iter();
        listeners.map(|listening| listening.address.clone()).collect()
    }
}

// === impl Listening ===

impl Listening {
    fn part(&self, settings: &ListenerSettings) -> ListenerPart {
        ListenerPart {
            number: self.number,
            settings: settings.clone(),
            connections: Arc::clone(&self.connections),
            shutdown: self.shutdown.clone(),
        }
    }
}

// === impl WorkerHandle ===

impl WorkerHandle {
    /// Has the worker serve a version, and waits until it does.
    fn serve(&self, version: &Arc<Version>, sockets: Vec<(usize, BoundListener)>, logs: Vec<LogPart>) {
        let (done, is_done) = sync_channel(0);
        let version = WorkerVersion {
            version: Arc::clone(version),

            sockets,
            logs,
            _done: done,
        };
        // Nothing is sent: the other end goes when it is done, or with the worker.
        let _ = self.orders.send(Order::Serve(Box::new(version)));
        let _ = is_done.recv();
    }
}

/// A channel for connections, and the worker as acceptors see it.
pub(super) fn target() -> (Target, mpsc::UnboundedReceiver<Handover>) {
    let (connections, handovers) = mpsc::unbounded_channel();
    let target = Target {
        connections,
        load: Arc::default(),
    };
    (target, handovers)
}

/// Which of the old listeners each of the new ones is: the first of those with its address that no other one is, for several may let the
/// system choose their ports.
pub(super) fn pair<'a>(old: &[Address], new: impl Iterator<Item = &'a Address>) -> Vec<Option<usize>> {
    let mut taken = vec![false; old.len()];
    let pairs = new.map(|address| {
        let mut free = old.iter().zip(&mut taken).enumerate();
        let (place, (_, taken)) = free.find(|(_, (old, taken))| !**taken && *old == address)?;
        *taken = true;
        Some(place)
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_known_by_their_addresses() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let table: &[(&[&str], &[&str], &[Option<usize>])] = &[
            (&["127.0.0.1:1"], &["127.0.0.1:1"], &[Some(0)]),
            (&["127.0.0.1:1"], &["127.0.0.1:2"], &[None]),
            (
                &["127.0.0.1:1", "127.0.0.1:2"],
                &["127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:1"],
                &[Some(1), None, Some(0)],
            ),
            (
                &["127.0.0.1:0", "127.0.0.1:0"],
                &["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"],
                &[Some(0), Some(1), None],
            ),
            (&["unix:/a"], &["unix:/a", "unix:/b"], &[Some(0), None]),
        ];
        for (old, new, expected) in table {
            let old: Vec<_> = old.iter().map(|text| address(text)).collect();
            let new: Vec<_> = new.iter().map(|text| address(text)).collect();
            assert_eq!(pair(&old, new.iter()), *expected, "{old:?} {new:?}");
        }
    }
}
