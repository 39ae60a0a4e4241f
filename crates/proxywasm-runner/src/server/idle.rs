//! When an HTTP/2 connection is idle: it has no stream.

use super::drain::{Drain, Kind, UnderWay};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The streams of a connection.
#[derive(Debug)]
pub(super) struct Streams {
    open: Cell<usize>,
    /// When the last one ended.
    since: Cell<Instant>,
    had_any: Cell<bool>,
    first: Notify,
    drain: Rc<Drain>,
}

/// A stream, while it lives.
#[derive(Debug)]
pub(super) struct OpenStream {
    all: Rc<Streams>,
    _under_way: UnderWay,
}

/// A body that keeps its stream open.
#[derive(Debug)]
pub(super) struct StreamBody<B> {
    body: B,
    _stream: OpenStream,
}

// === impl Streams ===

impl Streams {
    pub(super) fn new(drain: &Rc<Drain>) -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            since: Cell::new(Instant::now()),
            had_any: Cell::new(false),
            first: Notify::new(),
            drain: Rc::clone(drain),
        })
    }

    pub(super) fn open(self: &Rc<Self>) -> OpenStream {
        self.open.set(self.open.get() + 1);
        if !self.had_any.replace(true) {
            self.first.notify_one();
        }
        OpenStream {
            all: Rc::clone(self),
            _under_way: self.drain.count(Kind::Http2),
        }
    }

    /// Completes, once, when there is one or ever was.
    pub(super) async fn any(&self) {
        self.first.notified().await;
    }

    /// Counts from now how long there is none.
    pub(super) fn touch(&self) {
        self.since.set(Instant::now());
    }

    /// Completes when there was none for so long.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let since = if self.open.get() > 0 {
                Instant::now()
            } else {
                self.since.get()
            };
            let until = since + limit;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

// === impl OpenStream ===

impl OpenStream {
    pub(super) fn keep<B>(self, body: B) -> StreamBody<B> {
        StreamBody { body, _stream: self }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.all.open.set(self.all.open.get() - 1);
        self.all.since.set(Instant::now());
    }
}

// === impl StreamBody ===

impl<B: Body<Data = Bytes> + Unpin> Body for StreamBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
