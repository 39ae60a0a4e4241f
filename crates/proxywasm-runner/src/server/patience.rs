//! How long a client is waited for.

use super::client_io::Meter;
use super::options::HttpOptions;
use super::streams::Streams;
use std::time::{Duration, Instant};

/// What a client may take its time for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// A head of a request that has begun. Over HTTP/2 it is a part of a connection that is idle.
    pub(super) head: Option<Duration>,
    /// The first request.
    pub(super) begin: Duration,
    /// The next request.
    pub(super) idle: Duration,
    /// Taking something of what is to be sent.
    pub(super) write: Duration,
    /// All of its connection.
    pub(super) age: Option<Duration>,
}

/// What becomes of a connection whose client took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It has no request: it is told that the connection ends.
    Idle,
    /// It stopped within something: the connection is closed.
    Stopped,
    /// It is there for as long as it may: it gets what it has asked for, and no more.
    Old,
}

// === impl Patience ===

impl Patience {
    pub(super) fn of(options: &HttpOptions) -> Self {
        Self {
            head: Some(options.head_timeout),
            begin: options.head_timeout,
            idle: options.idle_timeout,
            write: options.write_timeout,
            age: options.max_connection_age,
        }
    }

    /// Completes when the client took too long for something. Streams over HTTP/2 that wait for it end by themselves.
    pub(super) async fn run_out(&self, streams: &Streams, meter: &Meter) -> Overdue {
        // What begins to be waited for meanwhile is over in this time at the earliest.
        let shortest = self.idle.min(self.write).min(self.begin);
        loop {
            let now = Instant::now();
            let mut next = now + shortest;
            for (due, overdue) in self.dues(streams, meter) {
                if due <= now {
                    return overdue;
                }
                next = next.min(due);
            }
            if let Some(given) = streams.end_stalled(self.write) {
                next = next.min(given + self.write);
            }
            tokio::time::sleep_until(next.into()).await;
        }
    }

    /// What it is waited for now, and until when.
    fn dues(&self, streams: &Streams, meter: &Meter) -> impl Iterator<Item = (Instant, Overdue)> {
        let idle = streams.idle().map(|since| match self.head.zip(meter.heard()) {
            Some((limit, heard)) => (heard + limit, Overdue::Stopped),
            None if streams.is_new() => (since + self.begin, Overdue::Idle),
            None => (since + self.idle, Overdue::Idle),
        });
        let stalled = meter
            .stalled()
            .map(|since| (since + self.write, Overdue::Stopped));
        let old = self.age.map(|age| (meter.began() + age, Overdue::Old));
        [idle, stalled, old].into_iter().flatten()
    }
}
