//! When an HTTP/2 connection is idle: it has no stream.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// The streams of a connection.
#[derive(Debug)]
pub(super) struct Streams {
    open: Cell<usize>,
    /// When the last one ended.
    since: Cell<Instant>,
}

/// A stream, while it lives.
#[derive(Debug)]
pub(super) struct OpenStream(Rc<Streams>);

/// A body that keeps its stream open.
#[derive(Debug)]
pub(super) struct StreamBody<B> {
    body: B,
    _stream: OpenStream,
}

// === impl Streams ===

impl Streams {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            since: Cell::new(Instant::now()),
        })
    }

    pub(super) fn open(self: &Rc<Self>) -> OpenStream {
        self.open.set(self.open.get() + 1);
        OpenStream(Rc::clone(self))
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
        self.0.open.set(self.0.open.get() - 1);
        self.0.since.set(Instant::now());
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
