//! What the two ends of a stream share.

use super::client_body::ClientFault;
use super::dispatch::OnWay;
use super::lane::{Lane, Piece};
use super::linger;
use crate::properties::{StreamProperties, UpstreamProperties};
use crate::trace::StreamSpan;
use crate::upstream;
use crate::worker::{Taker, Worker};
use bytes::Bytes;
use http::{Version, request, response};
use http_body::Body;
use proxywasm_host::{
    Direction, FilterChain, Host, LocalAnswer, Output, PropertySource, ResetReason, StreamId,
};
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;

/// A request and its response on their way through plugins.
///
/// Each direction is moved by whoever sends it on: the request by the connection to the upstream, the response by that of the
/// client. It takes what plugins let through; when there is nothing, and only if they want more, it reads on.
pub(crate) struct Exchange {
    worker: Rc<Worker>,
    id: StreamId,
    request: RefCell<Lane<Box<request::Parts>>>,
    response: RefCell<Lane<Box<response::Parts>>>,
    /// The body that the client sends, or what plugins before these let through of it, until all of it was read.
    downstream: RefCell<Option<upstream::RequestBody>>,
    /// The body that the upstream sends, until all of it was read.
    upstream: RefCell<Option<upstream::ResponseBody>>,
    state: Cell<State>,
    reset: Cell<Option<ResetReason>>,
    /// The client waits for `100 Continue`, which reading its body makes the codec send.
    expects_continue: Cell<bool>,
    /// The client broke its request off: what comes of it at the upstream concerns nobody.
    fault: Rc<Cell<Option<ClientFault>>>,
    /// The client's.
    version: Version,
    /// The span of the request, if it is traced, and the place there of the first of these plugins.
    span: OnceCell<(Arc<StreamSpan>, usize)>,
}

/// The owner of an [`Exchange`]. When it is dropped, the stream is over.
pub(super) struct Driver(Rc<Exchange>);

/// What matters of the client while its request is under way.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) version: Version,
    /// It waits for `100 Continue`.
    pub(super) expects_continue: bool,
    /// Where it is noted that it broke its request off.
    pub(super) fault: Rc<Cell<Option<ClientFault>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The response comes from the upstream.
    Forwarding,
    /// The response comes from a plugin or the host; the upstream is not needed any more.
    Abandoned,
    /// The stream is over.
    Over,
}

/// A stream ended before its message did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Aborted {
    /// The host reset it.
    #[error("the stream was reset: {0}")]
    Reset(ResetReason),
    /// It was answered, or the client left, before all of the request was sent.
    #[error("the request is not needed any more")]
    Over,
    /// The client broke off.
    #[error("the request is lost: {0}")]
    Downstream(ClientFault),
}

impl Taker for Exchange {
    fn id(&self) -> StreamId {
        self.id
    }

    fn collect(&self, host: &mut Host) {
        let mut request = self.request.borrow_mut();
        let mut response = self.response.borrow_mut();
        while let Some(output) = host.next_output(self.id) {
            match output {
                Output::RequestHeaders { head, end_of_stream } => request.put_head(head, end_of_stream),
                Output::RequestBody { data, end_of_stream } => request.put_data(data, end_of_stream),
                Output::RequestTrailers(trailers) => request.put_trailers(trailers),
                Output::ResponseHeaders { head, end_of_stream } => response.put_head(head, end_of_stream),
                Output::ResponseBody { data, end_of_stream } => response.put_data(data, end_of_stream),
                Output::ResponseTrailers(trailers) => response.put_trailers(trailers),
                Output::RequestMetadata(_) | Output::ResponseMetadata(_) => {
                    tracing::debug!("METADATA frames are not sent; one was dropped");
                }
                // What only byte streams have.
                Output::ConnectUpstream
                | Output::UpstreamData { .. }
                | Output::DownstreamData { .. }
                | Output::CloseUpstream
                | Output::CloseDownstream => {}
                Output::UpstreamAbandoned => {
                    self.state.set(State::Abandoned);
                    drop(self.upstream.take());
                    request.wake();
                }
                Output::Reset(reason) => {
                    self.reset.set(Some(reason));
                    request.wake();
                    response.wake();
                }
            }
        }
        request.wake_if_useful(|| host.wants(self.id, Direction::Request));
        response.wake_if_useful(|| host.wants(self.id, Direction::Response));
    }

    fn wake(&self) {
        self.request.borrow_mut().wake();
        self.response.borrow_mut().wake();
    }

    fn span(&self) -> Option<(Arc<StreamSpan>, usize)> {
        self.span.get().cloned()
    }
}

// === impl Exchange ===

impl Exchange {
    /// It is traced: the times of its plugins are noted, and what they call is below this span.
    fn trace(&self, span: &Arc<StreamSpan>, chain: &FilterChain) {
        let timed = span.time_plugins(chain);
        let first = timed.as_ref().map_or(0, |(first, _)| *first);
        // It is the only one.
        let _ = self.span.set((Arc::clone(span), first));
        if let Some((_, times)) = timed {
            self.worker.turn(self, |host, id| host.time_plugins(id, times));
        }
    }

    /// The next piece for the upstream.
    pub(super) fn poll_request(&self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Aborted>>> {
        loop {
            if let Some(reason) = self.reset.get() {
                return Poll::Ready(Some(Err(Aborted::Reset(reason))));
            }
            if self.state.get() != State::Forwarding {
                return Poll::Ready(Some(Err(Aborted::Over)));
            }
            {
                let mut lane = self.request.borrow_mut();
                if let Some(piece) = lane.take_piece() {
                    return Poll::Ready(Some(Ok(piece)));
                }
                if lane.is_complete() {
                    return Poll::Ready(None);
                }
            }
            match self.poll_downstream(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                // While it was read, plugins before these may have led to an answer.
                Poll::Pending if self.state.get() != State::Forwarding => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Reads the request until plugins let its head go, or answer.
    pub(super) fn poll_heads(&self, context: &mut Context<'_>) -> Poll<Result<(), Aborted>> {
        loop {
            if let Some(reason) = self.reset.get() {
                return Poll::Ready(Err(Aborted::Reset(reason)));
            }
            if self.response.borrow().has_head() || self.request.borrow().has_head() {
                return Poll::Ready(Ok(()));
            }
            self.response.borrow_mut().wait(context, false);
            match self.poll_downstream(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether the host answers, and the upstream need not.
    pub(super) fn answered(&self) -> Option<Result<(), Aborted>> {
        if let Some(reason) = self.reset.get() {
            return Some(Err(Aborted::Reset(reason)));
        }
        let answered = self.response.borrow().has_head() || self.state.get() != State::Forwarding;
        answered.then_some(Ok(()))
    }

    /// Has the task woken when there is something of a response.
    pub(super) fn wait_for_response(&self, context: &Context<'_>) {
        self.response.borrow_mut().wait(context, false);
    }

    /// Reads the response until plugins let its head go. Returns it, and whether nothing follows.
    pub(super) fn poll_response_head(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Box<response::Parts>, bool), Aborted>> {
        loop {
            if let Some(reason) = self.reset.get() {
                return Poll::Ready(Err(Aborted::Reset(reason)));
            }
            if let Some(head) = self.response.borrow_mut().take_head() {
                return Poll::Ready(Ok(head));
            }
            if self.poll_upstream(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// The next piece for the client.
    pub(super) fn poll_response(&self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, Aborted>>> {
        loop {
            {
                let mut lane = self.response.borrow_mut();
                if let Some(piece) = lane.take_piece() {
                    return Poll::Ready(Some(Ok(piece)));
                }
                if let Some(reason) = self.reset.get() {
                    return Poll::Ready(Some(Err(Aborted::Reset(reason))));
                }
                if lane.is_complete() {
                    return Poll::Ready(None);
                }
            }
            if self.poll_upstream(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// The head for the upstream, if plugins let it go, and whether nothing follows.
    pub(super) fn take_request_head(&self) -> Option<(Box<request::Parts>, bool)> {
        self.request.borrow_mut().take_head()
    }

    /// The rest of the request, if it is short and all here.
    pub(super) fn take_request_rest(&self) -> Option<Bytes> {
        self.request.borrow_mut().take_rest()
    }

    /// The rest of the response, if it is short and can be had without waiting.
    pub(super) fn poll_rest(&self, context: &mut Context<'_>) -> Option<Bytes> {
        if !self.response.borrow().has_any() {
            // What it says is told by the lane, too.
            let _ = self.poll_upstream(context);
        }
        self.response.borrow_mut().take_rest()
    }

    /// Whether all of the request was taken.
    pub(super) fn request_is_drained(&self) -> bool {
        self.request.borrow().is_drained()
    }

    /// Why the rest of the request will not come, if the client is to blame.
    pub(super) fn fault(&self) -> Option<ClientFault> {
        self.fault.get()
    }

    /// Whose answer it is, if it is not the upstream's.
    pub(super) fn local_answer(&self) -> Option<Option<LocalAnswer>> {
        let local = self.state.get() == State::Abandoned;
        local.then(|| self.worker.ask(|host| host.local_answer(self.id)))
    }

    /// Whether all of the response was taken.
    pub(super) fn response_is_drained(&self) -> bool {
        self.response.borrow().is_drained()
    }

    /// Gives the host the head of the response.
    pub(super) fn receive_response(&self, head: response::Parts, body: upstream::ResponseBody) {
        let ends = body.is_end_stream();
        self.response.borrow_mut().stop_waiting();
        if !ends {
            *self.upstream.borrow_mut() = Some(body);
        }
        self.worker
            .turn(self, |host, id| host.response_headers(id, head, ends));
    }

    /// Tells the host how it came that the proxy answers itself, if somebody may ask.
    pub(super) fn tell_details(&self, way: Option<&UpstreamProperties>) {
        if let Some(outcome) = way.and_then(UpstreamProperties::outcome) {
            self.worker
                .turn(self, |host, id| host.response_details(id, outcome.details));
        }
    }

    /// Tells the host that no response will come, and what the client should read instead.
    pub(super) fn upstream_failed(&self, status: http::StatusCode, text: &'static str) {
        self.response.borrow_mut().stop_waiting();
        self.worker
            .turn(self, |host, id| host.upstream_failed(id, status.as_u16(), text));
    }

    /// Reads a piece of the request and gives it to the host, if that wants it.
    fn poll_downstream(&self, context: &mut Context<'_>) -> Poll<Result<(), Aborted>> {
        let wants = self.worker.ask(|host| host.wants(self.id, Direction::Request));
        // Taken out while it is polled: where it comes from other plugins, they may end this stream meanwhile.
        let Some(mut body) = wants.then(|| self.downstream.take()).flatten() else {
            self.request.borrow_mut().wait(context, !wants);
            return Poll::Pending;
        };
        self.expects_continue.set(false);
        let polled = Pin::new(&mut body).poll_frame(context);
        if self.state.get() == State::Over {
            return Poll::Ready(Err(Aborted::Over));
        }
        let Poll::Ready(frame) = polled else {
            *self.downstream.borrow_mut() = Some(body);
            let mut lane = self.request.borrow_mut();
            if lane.has_any() || self.reset.get().is_some() {
                // From plugins before these, which may share an instance with them.
                return Poll::Ready(Ok(()));
            }
            lane.wait(context, false);
            return Poll::Pending;
        };
        self.request.borrow_mut().stop_waiting();
        let ends = frame.is_none() || body.is_end_stream();
        match frame {
            None => self
                .worker
                .turn(self, |host, id| host.request_body(id, Bytes::new(), true)),
            Some(Err(_)) => {
                // Without one it is plugins before these that ended the stream.
                let fault = self.fault.get();
                return Poll::Ready(Err(fault.map_or(Aborted::Over, Aborted::Downstream)));
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if !ends {
                        *self.downstream.borrow_mut() = Some(body);
                    }
                    self.worker
                        .turn(self, |host, id| host.request_body(id, data, ends));
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.worker
                            .turn(self, |host, id| host.request_trailers(id, trailers));
                    }
                }
            },
        }
        Poll::Ready(Ok(()))
    }

    /// Reads a piece of the response and gives it to the host, if that wants it.
    fn poll_upstream(&self, context: &mut Context<'_>) -> Poll<()> {
        let wants = self.worker.ask(|host| host.wants(self.id, Direction::Response));
        // Taken out while it is polled, for an echo reads the request of this very exchange.
        let Some(mut body) = wants.then(|| self.upstream.take()).flatten() else {
            self.response.borrow_mut().wait(context, !wants);
            return Poll::Pending;
        };
        let polled = Pin::new(&mut body).poll_frame(context);
        if self.state.get() != State::Forwarding {
            return Poll::Ready(());
        }
        let Poll::Ready(frame) = polled else {
            *self.upstream.borrow_mut() = Some(body);
            let mut lane = self.response.borrow_mut();
            if lane.has_any() || self.reset.get().is_some() {
                // From reading the request, by an echo.
                return Poll::Ready(());
            }
            lane.wait(context, false);
            return Poll::Pending;
        };
        self.response.borrow_mut().stop_waiting();
        let ends = frame.is_none() || body.is_end_stream();
        match frame {
            None => self
                .worker
                .turn(self, |host, id| host.response_body(id, Bytes::new(), true)),
            Some(Err(error)) => {
                tracing::debug!(%error, "the response of the upstream broke off");
                let (status, text) = upstream::broke_off(&error);
                self.upstream_failed(status, text);
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if !ends {
                        *self.upstream.borrow_mut() = Some(body);
                    }
                    self.worker
                        .turn(self, |host, id| host.response_body(id, data, ends));
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.worker
                            .turn(self, |host, id| host.response_trailers(id, trailers));
                    }
                }
            },
        }
        Poll::Ready(())
    }

    /// Lets go of both ends.
    fn close(&self) {
        self.state.set(State::Over);
        drop(self.upstream.take());
        if !self.request.borrow().is_drained() {
            // The connection to the upstream has to notice that the rest will not come.
            self.request.borrow_mut().wake();
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

// === impl Driver ===

impl Driver {
    /// Opens the stream of a request, and gives the host its head.
    pub(super) fn begin(
        chain: &FilterChain,
        on_way: OnWay<'_>,
        head: request::Parts,
        body: upstream::RequestBody,
    ) -> Self {
        let asked = on_way.way.filter(|_| chain.reads_properties());
        let properties = asked.map(|way| {
            let connection = Arc::clone(on_way.connection);
            let properties = StreamProperties::new(connection, Arc::clone(way), on_way.client.version);
            Box::new(properties) as Box<dyn PropertySource>
        });
        let ends = body.is_end_stream();
        let body = (!ends).then_some(body);
        let driver = Self::open(on_way.worker, chain, properties, body, on_way.client);
        if let Some(span) = on_way.span {
            driver.0.trace(span, chain);
        }
        driver.receive_request(head, ends);
        driver
    }

    /// Opens a stream. The body of the request is read as plugins want it.
    fn open(
        worker: &Rc<Worker>,
        chain: &FilterChain,
        properties: Option<Box<dyn PropertySource>>,
        body: Option<upstream::RequestBody>,
        client: &Waiting,
    ) -> Self {
        let id = worker.open(chain, properties);
        let exchange = Rc::new(Exchange {
            worker: Rc::clone(worker),
            id,
            request: RefCell::default(),
            response: RefCell::default(),
            downstream: RefCell::new(body),
            upstream: RefCell::default(),
            state: Cell::new(State::Forwarding),
            reset: Cell::default(),
            expects_continue: Cell::new(client.expects_continue),
            fault: Rc::clone(&client.fault),
            version: client.version,
            span: OnceCell::new(),
        });
        worker.register(Rc::clone(&exchange) as _);
        Self(exchange)
    }

    /// Gives the host the head of the request.
    fn receive_request(&self, head: request::Parts, ends: bool) {
        self.0
            .worker
            .turn(&*self.0, |host, id| host.request_headers(id, head, ends));
    }

    pub(super) fn exchange(&self) -> &Rc<Exchange> {
        &self.0
    }

    /// The response is complete. What is left of the request is read and dropped, so that the client gets to read the answer; over HTTP/2
    /// it gets that anyway.
    pub(super) fn complete(&self) {
        if self.0.state.get() == State::Over {
            return;
        }
        self.0.close();
        if let Some(upstream::RequestBody::Passed(body, _)) = self.0.downstream.take()
            && !self.0.expects_continue.get()
            && self.0.version != Version::HTTP_2
        {
            linger::spawn(body);
        }
        self.0.worker.finish(self.0.id);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.0.state.get() != State::Over {
            self.0.close();
            drop(self.0.downstream.take());
            self.0.worker.finish_later(self.0.id);
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Driver").field(&self.0).finish()
    }
}
