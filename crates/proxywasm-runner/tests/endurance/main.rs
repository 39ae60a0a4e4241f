//! Everything that is done to a proxy in a long life, done in a short one while clients keep asking: plugins and configuration are changed,
//! certificates renewed, upstreams killed, the process replaced. No request may fail that an upstream could have served.
//!
//! It takes ten seconds; `ENDURANCE_SECONDS=120` makes two minutes of it, with as much more of everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

mod clients;
mod proxy;
mod upstream;

use clients::{Clients, Kind};
use proxy::Proxy;
use std::sync::Arc;
use std::time::{Duration, Instant};
use upstream::Upstream;

/// How often each thing is done within [`STEPS`] steps, evenly spread.
const UPDATES: usize = 20;
const RELOADS: usize = 20;
const RENEWALS: usize = 5;
const KILLS: usize = 8;
const STEPS: usize = 120;

#[test]
fn no_request_fails() {
    let seconds = std::env::var("ENDURANCE_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(10.0);
    // A short run does a part of it, at the same pace.
    let steps = ((seconds / 120.0 * STEPS as f64) as usize).clamp(8, STEPS);
    let pause = Duration::from_secs_f64(seconds / steps as f64);

    let upstreams = [Upstream::start(), Upstream::start()];
    let mut proxy = Proxy::start([upstreams[0].address(), upstreams[1].address()]);
    let clients = Arc::new(Clients::default());
    let threads: Vec<_> = [
        Kind::KeepAlive,
        Kind::KeepAlive,
        Kind::NewConnections,
        Kind::Tls,
        Kind::TlsNewConnections,
        Kind::Http2,
    ]
    .into_iter()
    .map(|kind| clients.start(kind, &proxy))
    .collect();

    let begin = Instant::now();
    let due = |step: usize, times: usize| step * times / STEPS != (step + 1) * times / STEPS;
    for step in 0..steps {
        let next = begin + pause * (step as u32 + 1);
        if due(step, UPDATES) {
            proxy.update_plugin();
        }
        if due(step + 3, RELOADS) {
            proxy.change_configuration();
        }
        if due(step + 1, RENEWALS) {
            proxy.renew_certificate();
        }
        if due(step, KILLS) {
            // One of the two is always there.
            let victim = &upstreams[step % 2];
            victim.kill();
            std::thread::sleep(pause / 2);
            victim.revive();
        }
        if step == steps / 2 {
            proxy.restart();
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    clients.stop();
    let counts: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let log = proxy.stop();

    let failures = clients.failures();
    assert!(failures.is_empty(), "{}\n\n{log}", failures.join("\n"));
    for (kind, count) in &counts {
        assert!(*count > 20, "{kind:?} only sent {count} requests");
    }
    assert!(
        clients.versions() > 1,
        "no answer shows that anything was changed at all"
    );
    eprintln!("{counts:?}, {} versions seen", clients.versions());
}
