//! The end of a worker's connections: what clients are told, and what is still under way.

use super::streams::Streams;
use crate::shutdown::{Phase, Shutdown};
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the connections of one worker know of the end.
#[derive(Debug)]
pub(crate) struct Drain {
    /// The same as `shutdown` says, to be asked for each request: no other thread writes to it.
    begun: Cell<bool>,
    shutdown: Shutdown,
    idle: Duration,
    under_way: Rc<[Cell<usize>; KINDS.len()]>,
}

/// What may have to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Http1,
    Http2,
    Tcp,
    Upgraded,
}

/// Counts one of a kind while it lives.
#[derive(Debug)]
pub(super) struct UnderWay {
    drain: Rc<Drain>,
    kind: Kind,
}

/// How much was cut in all workers.
#[derive(Debug, Default)]
pub(crate) struct Cut([AtomicUsize; KINDS.len()]);

/// How each kind is called, in the order of [`Kind`].
const KINDS: [&str; 4] = [
    "HTTP/1.1 connections",
    "HTTP/2 streams",
    "TCP connections",
    "upgraded connections",
];

// === impl Drain ===

impl Drain {
    pub(crate) fn new(shutdown: Shutdown, idle: Duration) -> Rc<Self> {
        Rc::new(Self {
            begun: Cell::new(false),
            shutdown,
            idle,
            under_way: Rc::default(),
        })
    }

    /// The same for the connections of a listener, which may end before. What is under way there is under way here.
    pub(crate) fn part(&self, shutdown: Shutdown) -> Rc<Self> {
        Rc::new(Self {
            begun: Cell::new(false),
            shutdown,
            idle: self.idle,
            under_way: Rc::clone(&self.under_way),
        })
    }

    /// Keeps in mind that the end has begun; to be spawned on the worker's runtime.
    pub(crate) async fn watch(self: Rc<Self>) {
        self.reached(Phase::Draining).await;
        self.begun.set(true);
    }

    /// Whether clients are to be told that their connection ends.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.get()
    }

    pub(super) async fn reached(&self, phase: Phase) {
        self.shutdown.clone().reached(phase).await;
    }

    /// Completes when a connection on which nothing goes on is to be closed. One that is used all the time is told so with its next
    /// response, and never sees it closed under a request.
    pub(super) async fn closes_idle(&self) {
        self.reached(Phase::Draining).await;
        tokio::time::sleep(self.idle).await;
    }

    /// The same for a connection of HTTP/2, which is told without a response. A new one is let to send its first request, which some clients
    /// do not after they were told.
    pub(super) async fn closes(&self, streams: &Streams) {
        self.reached(Phase::Draining).await;
        let _ = tokio::time::timeout(self.idle, streams.any()).await;
    }

    pub(super) fn count(self: &Rc<Self>, kind: Kind) -> UnderWay {
        self.cell(kind).update(|count| count.saturating_add(1));
        UnderWay {
            drain: Rc::clone(self),
            kind,
        }
    }

    /// Adds what is under way to what was cut.
    pub(crate) fn cut(&self, cut: &Cut) {
        for (all, own) in cut.0.iter().zip(self.under_way.iter()) {
            all.fetch_add(own.get(), Ordering::Relaxed);
        }
    }

    fn cell(&self, kind: Kind) -> &Cell<usize> {
        let [http1, http2, tcp, upgraded] = &*self.under_way;
        match kind {
            Kind::Http1 => http1,
            Kind::Http2 => http2,
            Kind::Tcp => tcp,
            Kind::Upgraded => upgraded,
        }
    }
}

// === impl UnderWay ===

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.drain.cell(self.kind).update(|count| count.saturating_sub(1));
    }
}

// === impl Cut ===

impl Cut {
    /// Whether nothing was.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (kind, count) in KINDS.iter().zip(&self.0) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                write!(f, "{before}{count} {kind}")?;
                before = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown;

    #[test]
    fn what_was_cut() {
        let (_trigger, shutdown) = shutdown::channel();
        let cut = Cut::default();
        let workers = [(); 2].map(|()| Drain::new(shutdown.clone(), Duration::ZERO));
        let mut under_way = Vec::new();
        for (worker, kind) in [
            (0, Kind::Http2),
            (0, Kind::Upgraded),
            (1, Kind::Http2),
            (1, Kind::Tcp),
        ] {
            under_way.push(workers[worker].count(kind));
        }
        assert!(cut.is_empty());
        under_way.pop();
        workers.iter().for_each(|drain| drain.cut(&cut));
        assert_eq!(cut.to_string(), "2 HTTP/2 streams, 1 upgraded connections");
        under_way.clear();
        let after = Cut::default();
        workers.iter().for_each(|drain| drain.cut(&after));
        assert!(after.is_empty());
    }
}
