//! A limit for each piece of a body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Runs while a piece of a body is waited for. Most bodies are here before anybody waits, and cost nothing.
#[derive(Debug)]
pub(crate) struct PieceTimer {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

// === impl PieceTimer ===

impl PieceTimer {
    /// For pieces that may each take so long once they are wanted.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            sleep: None,
            is_waiting: false,
        }
    }

    /// The piece is here.
    pub(crate) fn stop(&mut self) {
        self.is_waiting = false;
    }

    /// Starts to wait, or goes on with it. Ready with the limit when the time is over.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.is_waiting {
            self.is_waiting = true;
            sleep.as_mut().reset(Instant::now() + limit);
        }
        ready!(sleep.as_mut().poll(context));
        Poll::Ready(limit)
    }

    /// It is over at another time.
    pub(crate) fn put_off(&mut self, end: Instant) {
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(end);
        }
    }
}
