//! The Redis server of stores and queues, as the runner sees it.

use crate::remote::Remote;
use proxywasm_redis::{Connector, Counters, State, cmd};
use std::fmt::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The connection of all stores and queues.
pub(crate) struct RedisServer {
    connector: Connector,
    /// How long to wait for it, at the start and at the end.
    patience: Duration,
}

/// How often it is looked whether there is a connection, at the start.
const LOOK: Duration = Duration::from_millis(5);

// === impl RedisServer ===

impl RedisServer {
    pub(crate) fn new(connector: Connector, patience: Duration) -> Self {
        Self { connector, patience }
    }
}

impl Remote for RedisServer {
    fn write_metrics(&self, page: &mut String) {
        write_metrics(page, self.connector.state(), self.connector.counters());
    }

    fn wait_until_up(&self) {
        let start = Instant::now();
        while self.connector.state() != State::Up && start.elapsed() < self.patience {
            std::thread::sleep(LOOK);
        }
    }

    fn flush(&self) {
        let (sender, answered) = mpsc::sync_channel(1);
        // Requests go one behind the other, so what was sent before has been received when this one is answered.
        self.connector.submit(cmd("PING"), move |_| {
            let _nobody_waits = sender.try_send(());
        });
        let _out_of_patience = answered.recv_timeout(self.patience);
    }
}

fn write_metrics(page: &mut String, state: State, counters: Counters) {
    let Counters {
        calls,
        timeouts,
        refused,
        errors,
        connections,
    } = counters;
    let families = [
        (
            "up",
            "gauge",
            "Whether the Redis server of stores and queues answers.",
            u64::from(state == State::Up),
        ),
        (
            "calls_total",
            "counter",
            "Requests to it, whatever came of them.",
            calls,
        ),
        (
            "timeouts_total",
            "counter",
            "Requests that waited for the whole bound in vain.",
            timeouts,
        ),
        (
            "refused_total",
            "counter",
            "Requests that were not sent, because it was known not to answer.",
            refused,
        ),
        (
            "errors_total",
            "counter",
            "Requests that it answered with an error, or whose connection broke.",
            errors,
        ),
        (
            "connections_total",
            "counter",
            "Connections to it, the first included.",
            connections,
        ),
    ];
    for (name, kind, help, value) in families {
        // Writing to a string does not fail.
        let _ = write!(
            page,
            "# HELP proxywasm_redis_{name} {help}\n# TYPE proxywasm_redis_{name} {kind}\nproxywasm_redis_{name} {value}\n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page() {
        let mut page = String::new();
        let counters = Counters {
            calls: 5,
            timeouts: 4,
            refused: 3,
            errors: 2,
            connections: 1,
        };
        write_metrics(&mut page, State::Stalled, counters);
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "proxywasm_redis_up 0",
                "proxywasm_redis_calls_total 5",
                "proxywasm_redis_timeouts_total 4",
                "proxywasm_redis_refused_total 3",
                "proxywasm_redis_errors_total 2",
                "proxywasm_redis_connections_total 1",
            ]
        );
        assert!(page.starts_with(
            "# HELP proxywasm_redis_up Whether the Redis server of stores and queues answers.\n# TYPE proxywasm_redis_up gauge\n"
        ));
    }
}
