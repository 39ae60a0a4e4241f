//! The streams of a connection, and what they wait for.

use super::client_io::Meter;
use super::drain::{Drain, Kind, UnderWay};
use crate::observed_body::{BodyObserver, ObservedBody, PolledFrame};
use http_body::Body;
use hyper::rt::Executor;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The streams of a connection. One of HTTP/1.1 has one at a time.
#[derive(Debug)]
pub(super) struct Streams {
    meter: Arc<Meter>,
    open: Cell<usize>,
    /// There was none yet.
    is_new: Cell<bool>,
    first: Notify,
    drain: Rc<Drain>,
    /// As what each is counted while it is under way.
    kind: Option<Kind>,
    /// When the last one ended.
    since: Cell<Instant>,
    places: RefCell<Vec<Option<Place>>>,
    /// The one that was opened last, until its task is known.
    newest: Cell<Option<usize>>,
}

/// What is known of a stream.
#[derive(Debug, Default)]
struct Place {
    /// When it gave a piece of its response, since when the client has not asked for another.
    given: Option<Instant>,
    task: Option<AbortHandle>,
}

/// A stream, while it lives.
#[derive(Debug)]
pub(super) struct OpenStream {
    streams: Rc<Streams>,
    place: usize,
    _under_way: Option<UnderWay>,
}

/// A body that keeps its stream open.
pub(super) type StreamBody<B> = ObservedBody<B, OpenStream>;

/// Runs the streams of an HTTP/2 connection on the thread of their worker, and tells the connection of their tasks.
#[derive(Clone)]
pub(super) struct StreamExecutor(pub(super) Rc<Streams>);

// === impl Streams ===

impl Streams {
    /// Those of a connection, each of which is counted as something that is under way, or not by itself.
    pub(super) fn new(meter: &Arc<Meter>, drain: &Rc<Drain>, kind: Option<Kind>) -> Rc<Self> {
        Rc::new(Self {
            meter: Arc::clone(meter),
            open: Cell::new(0),
            is_new: Cell::new(true),
            first: Notify::new(),
            drain: Rc::clone(drain),
            kind,
            since: Cell::new(Instant::now()),
            places: RefCell::default(),
            newest: Cell::default(),
        })
    }

    pub(super) fn open(self: &Rc<Self>) -> OpenStream {
        self.open.set(self.open.get() + 1);
        if self.is_new.replace(false) {
            self.first.notify_one();
        }
        self.meter.forget();
        let mut places = self.places.borrow_mut();
        let place = match places.iter().position(Option::is_none) {
            Some(place) => place,
            None => {
                places.push(None);
                places.len() - 1
            }
        };
        if let Some(free) = places.get_mut(place) {
            *free = Some(Place::default());
        }
        self.newest.set(Some(place));
        OpenStream {
            streams: Rc::clone(self),
            place,
            _under_way: self.kind.map(|kind| self.drain.count(kind)),
        }
    }

    /// Completes, once, when there is one or ever was.
    pub(super) async fn any(&self) {
        self.first.notified().await;
    }

    /// Whether there was none yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new.get()
    }

    /// Counts from now how long there is none.
    pub(super) fn touch(&self) {
        self.since.set(Instant::now());
    }

    /// Since when there is none.
    pub(super) fn idle(&self) -> Option<Instant> {
        (self.open.get() == 0).then(|| self.since.get())
    }

    /// Ends the streams whose client takes nothing of their responses for so long. Returns since when the one waits that waits longest of those
    /// that are left.
    pub(super) fn end_stalled(&self, limit: Duration) -> Option<Instant> {
        let mut longest: Option<Instant> = None;
        let mut ended = Vec::new();
        for place in self.places.borrow().iter().flatten() {
            match (place.given, &place.task) {
                (Some(given), Some(task)) if given.elapsed() >= limit => ended.push(task.clone()),
                (Some(given), Some(_)) => {
                    longest = Some(longest.map_or(given, |longest| longest.min(given)));
                }
                _ => {}
            }
        }
        for task in ended {
            tracing::debug!("a stream is reset, for its client takes nothing of the response");
            task.abort();
        }
        longest
    }

    fn with(&self, place: usize, change: impl FnOnce(&mut Place)) {
        if let Some(Some(place)) = self.places.borrow_mut().get_mut(place) {
            change(place);
        }
    }
}

// === impl OpenStream ===

impl OpenStream {
    pub(super) fn keep<B>(self, body: B) -> StreamBody<B> {
        self.note(Some(Instant::now()));
        ObservedBody::new(body, self)
    }

    fn note(&self, given: Option<Instant>) {
        self.streams.with(self.place, |place| place.given = given);
    }
}

impl<B: Body> BodyObserver<B> for OpenStream {
    fn polled(&mut self, answer: &PolledFrame<B>, _body: &B) {
        let given = matches!(answer, Poll::Ready(Some(Ok(_)))).then(Instant::now);
        self.note(given);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let streams = &self.streams;
        streams.open.set(streams.open.get().saturating_sub(1));
        streams.since.set(Instant::now());
        streams.meter.forget();
        let place = streams
            .places
            .borrow_mut()
            .get_mut(self.place)
            .and_then(Option::take);
        drop(place);
    }
}

// === impl StreamExecutor ===

impl<F> Executor<F> for StreamExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        let task = tokio::task::spawn_local(future);
        if let Some(place) = self.0.newest.take() {
            self.0.with(place, |place| place.task = Some(task.abort_handle()));
        }
    }
}

impl fmt::Debug for StreamExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamExecutor").finish_non_exhaustive()
    }
}
