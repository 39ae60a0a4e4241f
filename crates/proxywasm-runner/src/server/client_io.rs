//! The bytes of a client's connection, as they pass on their way to HTTP and back.

use crate::transport::{FloodGuard, GOAWAY, Stream, Watch, Watched};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::Instant;
use tokio::io::AsyncWrite;

/// A stream that tells a [`Meter`] of what it does, and leaves it the connection when HTTP has let go of it.
pub(super) type ClientIo = Watched<Arc<Meter>>;

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
}

impl Watch for Arc<Meter> {
    fn received(&mut self, count: usize) -> io::Result<()> {
        if count > 0 {
            self.note(&self.heard);
        }
        Ok(())
    }

    fn sent(&mut self, is_taken: bool, _flood: Option<&FloodGuard>) {
        if !is_taken {
            self.note(&self.stalled);
        } else if self.stalled.load(Ordering::Relaxed) != 0 {
            self.stalled.store(0, Ordering::Relaxed);
        }
    }

    /// Tells the client why its connection ends, if no frame is under way and it takes what is sent.
    fn flooded(
        &mut self,
        flood: &FloodGuard,
        mut stream: Pin<&mut Stream>,
        context: &mut Context<'_>,
    ) -> io::Error {
        if flood.is_between_frames() {
            let _ = stream.as_mut().poll_write(context, &GOAWAY);
            let _ = stream.poll_flush(context);
        }
        self.flooded.store(true, Ordering::Relaxed);
        io::Error::other("the client floods its connection with frames that carry nothing")
    }

    fn ended(&mut self, stream: Stream) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }
}
