//! One direction of a stream, from the plugins to the network.

use bytes::Bytes;
use http::HeaderMap;
use std::collections::VecDeque;
use std::task::{Context, Waker};

/// What plugins let through of one direction and the network has not taken yet.
#[derive(Debug)]
pub(super) struct Lane<H> {
    head: Option<(H, bool)>,
    /// The next piece, and those behind it. Most streams never have two at once, and so allocate nothing for them.
    next: Option<Piece>,
    rest: VecDeque<Piece>,
    /// The last of the message was put in.
    complete: bool,
    /// Whoever takes from here is waiting for the plugins, not for the network.
    starved: bool,
    waker: Option<Waker>,
}

/// A piece of a message behind its head.
#[derive(Debug)]
pub(super) enum Piece {
    Data {
        data: Bytes,
        last: bool,
    },
    /// Boxed, for they are rare and large.
    Trailers(Box<HeaderMap>),
}

// === impl Lane ===

impl<H> Default for Lane<H> {
    fn default() -> Self {
        Self {
            head: None,
            next: None,
            rest: VecDeque::new(),
            complete: false,
            starved: false,
            waker: None,
        }
    }
}

impl<H> Lane<H> {
    pub(super) fn put_head(&mut self, head: H, ends: bool) {
        self.head = Some((head, ends));
        self.complete = ends;
    }

    pub(super) fn put_data(&mut self, data: Bytes, last: bool) {
        self.complete |= last;
        self.put(Piece::Data { data, last });
    }

    pub(super) fn put_trailers(&mut self, trailers: HeaderMap) {
        self.complete = true;
        self.put(Piece::Trailers(Box::new(trailers)));
    }

    pub(super) fn has_head(&self) -> bool {
        self.head.is_some()
    }

    pub(super) fn take_head(&mut self) -> Option<(H, bool)> {
        self.head.take()
    }

    pub(super) fn take_piece(&mut self) -> Option<Piece> {
        std::mem::replace(&mut self.next, self.rest.pop_front())
    }

    /// Takes the rest of the message, if it is all here and no more than one piece of data.
    pub(super) fn take_rest(&mut self) -> Option<Bytes> {
        self.next
            .take_if(|piece| matches!(piece, Piece::Data { last: true, .. }))
            .map(|piece| match piece {
                Piece::Data { data, .. } => data,
                Piece::Trailers(_) => Bytes::new(),
            })
    }

    /// Whether all of the message was taken.
    pub(super) fn is_drained(&self) -> bool {
        self.complete && self.next.is_none()
    }

    /// Whether the last of the message was put in.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether there is something to take.
    pub(super) fn has_any(&self) -> bool {
        self.head.is_some() || self.next.is_some()
    }

    fn put(&mut self, piece: Piece) {
        if self.next.is_none() {
            self.next = Some(piece);
        } else {
            self.rest.push_back(piece);
        }
    }

    /// Notes who waits here, and whether for the plugins.
    pub(super) fn wait(&mut self, context: &Context<'_>, starved: bool) {
        self.starved = starved;
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.waker = Some(context.waker().clone()),
        }
    }

    /// Nobody waits here: who did is at work itself, and need not be woken for what it brings about.
    pub(super) fn stop_waiting(&mut self) {
        self.waker = None;
    }

    /// Wakes who waits here if there is something to take, or if it waits for plugins that want more by now.
    pub(super) fn wake_if_useful(&mut self, wants: impl FnOnce() -> bool) {
        if self.waker.is_some() && (self.has_any() || self.starved && wants()) {
            self.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
