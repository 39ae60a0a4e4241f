//! The bytes of a connection to an upstream, within bounds.

use crate::transport::{FloodGuard, Stream, Watch, Watched};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;
use tokio::sync::oneshot;

/// A stream of which no more comes before the head of a response than may.
pub(super) type Guarded = Watched<ServerWatch>;

/// What is looked at of the bytes.
#[derive(Debug)]
pub(super) struct ServerWatch {
    /// Over HTTP/1.1; over HTTP/2 frames are counted.
    allowance: Option<Arc<Allowance>>,
    /// Told when the codec goes by the settings of the server, which come first over HTTP/2. Dropped if the connection ends before that.
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

// === impl ServerWatch ===

impl ServerWatch {
    /// Watches a connection of HTTP/1.1. Returns its allowance, too.
    pub(super) fn http1(stream: Stream) -> (Guarded, Arc<Allowance>) {
        let allowance = Arc::new(Allowance(AtomicUsize::new(usize::MAX)));
        let watch = Self {
            allowance: Some(Arc::clone(&allowance)),
            settled: None,
        };
        (Guarded::new(stream, None, watch), allowance)
    }

    /// Watches a connection of HTTP/2, on which each frame counts. What is returned besides completes when the settings of the server have come.
    pub(super) fn http2(stream: Stream) -> (Guarded, oneshot::Receiver<()>) {
        let (settled, is_settled) = oneshot::channel();
        let watch = Self {
            allowance: None,
            settled: Some(settled),
        };
        let flood = FloodGuard::of_server(IDLE_FRAMES);
        (Guarded::new(stream, Some(flood), watch), is_settled)
    }
}

impl Watch for ServerWatch {
    fn received(&mut self, count: usize) -> io::Result<()> {
        match &self.allowance {
            Some(allowance) if !allowance.take(count) => Err(endless()),
            _ => Ok(()),
        }
    }

    fn sent(&mut self, _is_taken: bool, flood: Option<&FloodGuard>) {
        if self.settled.is_some() && flood.is_some_and(FloodGuard::has_answered_settings) {
            // An error says that nobody waits for it any more.
            let _ = self.settled.take().map(|settled| settled.send(()));
        }
    }

    fn flooded(&mut self, _: &FloodGuard, _: Pin<&mut Stream>, _: &mut Context<'_>) -> io::Error {
        endless()
    }

    fn ended(&mut self, stream: Stream) {
        drop(stream);
    }
}

fn endless() -> io::Error {
    io::Error::other("the upstream sends what is no response without end")
}
