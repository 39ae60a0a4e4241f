//! The callers' side.

use crate::health::{Counters, Event, Health, State};
use crate::link::{self, Job};
use crate::reply::{Reply, Waiter};
use crate::request::{Kind, Request};
use crate::settings::{RedisSettings, StartError};
use crate::{Answer, CallError};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// A connection to a server, and the thread that owns it. Clones share it; the thread ends with the last of them.
#[derive(Clone)]
pub struct Connector {
    shared: Arc<Shared>,
    jobs: UnboundedSender<Job>,
    bound: Duration,
}

/// Whoever wants to hear of what the server tells unasked. Called on the connector's thread, in the order in which the server told it,
/// also with respect to answers: implementations must be quick, and must not call the connector and wait.
pub trait Listener: Send + Sync {
    /// A connection was made, and all channels are subscribed to. Whatever happened before was not told.
    fn connected(&self) {}

    /// The connection was lost. From now on nothing is told.
    fn disconnected(&self) {}

    /// The server has answered a probe: every [`RedisSettings::keepalive`], or sooner. For what has to be done now and then.
    fn probed(&self) {}

    /// A key that was read with `CLIENT CACHING YES` before it has changed, or all of them might have.
    fn invalidated(&self, key: Option<&[u8]>) {
        let _ = key;
    }

    /// A message was published on a channel.
    fn message(&self, channel: &[u8], payload: &[u8]) {
        let _ = (channel, payload);
    }
}

/// What the callers and the thread share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) health: Health,
    listeners: RwLock<Vec<Weak<dyn Listener>>>,
    channels: Mutex<BTreeSet<Vec<u8>>>,
}

// === impl Connector ===

impl Connector {
    /// Starts the thread, which connects as soon as it can. Until then, and whenever the server is away, calls are refused.
    ///
    /// # Errors
    /// An address that is none, or a thread that cannot be started.
    pub fn start(settings: RedisSettings) -> Result<Self, StartError> {
        let shared = Arc::new(Shared::default());
        let bound = settings.bound;
        let jobs = link::start(settings, Arc::clone(&shared))?;
        Ok(Self { shared, jobs, bound })
    }

    /// Sends a request and waits for its answer, for no longer than the bound of the settings.
    ///
    /// # Errors
    /// [`CallError::Unavailable`] at once where the server is known not to answer, or after the bound; [`CallError::Refused`].
    pub fn call(&self, request: impl Into<Request>) -> Answer {
        if !self.admit() {
            return Err(CallError::Unavailable);
        }
        let waiter = Waiter::new();
        self.send(Job::Run(request.into(), Reply::to_waiter(&waiter)));
        self.wait(&waiter)?
    }

    /// As [`Connector::call`], but what comes is not the caller's affair alone: `then` gets the answer on the connector's thread, exactly
    /// once, also one that comes after the caller has given up. Returns when it has returned; it must be quick, and must not call
    /// the connector and wait.
    ///
    /// # Errors
    /// [`CallError::Unavailable`] at once where the server is known not to answer, and `then` has run with that; or after the bound.
    pub fn call_then(
        &self,
        request: impl Into<Request>,
        then: impl FnOnce(Answer) + Send + 'static,
    ) -> Result<(), CallError> {
        if !self.admit() {
            then(Err(CallError::Unavailable));
            return Err(CallError::Unavailable);
        }
        let waiter = Waiter::new();
        let waiting = Arc::clone(&waiter);
        let reply = Reply::to_callback(Box::new(move |answer| {
            then(answer);
            waiting.arrive(());
        }));
        self.send(Job::Run(request.into(), reply));
        self.wait(&waiter)
    }

    /// Sends a request and goes on. `then` is called exactly once, on the connector's thread, or on this one where the request is refused at
    /// once; it must be quick, and must not call the connector and wait. There is no bound on how long the answer takes but the
    /// connection's life.
    pub fn submit(&self, request: impl Into<Request>, then: impl FnOnce(Answer) + Send + 'static) {
        if !self.admit() {
            then(Err(CallError::Unavailable));
            return;
        }
        let reply = Reply::to_callback(Box::new(then));
        self.send(Job::Run(request.into(), reply));
    }

    /// Subscribes to a channel, on this connection and on those that follow, until [`Connector::unsubscribe`]. `then` is called once: with
    /// `Ok` when the server has confirmed, so that what is published from then on is told; with an error where there is no connection
    /// now. The channel is subscribed to all the same when there is one again, before [`Listener::connected`].
    pub fn subscribe(&self, channel: &[u8], then: impl FnOnce(Answer) + Send + 'static) {
        lock(&self.shared.channels).insert(channel.to_owned());
        self.submit(Request(Kind::Subscribe(channel.to_owned())), then);
    }

    /// Takes a subscription back. Messages may still come for a while.
    pub fn unsubscribe(&self, channel: &[u8]) {
        lock(&self.shared.channels).remove(channel);
        let mut command = redis::cmd("UNSUBSCRIBE");
        command.arg(channel);
        // Where it fails, the connection is lost, and the subscription with it.
        self.submit(command, |_| {});
    }

    /// Makes `listener` hear of what comes from now on, for as long as it lives.
    pub fn add_listener(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self
            .shared
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.shared.health.counters()
    }

    /// Whether the server answers.
    pub fn state(&self) -> State {
        self.shared.health.state()
    }

    /// Waits for the bound.
    fn wait<T>(&self, waiter: &Waiter<T>) -> Result<T, CallError> {
        waiter.wait(self.bound).ok_or_else(|| {
            let health = &self.shared.health;
            health.count(Event::Timeout);
            health.stall();
            self.send(Job::Probe);
            CallError::Unavailable
        })
    }

    /// Counts a call, and says whether it is worth sending.
    fn admit(&self) -> bool {
        let health = &self.shared.health;
        health.count(Event::Call);
        let up = health.state() == State::Up;
        if !up {
            health.count(Event::Refused);
        }
        up
    }

    fn send(&self, job: Job) {
        // Without a receiver there is no thread any more: the job is dropped, which answers it.
        let _without_thread = self.jobs.send(job);
    }
}

// === impl Shared ===

impl Shared {
    /// Calls all listeners that live.
    pub(crate) fn tell(&self, event: impl Fn(&dyn Listener)) {
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            event(&*listener);
        }
    }

    /// The channels to subscribe to.
    pub(crate) fn channels(&self) -> Vec<Vec<u8>> {
        lock(&self.channels).iter().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
