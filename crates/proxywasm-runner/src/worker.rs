//! One thread's plugin instances, and who waits for what comes out of them.
//!
//! A guest is entered only here, in a *turn*: one call of the host, after which everything that came out is with the takers of the
//! streams it concerns and their tasks are woken. A turn never awaits, so the borrow of the host never crosses one. What ends in
//! a destructor only leaves its id; a task of the worker makes its last callbacks.

use crate::admin::Overrides;
use crate::callouts::Callouts;
use crate::cluster::{Clusters, Shared};
use crate::figures::{Figures, WorkerFigures};
use crate::trace::StreamSpan;
use proxywasm_host::{
    CallEvent, CalloutId, Command, FilterChain, GrpcEvent, Host, Plugin, PropertySource, Services, StreamId,
    Upstreams,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;
use tokio::sync::{Notify, watch};

/// The plugin instances of one thread.
pub(crate) struct Worker {
    host: RefCell<Host>,
    /// By the index of their stream.
    takers: RefCell<Vec<Option<Rc<dyn Taker>>>>,
    /// Streams that ended in a destructor.
    ended: RefCell<Vec<StreamId>>,
    has_ended: Notify,
    deadline: Cell<Option<Instant>>,
    deadline_moved: Notify,
    woken: Arc<Woken>,
    callouts: Callouts,
    clusters: Clusters,
    /// The names of the upstreams, for plugins.
    upstreams: Arc<Names>,
    /// Plugins that are kept running.
    background: RefCell<Vec<Plugin>>,
    figures: Arc<WorkerFigures>,
}

/// Names that change. Only its worker uses them, so nobody ever waits.
#[derive(Debug, Default)]
struct Names(Mutex<BTreeSet<String>>);

/// Whoever takes what comes out of the host for one stream.
pub(crate) trait Taker {
    /// The stream.
    fn id(&self) -> StreamId;
    /// Takes what there is.
    fn collect(&self, host: &mut Host);
    /// Something was taken, or more is wanted, that its task does not know of.
    fn wake(&self);
    /// The span of the stream, if it is traced, and the place there of the first of its plugins.
    fn span(&self) -> Option<(Arc<StreamSpan>, usize)> {
        None
    }
}

/// Wakes a worker from any thread: something has come for its plugins that concerns no stream.
#[derive(Default)]
struct Woken(Notify);

// === impl Worker ===

impl Worker {
    pub(crate) fn new(services: Services, figures: &Figures) -> Rc<Self> {
        let woken = Arc::new(Woken::default());
        let names = Arc::new(Names::default());
        let mut host = Host::new(Services {
            upstreams: Arc::clone(&names) as _,
            ..services
        });
        host.set_waker(Waker::from(Arc::clone(&woken)));
        let figures = figures.worker(host.figures());
        Rc::new(Self {
            host: RefCell::new(host),
            takers: RefCell::default(),
            ended: RefCell::default(),
            has_ended: Notify::new(),
            deadline: Cell::new(None),
            deadline_moved: Notify::new(),
            woken,
            callouts: Callouts::default(),
            clusters: Clusters::new(&figures),
            upstreams: names,
            background: RefCell::default(),
            figures,
        })
    }

    /// The tasks of the worker; to be spawned on its runtime.
    pub(crate) fn spawn_tasks(self: &Rc<Self>, mut overrides: watch::Receiver<Overrides>) {
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            loop {
                worker.has_ended.notified().await;
                worker.finish_ended();
            }
        });
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move { worker.keep_deadlines().await });
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            loop {
                worker.woken.0.notified().await;
                worker.handle_wake();
                // What is left wakes again at once; streams come first.
                tokio::task::yield_now().await;
            }
        });
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move { worker.callouts.run(&worker).await });
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            // An error says that the runner stops.
            while overrides.changed().await.is_ok() {
                let Overrides { log_level } = *overrides.borrow_and_update();
                if let Some(level) = log_level {
                    let mut host = worker.host.borrow_mut();
                    host.set_log_level(level);
                    worker.settle(&mut host);
                }
            }
        });
    }

    /// Starts plugins that run without streams, and keeps these running and no others.
    pub(crate) fn keep_running(&self, plugins: Vec<Plugin>) {
        let before = self.background.replace(plugins);
        let mut host = self.host.borrow_mut();
        let plugins = self.background.borrow();
        for plugin in before.iter().filter(|plugin| !plugins.contains(plugin)) {
            host.release_background(plugin);
        }
        plugins.iter().for_each(|plugin| host.keep_running(plugin));
        self.settle(&mut host);
    }

    /// Ends plugins whose place others have taken, each with its last stream, which has to end until then.
    pub(crate) fn retire(&self, plugins: &[Plugin], until: Instant) {
        let mut host = self.host.borrow_mut();
        plugins.iter().for_each(|plugin| host.retire(plugin, until));
        self.settle(&mut host);
    }

    /// The upstreams that routes and calls of plugins can name from now on.
    pub(crate) fn set_upstreams(&self, upstreams: &[Arc<Shared>]) {
        self.clusters.replace(upstreams);
        self.upstreams.set(upstreams);
    }

    /// Opens an HTTP stream.
    pub(crate) fn open(&self, chain: &FilterChain, properties: Option<Box<dyn PropertySource>>) -> StreamId {
        self.host.borrow_mut().open(chain, properties)
    }

    /// Opens a byte stream.
    pub(crate) fn open_bytestream(
        &self,
        chain: &FilterChain,
        properties: Option<Box<dyn PropertySource>>,
    ) -> StreamId {
        self.host.borrow_mut().open_bytestream(chain, properties)
    }

    /// Has outputs for a stream given to its taker, until [`Worker::finish`] or [`Worker::finish_later`].
    pub(crate) fn register(&self, taker: Rc<dyn Taker>) {
        let index = taker.id().index();
        let mut takers = self.takers.borrow_mut();
        if takers.len() <= index {
            takers.resize_with(index + 1, || None);
        }
        if let Some(place) = takers.get_mut(index) {
            *place = Some(taker);
        }
    }

    /// Calls the host for one stream and delivers what comes out.
    pub(crate) fn turn(&self, taker: &impl Taker, call: impl FnOnce(&mut Host, StreamId)) {
        let mut host = self.host.borrow_mut();
        call(&mut host, taker.id());
        taker.collect(&mut host);
        self.settle(&mut host);
    }

    /// Asks the host without changing anything.
    pub(crate) fn ask<R>(&self, question: impl FnOnce(&Host) -> R) -> R {
        question(&self.host.borrow())
    }

    /// Something came back for an HTTP callout.
    pub(crate) fn http_call_event(&self, id: CalloutId, event: CallEvent) {
        let mut host = self.host.borrow_mut();
        host.http_call_event(id, event);
        self.settle(&mut host);
    }

    /// Something came back for a gRPC callout.
    pub(crate) fn grpc_event(&self, id: CalloutId, event: GrpcEvent) {
        let mut host = self.host.borrow_mut();
        host.grpc_event(id, event);
        self.settle(&mut host);
    }

    /// A message on a gRPC callout has been sent.
    pub(crate) fn grpc_sent(&self, id: CalloutId, message_bytes: usize) {
        self.host.borrow_mut().grpc_sent(id, message_bytes);
    }

    /// Whether more of the answer to a callout is wanted.
    pub(crate) fn wants_call(&self, id: CalloutId) -> bool {
        self.host.borrow_mut().wants_call(id)
    }

    /// The upstreams that routes and calls of plugins name.
    pub(crate) fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// What this worker counts.
    pub(crate) fn figures(&self) -> &WorkerFigures {
        &self.figures
    }

    /// The calls that plugins make.
    pub(crate) fn callouts(&self) -> &Callouts {
        &self.callouts
    }

    /// Ends a stream: its plugins get their last callbacks now.
    pub(crate) fn finish(&self, id: StreamId) {
        let mut host = self.host.borrow_mut();
        host.finish(id);
        // What its plugins call at its end is for this stream, too.
        self.push_commands(&mut host);
        let mut takers = self.takers.borrow_mut();
        let place = takers.get_mut(id.index());
        let taker = place.and_then(|place| place.take_if(|taker| taker.id() == id));
        drop(takers);
        drop(taker);
        self.settle(&mut host);
    }

    /// Ends a stream from a destructor: its plugins get their last callbacks soon.
    pub(crate) fn finish_later(&self, id: StreamId) {
        self.ended.borrow_mut().push(id);
        self.has_ended.notify_one();
    }

    /// Ends what destructors left. Also called when the worker stops, after its last connection.
    pub(crate) fn finish_ended(&self) {
        // One by one, for a turn may end others.
        while let Some(id) = self.take_ended() {
            self.finish(id);
        }
    }

    /// Ends every stream that is still open, when the worker stops: their plugins get their last callbacks, whatever becomes of the
    /// connections.
    pub(crate) fn finish_all(&self) {
        let open: Vec<StreamId> = self
            .takers
            .borrow()
            .iter()
            .flatten()
            .map(|taker| taker.id())
            .collect();
        open.into_iter().for_each(|id| self.finish(id));
        self.finish_ended();
    }

    fn take_ended(&self) -> Option<StreamId> {
        self.ended.borrow_mut().pop()
    }

    /// Lets the plugins end. None of their streams may be open. Returns whether one put its end off.
    pub(crate) fn shut_down(&self) -> bool {
        let mut host = self.host.borrow_mut();
        host.shut_all_down();
        self.settle(&mut host);
        host.is_ending()
    }

    /// Delivers what came out for other streams, and what is to be sent for callouts, and notes the next deadline.
    fn settle(&self, host: &mut Host) {
        while let Some(id) = host.next_ready() {
            let taker = self.takers.borrow().get(id.index()).cloned().flatten();
            match taker.filter(|taker| taker.id() == id) {
                Some(taker) => {
                    taker.collect(host);
                    taker.wake();
                }
                // Its client is gone; nobody wants it.
                None => while host.next_output(id).is_some() {},
            }
        }
        self.push_commands(host);
        let deadline = host.next_deadline();
        if deadline != self.deadline.replace(deadline) {
            self.deadline_moved.notify_one();
        }
    }

    /// Leaves what is to be done for callouts to their task, with the span that each is below.
    fn push_commands(&self, host: &mut Host) {
        while let Some(command) = host.next_command() {
            let origin = match &command {
                Command::HttpCall { origin, .. } | Command::GrpcCall { origin, .. } => *origin,
                _ => None,
            };
            let above = origin.and_then(|origin| {
                let taker = self.takers.borrow().get(origin.stream.index()).cloned().flatten();
                let (span, first) = taker.filter(|taker| taker.id() == origin.stream)?.span()?;
                Some((span, first.saturating_add(origin.filter)))
            });
            self.callouts.push(command, above);
        }
    }

    fn handle_wake(&self) {
        let mut host = self.host.borrow_mut();
        host.handle_wake();
        self.settle(&mut host);
    }

    async fn keep_deadlines(&self) {
        loop {
            let moved = self.deadline_moved.notified();
            let Some(deadline) = self.deadline.get() else {
                moved.await;
                continue;
            };
            if tokio::time::timeout_at(deadline.into(), moved).await.is_err() {
                self.end_deadline();
                // What was not done in this turn is due at once; streams get theirs first.
                tokio::task::yield_now().await;
            }
        }
    }

    fn end_deadline(&self) {
        let mut host = self.host.borrow_mut();
        host.handle_deadline(Instant::now());
        self.settle(&mut host);
    }
}

// === impl Names ===

impl Names {
    fn set(&self, upstreams: &[Arc<Shared>]) {
        let names = upstreams.iter().map(|shared| shared.name().to_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names.collect();
    }
}

impl Upstreams for Names {
    fn has(&self, name: &[u8]) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).has(name)
    }
}

// === impl Woken ===

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify_one();
    }
}
