//! The bytes of a connection to an upstream, within bounds.

use crate::transport::{FloodGuard, Stream};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// A stream of which no more comes before the head of a response than may.
#[derive(Debug)]
pub(super) struct Guarded {
    stream: Stream,
    allowance: Arc<Allowance>,
    /// Over HTTP/2.
    flood: Option<FloodGuard>,
    /// Told when the codec goes by the settings of the server, which comes first over HTTP/2. Dropped if the connection ends before that.
    settled: Option<oneshot::Sender<()>>,
}

/// What may still come before the head of a response. Interim responses are part of it, which a server could send for ever.
///
/// Atomic, for it goes with the stream where that is upgraded; no two threads use it at once.
#[derive(Debug)]
pub(super) struct Allowance(AtomicUsize);

/// More than the largest head, and what the codec may read of a body before it has told of the head.
const BEFORE_HEAD: usize = 1 << 20;
/// Frames that a server may send beyond those of responses.
const IDLE_FRAMES: u32 = 1000;

// === impl Allowance ===

impl Allowance {
    /// A request is sent.
    pub(super) fn begin(&self) {
        self.0.store(BEFORE_HEAD, Ordering::Relaxed);
    }

    /// The head of its response is there.
    pub(super) fn end(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    /// Takes so many bytes off. Returns whether they may come.
    fn take(&self, count: usize) -> bool {
        match self.0.load(Ordering::Relaxed) {
            usize::MAX => true,
            left => {
                let rest = left.saturating_sub(count);
                self.0.store(rest, Ordering::Relaxed);
                rest > 0
            }
        }
    }
}

// === impl Guarded ===

impl Guarded {
    /// A connection of HTTP/1.1, and its allowance.
    pub(super) fn http1(stream: Stream) -> (Self, Arc<Allowance>) {
        let allowance = Arc::new(Allowance(AtomicUsize::new(usize::MAX)));
        let guarded = Self {
            stream,
            allowance: Arc::clone(&allowance),
            flood: None,
            settled: None,
        };
        (guarded, allowance)
    }

    /// A connection of HTTP/2, on which each frame counts, and what completes when the settings of the server have come.
    pub(super) fn http2(stream: Stream) -> (Self, oneshot::Receiver<()>) {
        let (settled, is_settled) = oneshot::channel();
        let guarded = Self {
            flood: Some(FloodGuard::of_server(IDLE_FRAMES)),
            settled: Some(settled),
            ..Self::http1(stream).0
        };
        (guarded, is_settled)
    }

    /// Has looked at what was sent.
    fn note_sent(&mut self) {
        if self.settled.is_some() && self.flood.as_ref().is_some_and(FloodGuard::has_answered_settings) {
            // An error says that nobody waits for it any more.
            let _ = self.settled.take().map(|settled| settled.send(()));
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        let flood = this.flood.as_mut().is_some_and(|flood| !flood.receive(came));
        if flood || !this.allowance.take(came.len()) {
            return Poll::Ready(Err(io::Error::other(
                "the upstream sends what is no response without end",
            )));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if let (Some(flood), Poll::Ready(Ok(count))) = (&mut this.flood, &written) {
            flood.send(bytes.get(..*count).unwrap_or_default());
            this.note_sent();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        if let (Some(flood), Poll::Ready(Ok(count))) = (&mut this.flood, &written) {
            flood.send_slices(slices, *count);
            this.note_sent();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
