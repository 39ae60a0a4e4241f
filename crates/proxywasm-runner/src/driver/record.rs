//! What is noted of a request while it is served: for figures, and for the access log where there is one.

use super::reason::Reason;
use crate::access_log::{AccessLog, Draft, Facts};
use crate::figures::{ListenerFigures, RouteFigures, StatusClass};
use crate::properties::{ConnectionProperties, UpstreamProperties};
use http::{StatusCode, request, response};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// What one worker notes of the requests or streams of one listener.
pub(crate) struct Observer {
    pub(crate) listener: String,
    pub(crate) figures: Arc<ListenerFigures>,
    pub(crate) log: Option<AccessLog>,
}

/// A request, or a TCP stream, until it is over. It is when the last [`Recording`] is dropped.
pub(crate) struct Record {
    observer: Rc<Observer>,
    began: Instant,
    /// Of HTTP, and not of TCP.
    is_request: bool,
    received: Cell<u64>,
    sent: Cell<u64>,
    status: Cell<Option<StatusCode>>,
    reason: RefCell<Reason>,
    route: RefCell<Option<Arc<RouteFigures>>>,
    /// What only the log wants to know.
    notes: Option<Box<Notes>>,
    holders: Cell<u32>,
}

struct Notes {
    draft: RefCell<Draft>,
    connection: Arc<ConnectionProperties>,
    way: Arc<UpstreamProperties>,
}

/// Keeps a record open.
pub(crate) struct Recording(Rc<Record>);

// === impl Record ===

impl Record {
    /// Adds bytes of the request.
    pub(crate) fn add_received(&self, bytes: usize) {
        self.received
            .set(self.received.get().saturating_add(bytes as u64));
    }

    /// Adds bytes of the response.
    pub(crate) fn add_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get().saturating_add(bytes as u64));
    }

    /// The client gets this response.
    pub(super) fn answered(&self, head: &response::Parts) {
        self.status.set(Some(head.status));
        if let Some((notes, log)) = self.notes.as_ref().zip(self.observer.log.as_ref()) {
            notes.draft.borrow_mut().note_response(log.format(), head);
        }
    }

    /// The request has come, with what the proxy adds to it.
    pub(super) fn note_headers(&self, head: &request::Parts) {
        if let Some((notes, log)) = self.notes.as_ref().zip(self.observer.log.as_ref()) {
            notes.draft.borrow_mut().note_headers(log.format(), head);
        }
    }

    /// Why the answer is not the upstream's, or there is none. What is told first is the cause of what is told later.
    pub(crate) fn set_reason(&self, reason: Reason) {
        let mut known = self.reason.borrow_mut();
        if *known == Reason::None {
            *known = reason;
        }
    }

    /// It takes this route.
    pub(super) fn set_route(&self, figures: &Arc<RouteFigures>) {
        *self.route.borrow_mut() = Some(Arc::clone(figures));
    }

    /// What is to be told of route and upstream, for the log.
    pub(crate) fn way(&self) -> Option<&Arc<UpstreamProperties>> {
        self.notes.as_ref().map(|notes| &notes.way)
    }

    fn finish(&self) {
        if self.is_request && self.status.get().is_none() {
            // Whoever waited for the answer gave up.
            self.set_reason(Reason::ClientClosed);
        }
        let duration = self.began.elapsed();
        let class = StatusClass::of(self.status.get());
        let figures = &self.observer.figures;
        figures.statuses.add(class);
        figures.durations.record(duration);
        figures.received.add(self.received.get());
        figures.sent.add(self.sent.get());
        if let Some(route) = self.route.take() {
            route.statuses.add(class);
            route.durations.record(duration);
        }
        if let Some((notes, log)) = self.notes.as_ref().zip(self.observer.log.as_ref()) {
            log.write(&Facts {
                draft: &notes.draft.borrow(),
                duration,
                status: self.status.get(),
                received: self.received.get(),
                sent: self.sent.get(),
                connection: &notes.connection,
                way: &notes.way.told(),
                reason: &self.reason.borrow(),
                listener: &self.observer.listener,
            });
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

// === impl Recording ===

impl Recording {
    /// A request whose head has come just now.
    pub(crate) fn of_request(
        observer: &Rc<Observer>,
        connection: &Arc<ConnectionProperties>,
        head: &request::Parts,
    ) -> Self {
        let draft = || Draft::of_request(head);
        Self::begin(observer, connection, true, Instant::now(), draft)
    }

    /// A connection of TCP.
    pub(crate) fn of_stream(observer: &Rc<Observer>, connection: &Arc<ConnectionProperties>) -> Self {
        Self::begin(observer, connection, false, Instant::now(), Draft::of_stream)
    }

    /// What came instead of a request since `began`, and the status that it was answered with, if it was. It is over.
    pub(crate) fn of_malformed(
        observer: &Rc<Observer>,
        connection: &Arc<ConnectionProperties>,
        began: Instant,
        status: Option<StatusCode>,
    ) {
        let draft = || Draft::of_malformed(began.elapsed());
        let recording = Self::begin(observer, connection, true, began, draft);
        recording.0.status.set(status);
        recording.0.set_reason(Reason::Malformed);
    }

    fn begin(
        observer: &Rc<Observer>,
        connection: &Arc<ConnectionProperties>,
        is_request: bool,
        began: Instant,
        draft: impl FnOnce() -> Draft,
    ) -> Self {
        let notes = observer.log.as_ref().map(|_| {
            Box::new(Notes {
                draft: RefCell::new(draft()),
                connection: Arc::clone(connection),
                way: Arc::default(),
            })
        });
        Self(Rc::new(Record {
            observer: Rc::clone(observer),
            began,
            is_request,
            received: Cell::new(0),
            sent: Cell::new(0),
            status: Cell::new(None),
            reason: RefCell::default(),
            route: RefCell::default(),
            notes,
            holders: Cell::new(1),
        }))
    }

    pub(crate) fn record(&self) -> &Rc<Record> {
        &self.0
    }
}

impl Clone for Recording {
    fn clone(&self) -> Self {
        self.0.holders.set(self.0.holders.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let others = self.0.holders.get().saturating_sub(1);
        self.0.holders.set(others);
        if others == 0 {
            self.0.finish();
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
