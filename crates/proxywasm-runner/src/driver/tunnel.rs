//! Connections that were upgraded to another protocol, as WebSocket does: their bytes pass from client to upstream and back, and no
//! plugin sees them.

use super::exchange::Driver;
use super::record::Recording;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep_until};

/// Both ends of a connection that is to be upgraded.
#[derive(Debug)]
pub(super) struct Tunnel {
    downstream: OnUpgrade,
    upstream: OnUpgrade,
    /// The stream that it began with, which is over when it is. There is none without plugins.
    driver: Option<Driver>,
    recording: Recording,
    /// How long nothing may pass.
    idle: Duration,
}

/// One end, which notes when something passes it.
struct End<T> {
    stream: T,
    moved: Rc<Cell<Instant>>,
}

// === impl Tunnel ===

impl Tunnel {
    pub(super) fn new(
        downstream: OnUpgrade,
        upstream: OnUpgrade,
        driver: Option<Driver>,
        recording: Recording,
        idle: Duration,
    ) -> Self {
        Self {
            downstream,
            upstream,
            driver,
            recording,
            idle,
        }
    }

    /// Moves bytes until both sides have ended, or nothing passes for too long.
    pub(super) async fn run(self) {
        let moved = Rc::new(Cell::new(Instant::now()));
        let end = |upgraded| End {
            stream: TokioIo::new(upgraded),
            moved: Rc::clone(&moved),
        };
        let both = async {
            let downstream = self.downstream.await?;
            let upstream = self.upstream.await?;
            hyper::Result::Ok((end(downstream), end(upstream)))
        };
        let copied = async {
            match both.await {
                Ok((mut downstream, mut upstream)) => {
                    match copy_bidirectional(&mut downstream, &mut upstream).await {
                        Ok((received, sent)) => {
                            let record = self.recording.record();
                            record.add_received(usize::try_from(received).unwrap_or(usize::MAX));
                            record.add_sent(usize::try_from(sent).unwrap_or(usize::MAX));
                        }
                        Err(error) => tracing::debug!(%error, "an upgraded connection broke off"),
                    }
                }
                Err(error) => tracing::debug!(%error, "a connection was not upgraded"),
            }
        };
        tokio::select! {
            () = copied => {}
            () = idle(&moved, self.idle) => tracing::debug!("an upgraded connection is closed, for nothing passes"),
        }
        if let Some(driver) = self.driver {
            driver.complete();
        }
    }
}

/// Completes when nothing has moved for so long.
async fn idle(moved: &Cell<Instant>, limit: Duration) {
    loop {
        let until = moved.get() + limit;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

// === impl End ===

impl<T> End<T> {
    fn note<R>(&self, done: Poll<R>) -> Poll<R> {
        if done.is_ready() {
            self.moved.set(Instant::now());
        }
        done
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for End<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.note(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for End<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
