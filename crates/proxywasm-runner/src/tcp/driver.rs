//! What moves a stream: one task for both connections.

use super::TcpRoute;
use super::peer::Peer;
use super::relay::Relay;
use super::splice::Pipe;
use crate::driver::{Reason, Recording};
use crate::figures::UpstreamFailure;
use crate::properties::{Outcome, UpstreamConnection, UpstreamProperties};
use crate::transport::Stream;
use crate::upstream::{ConnectError, Open, connect};
use bytes::Bytes;
use proxywasm_host::{CloseSource, Direction, ResetReason};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream and its connections. Where it is dropped before its end, plugins get their last callbacks all the same.
pub(super) struct Driver {
    route: Rc<TcpRoute>,
    relay: Rc<Relay>,
    properties: Arc<UpstreamProperties>,
    /// What the upstream gets first.
    preamble: Rc<[u8]>,
    downstream: Connection,
    upstream: Connection,
    /// What bypasses the host, by direction.
    pipes: [Option<Pipe>; 2],
    /// No pipe can be had.
    no_pipes: bool,
    moved: Instant,
    idle: Pin<Box<Sleep>>,
    ended: bool,
    /// The connection to the upstream counts for as long.
    open: Option<Open>,
    recording: Recording,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All was said.
    Complete,
    /// Nothing came for too long.
    Idle,
    /// A peer broke off, or the host wants it.
    Reset(ResetReason),
}

/// One of the two connections.
enum Connection {
    /// Nobody wants it yet.
    None,
    Connecting(Connecting),
    Open(Peer),
    /// It is closed, and the host knows.
    Closed,
}

type Connecting = Pin<Box<dyn Future<Output = Result<(Stream, Arc<UpstreamConnection>), ConnectError>>>>;

/// Bytes that may wait to be written before no more is read.
const HIGH_WATER: usize = 256 << 10;

const DIRECTIONS: [Direction; 2] = [Direction::Request, Direction::Response];

// === impl Driver ===

impl Driver {
    pub(super) fn new(
        route: Rc<TcpRoute>,
        relay: Rc<Relay>,
        downstream: Stream,
        properties: Arc<UpstreamProperties>,
        preamble: Rc<[u8]>,
        recording: Recording,
    ) -> Self {
        let moved = Instant::now();
        let idle = Box::pin(sleep_until(moved + route.target.idle_timeout));
        relay.turn(|host, id| host.new_connection(id));
        Self {
            route,
            relay,
            properties,
            preamble,
            downstream: Connection::Open(Peer::new(downstream)),
            upstream: Connection::None,
            pipes: [None, None],
            no_pipes: false,
            moved,
            idle,
            ended: false,
            open: None,
            recording,
        }
    }

    /// Moves what can be moved.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        self.relay.wait(context);
        let mut any = false;
        loop {
            if let Some(reason) = self.relay.reset() {
                return Poll::Ready(Ending::Reset(reason));
            }
            let mut moved = self.poll_connect(context);
            for direction in DIRECTIONS {
                moved |= self.poll_write(direction, context);
                moved |= self.poll_read(direction, context);
            }
            moved |= self.tell_of_ends();
            if self.is_over() {
                return Poll::Ready(Ending::Complete);
            }
            any |= moved;
            if !moved {
                break;
            }
        }
        if any {
            self.moved = Instant::now();
        }
        self.poll_idle(context)
    }

    /// Closes what is open, and lets plugins say goodbye.
    pub(super) fn end(mut self, ending: Ending) {
        self.ended = true;
        for connection in [&mut self.downstream, &mut self.upstream] {
            if let Connection::Open(peer) = std::mem::replace(connection, Connection::Closed) {
                match ending {
                    Ending::Complete | Ending::Idle => peer.close(),
                    Ending::Reset(_) => peer.reset(),
                }
            }
        }
        match ending {
            Ending::Complete => {}
            Ending::Idle => self.recording.record().set_reason(Reason::Idle),
            Ending::Reset(_) => self.recording.record().set_reason(Reason::Reset),
        }
        if ending != Ending::Complete {
            tracing::debug!(?ending, "a TCP stream ended before its connections did");
        }
        self.relay.finish();
    }

    fn poll_connect(&mut self, context: &mut Context<'_>) -> bool {
        if matches!(self.upstream, Connection::None) && self.relay.connects() {
            let (route, preamble) = (Rc::clone(&self.route), Rc::clone(&self.preamble));
            let attempt = async move { connect(&route.target.endpoint, &[], &preamble).await };
            self.upstream = Connection::Connecting(Box::pin(attempt));
        }
        let Connection::Connecting(attempt) = &mut self.upstream else {
            return false;
        };
        match attempt.as_mut().poll(context) {
            Poll::Pending => return false,
            Poll::Ready(Ok((socket, connection))) => {
                self.properties.set(connection);
                self.open = Some(Open::new(&self.route.figures));
                self.upstream = Connection::Open(Peer::new(socket));
            }
            Poll::Ready(Err(error)) => {
                tracing::warn!("{error}");
                let failure = match error {
                    ConnectError::Timeout { .. } => UpstreamFailure::ConnectTimeout,
                    _ => UpstreamFailure::Connect,
                };
                self.route.figures.failed(failure);
                self.recording.record().set_reason(Reason::Upstream(failure));
                self.properties.set_failure(&error);
                self.properties.set_outcome(Outcome::CONNECTION_FAILURE);
                let source = match error {
                    ConnectError::Timeout { .. } => CloseSource::Local,
                    _ => CloseSource::Remote,
                };
                self.upstream = Connection::Closed;
                self.relay.turn(|host, id| host.upstream_closed(id, source));
            }
        }
        true
    }

    /// Writes what goes in a direction, and its end. Returns whether anything happened.
    fn poll_write(&mut self, direction: Direction, context: &mut Context<'_>) -> bool {
        let sink = match direction {
            Direction::Request => &mut self.upstream,
            Direction::Response => &mut self.downstream,
        };
        let mut lane = self.relay.lane(direction).borrow_mut();
        let peer = match sink {
            Connection::Open(peer) if !peer.broken => peer,
            Connection::Open(_) | Connection::Closed => {
                lane.clear();
                return false;
            }
            Connection::None | Connection::Connecting(_) => return false,
        };
        if peer.write_end {
            return false;
        }
        let pipe = of(&mut self.pipes, direction);
        let before = lane.len() + pipe.as_ref().map_or(0, Pipe::len);
        let written = match pipe.as_mut().filter(|pipe| pipe.len() > 0) {
            Some(pipe) => peer.poll_drain(pipe, context),
            None if !lane.is_empty() => peer.poll_write(&mut lane, context),
            None if peer.is_unflushed() => peer.poll_flush(context),
            None if lane.ends || lane.closes => peer.poll_end_writing(context),
            None => return false,
        };
        match written {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a connection broke while it was written to");
                peer.note_broken();
            }
        }
        if direction == Direction::Response {
            let after = lane.len() + pipe.as_ref().map_or(0, Pipe::len);
            self.recording.record().add_sent(before.saturating_sub(after));
        }
        true
    }

    /// Reads what comes in a direction, where plugins want it and the other side takes it. Returns whether anything happened.
    fn poll_read(&mut self, direction: Direction, context: &mut Context<'_>) -> bool {
        let (source, sink) = match direction {
            Direction::Request => (&mut self.downstream, &self.upstream),
            Direction::Response => (&mut self.upstream, &self.downstream),
        };
        let Connection::Open(peer) = source else {
            return false;
        };
        if !peer.is_readable() {
            return false;
        }
        let (waiting, ended) = {
            let lane = self.relay.lane(direction).borrow();
            (lane.len(), lane.ends)
        };
        let pipe = of(&mut self.pipes, direction);
        if pipe.as_ref().is_some_and(|pipe| pipe.len() > 0) {
            return false;
        }
        let bypassed = !ended && self.relay.is_bypassed();
        let splices = bypassed && !self.no_pipes && waiting == 0;
        let read = if splices && !peer.is_tls() && sink.takes_splices() {
            match fill(peer, pipe, context) {
                Filled::Pending => return false,
                Filled::Some => {
                    if direction == Direction::Request {
                        let filled = pipe.as_ref().map_or(0, Pipe::len);
                        self.recording.record().add_received(filled);
                    }
                    return true;
                }
                Filled::End => Ok(None),
                Filled::Broken(error) => Err(error),
                Filled::NoPipe(error) => {
                    tracing::debug!(%error, "bytes are copied, for they cannot be spliced");
                    self.no_pipes = true;
                    return true;
                }
            }
        } else {
            // What comes behind the end that a plugin made is dropped.
            let wants = ended || waiting < HIGH_WATER && (bypassed || self.relay.wants(direction));
            match wants.then(|| peer.poll_read(context)) {
                None | Some(Poll::Pending) => return false,
                Some(Poll::Ready(read)) => read,
            }
        };
        if let (Ok(Some(data)), Direction::Request) = (&read, direction) {
            self.recording.record().add_received(data.len());
        }
        match read {
            Ok(Some(_)) if ended => {}
            Ok(Some(data)) if bypassed => self.relay.lane(direction).borrow_mut().put(data, false),
            Ok(Some(data)) => self.give(direction, data, false),
            Ok(None) if ended => {}
            Ok(None) => self.give(direction, Bytes::new(), true),
            Err(error) => {
                tracing::debug!(%error, "a connection broke while it was read");
                peer.note_broken();
            }
        }
        true
    }

    fn give(&self, direction: Direction, data: Bytes, ends: bool) {
        self.relay.turn(|host, id| match direction {
            Direction::Request => host.downstream_data(id, data, ends),
            Direction::Response => host.upstream_data(id, data, ends),
        });
    }

    /// Tells the host of connections that are closed. Returns whether any is.
    fn tell_of_ends(&mut self) -> bool {
        let mut any = false;
        for direction in DIRECTIONS {
            // The connection that this direction goes to.
            let connection = match direction {
                Direction::Request => &mut self.upstream,
                Direction::Response => &mut self.downstream,
            };
            let closes = self.relay.lane(direction).borrow().closes;
            let over = |peer: &Peer| peer.is_over() || (closes && peer.write_end);
            let Connection::Open(peer) = connection else {
                continue;
            };
            if !over(peer) {
                continue;
            }
            let source = peer.closed_by();
            if let Connection::Open(peer) = std::mem::replace(connection, Connection::Closed) {
                peer.close();
            }
            self.relay.turn(|host, id| match direction {
                Direction::Request => host.upstream_closed(id, source),
                Direction::Response => host.downstream_closed(id, source),
            });
            any = true;
        }
        any
    }

    fn is_over(&self) -> bool {
        let over = |connection: &Connection| matches!(connection, Connection::Closed);
        let unwanted =
            matches!(self.upstream, Connection::None) && self.relay.lane(Direction::Response).borrow().closes;
        over(&self.downstream) && (over(&self.upstream) || unwanted)
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        while self.idle.as_mut().poll(context).is_ready() {
            let until = self.moved + self.route.target.idle_timeout;
            if until <= Instant::now() {
                return Poll::Ready(Ending::Idle);
            }
            self.idle.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.ended {
            self.relay.finish_later();
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Whether bytes can come to it by a pipe.
    fn takes_splices(&self) -> bool {
        matches!(self, Self::Open(peer) if !peer.is_tls())
    }
}

/// What came of filling a pipe.
enum Filled {
    Pending,
    Some,
    End,
    Broken(io::Error),
    NoPipe(io::Error),
}

fn fill(peer: &mut Peer, slot: &mut Option<Pipe>, context: &mut Context<'_>) -> Filled {
    let mut pipe = match slot.take().map_or_else(Pipe::open, Ok) {
        Ok(pipe) => pipe,
        Err(error) => return Filled::NoPipe(error),
    };
    let filled = peer.poll_fill(&mut pipe, context);
    match filled {
        Poll::Ready(Ok(true)) => {
            *slot = Some(pipe);
            return Filled::Some;
        }
        _ => pipe.release(),
    }
    match filled {
        Poll::Ready(Ok(_)) => Filled::End,
        Poll::Pending => Filled::Pending,
        // A kind of socket that cannot be spliced.
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => Filled::NoPipe(error),
        Poll::Ready(Err(error)) => Filled::Broken(error),
    }
}

fn of<T>(both: &mut [T; 2], direction: Direction) -> &mut T {
    let [request, response] = both;
    match direction {
        Direction::Request => request,
        Direction::Response => response,
    }
}
