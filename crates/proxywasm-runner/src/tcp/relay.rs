//! What came out of the host for one stream and was not written yet.

use crate::worker::{Taker, Worker};
use bytes::Bytes;
use proxywasm_host::{Direction, FilterChain, Host, Output, PropertySource, ResetReason, StreamId};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

/// A byte stream, between the host and the task that drives its connections.
pub(super) struct Relay {
    worker: Rc<Worker>,
    id: StreamId,
    /// The upstream is to be connected to.
    connects: Cell<bool>,
    reset: Cell<Option<ResetReason>>,
    /// By direction.
    lanes: [RefCell<Lane>; 2],
    /// Nothing of the stream is in the host, nor will be.
    bypassed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// One direction, from the host to the connection that it goes to.
#[derive(Default)]
pub(super) struct Lane {
    chunks: VecDeque<Bytes>,
    len: usize,
    /// Nothing follows.
    pub(super) ends: bool,
    /// The connection is to be closed when all is written.
    pub(super) closes: bool,
}

// === impl Relay ===

impl Relay {
    pub(super) fn open(
        worker: &Rc<Worker>,
        chain: &FilterChain,
        properties: Option<Box<dyn PropertySource>>,
    ) -> Rc<Self> {
        let relay = Rc::new(Self {
            worker: Rc::clone(worker),
            id: worker.open_bytestream(chain, properties),
            connects: Cell::new(false),
            reset: Cell::new(None),
            lanes: Default::default(),
            bypassed: Cell::new(false),
            waker: RefCell::default(),
        });
        worker.register(Rc::clone(&relay) as _);
        relay
    }

    /// Calls the host.
    pub(super) fn turn(&self, call: impl FnOnce(&mut Host, StreamId)) {
        self.worker.turn(self, call);
    }

    /// Whether plugins want more of a direction.
    pub(super) fn wants(&self, direction: Direction) -> bool {
        self.worker.ask(|host| host.wants(self.id, direction))
    }

    /// Whether bytes of both directions need not come to the host any more.
    pub(super) fn is_bypassed(&self) -> bool {
        if !self.bypassed.get() {
            self.bypassed
                .set(self.worker.ask(|host| host.is_bypassed(self.id)));
        }
        self.bypassed.get()
    }

    /// Why the stream is to be reset, if it is.
    pub(super) fn reset(&self) -> Option<ResetReason> {
        self.reset.get()
    }

    /// Whether the upstream is to be connected to.
    pub(super) fn connects(&self) -> bool {
        self.connects.get()
    }

    /// What goes in a direction.
    pub(super) fn lane(&self, direction: Direction) -> &RefCell<Lane> {
        let [request, response] = &self.lanes;
        match direction {
            Direction::Request => request,
            Direction::Response => response,
        }
    }

    /// Notes whose task is to be woken when another stream brings something for this one.
    pub(super) fn wait(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
    }

    /// The connections are over: plugins get their last callbacks now.
    pub(super) fn finish(&self) {
        self.worker.finish(self.id);
    }

    /// The same from a destructor.
    pub(super) fn finish_later(&self) {
        self.worker.finish_later(self.id);
    }
}

impl Taker for Relay {
    fn id(&self) -> StreamId {
        self.id
    }

    fn collect(&self, host: &mut Host) {
        while let Some(output) = host.next_output(self.id) {
            self.bypassed.set(false);
            match output {
                Output::ConnectUpstream => self.connects.set(true),
                Output::UpstreamData { data, end_of_stream } => {
                    self.lane(Direction::Request)
                        .borrow_mut()
                        .put(data, end_of_stream);
                }
                Output::DownstreamData { data, end_of_stream } => {
                    self.lane(Direction::Response)
                        .borrow_mut()
                        .put(data, end_of_stream);
                }
                Output::CloseUpstream => self.lane(Direction::Request).borrow_mut().closes = true,
                Output::CloseDownstream => self.lane(Direction::Response).borrow_mut().closes = true,
                Output::Reset(reason) => self.reset.set(Some(reason)),
                // Of HTTP.
                Output::RequestHeaders { .. }
                | Output::RequestBody { .. }
                | Output::RequestTrailers(_)
                | Output::RequestMetadata(_)
                | Output::ResponseHeaders { .. }
                | Output::ResponseBody { .. }
                | Output::ResponseTrailers(_)
                | Output::ResponseMetadata(_)
                | Output::UpstreamAbandoned => {}
            }
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

// === impl Lane ===

impl Lane {
    pub(super) fn put(&mut self, data: Bytes, ends: bool) {
        self.ends |= ends;
        if !data.is_empty() {
            self.len += data.len();
            self.chunks.push_back(data);
        }
    }

    /// The bytes that wait to be written.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first pieces, as many as one call writes.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &**chunk)
    }

    /// So much was written.
    pub(super) fn advance(&mut self, mut written: usize) {
        self.len = self.len.saturating_sub(written);
        while let Some(first) = self.chunks.front_mut() {
            if written < first.len() {
                drop(first.split_to(written));
                return;
            }
            written -= first.len();
            self.chunks.pop_front();
        }
    }

    /// Drops what waits: nobody takes it.
    pub(super) fn clear(&mut self) {
        self.chunks.clear();
        self.len = 0;
    }
}
