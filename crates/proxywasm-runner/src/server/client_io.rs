//! The bytes of a client's connection, as they pass on their way to HTTP and back.

use crate::transport::{FloodGuard, GOAWAY, Stream};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that tells a [`Meter`] of what it does, and leaves it the connection when HTTP has let go of it.
#[derive(Debug)]
pub(super) struct ClientIo {
    /// There until it is dropped.
    stream: Option<Stream>,
    meter: Arc<Meter>,
    /// Over HTTP/2.
    guard: Option<FloodGuard>,
}

/// What is known of a connection while HTTP owns it. Atomic, for it goes with the stream where that is upgraded; no two threads use it at once.
#[derive(Debug)]
pub(super) struct Meter {
    began: Instant,
    /// Since when the client takes nothing of what is to be sent, in milliseconds of `began`, plus 1; or 0.
    stalled: AtomicU64,
    /// When bytes came after the last request, likewise.
    heard: AtomicU64,
    /// Whether it was ended for a flood, which the error that HTTP makes of that does not tell.
    flooded: AtomicBool,
    left: Mutex<Option<Stream>>,
}

// === impl Meter ===

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            stalled: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            flooded: AtomicBool::new(false),
            left: Mutex::default(),
        })
    }

    /// When the connection began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Since when the client takes nothing of what is to be sent, if it does so.
    pub(super) fn stalled(&self) -> Option<Instant> {
        self.instant(&self.stalled)
    }

    /// When the first bytes came since [`Meter::forget`].
    pub(super) fn heard(&self) -> Option<Instant> {
        self.instant(&self.heard)
    }

    /// What came so far belongs to a request that is known.
    pub(super) fn forget(&self) {
        self.heard.store(0, Ordering::Relaxed);
    }

    /// Whether the client sent more frames that carry nothing than it may.
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Relaxed)
    }

    /// The connection, once HTTP has let go of it.
    pub(super) fn take_stream(&self) -> Option<Stream> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn instant(&self, cell: &AtomicU64) -> Option<Instant> {
        let millis = cell.load(Ordering::Relaxed).checked_sub(1)?;
        self.began.checked_add(std::time::Duration::from_millis(millis))
    }

    fn note(&self, cell: &AtomicU64) {
        if cell.load(Ordering::Relaxed) == 0 {
            let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
            cell.store(millis.saturating_add(1), Ordering::Relaxed);
        }
    }

    fn note_write<T>(&self, written: &Poll<T>) {
        if written.is_pending() {
            self.note(&self.stalled);
        } else if self.stalled.load(Ordering::Relaxed) != 0 {
            self.stalled.store(0, Ordering::Relaxed);
        }
    }
}

// === impl ClientIo ===

impl ClientIo {
    pub(super) fn new(stream: Stream, meter: &Arc<Meter>, guard: Option<FloodGuard>) -> Self {
        Self {
            stream: Some(stream),
            meter: Arc::clone(meter),
            guard,
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        // It is there for as long as this is.
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(stream))
    }

    /// Tells the client why its connection ends, if no frame is under way and it takes what is sent.
    fn refuse(&mut self, context: &mut Context<'_>) -> io::Error {
        if self.guard.as_ref().is_some_and(FloodGuard::is_between_frames)
            && let Ok(mut stream) = self.stream()
        {
            let _ = stream.as_mut().poll_write(context, &GOAWAY);
            let _ = stream.poll_flush(context);
        }
        self.meter.flooded.store(true, Ordering::Relaxed);
        io::Error::other("the client floods its connection with frames that carry nothing")
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        let mut left = self.meter.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = self.stream.take();
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        std::task::ready!(this.stream()?.poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        if !came.is_empty() {
            this.meter.note(&this.meter.heard);
        }
        if this.guard.as_mut().is_some_and(|guard| !guard.receive(came)) {
            return Poll::Ready(Err(this.refuse(context)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.stream()?.poll_write(context, bytes);
        this.meter.note_write(&written);
        if let (Some(guard), Poll::Ready(Ok(count))) = (&mut this.guard, &written) {
            guard.send(bytes.get(..*count).unwrap_or_default());
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = this.stream()?.poll_flush(context);
        this.meter.note_write(&flushed);
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream()?.poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.stream()?.poll_write_vectored(context, slices);
        this.meter.note_write(&written);
        if let (Some(guard), Poll::Ready(Ok(count))) = (&mut this.guard, &written) {
            guard.send_slices(slices, *count);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_write_vectored)
    }
}
