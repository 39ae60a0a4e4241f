//! `/status`: which runner this is, and how far.

use super::shown::seconds;
use crate::admin::answer::{Answer, json};
use crate::admin::router::Call;
use crate::figures::Process;
use serde::Serialize;

#[derive(Serialize)]
struct Status {
    version: &'static str,
    state: &'static str,
    /// The version of the configuration that is served, and since when, in seconds since 1970.
    generation: Option<u64>,
    since: Option<f64>,
    /// The last update that came to nothing.
    failed_update: Option<FailedUpdate>,
    workers: u64,
    /// In seconds since 1970, and those that it has run.
    started: f64,
    uptime: f64,
    cpu_seconds: f64,
    resident_bytes: Option<u64>,
}

#[derive(Serialize)]
struct FailedUpdate {
    time: f64,
    reason: String,
}

pub(super) fn show(call: &Call) -> Answer {
    let process = Process::now();
    let version = call.state.inventory().version;
    let failed = call.state.failed_update();
    json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        state: call.state.phase().name(),
        generation: version.map(|version| version.generation),
        since: version.map(|version| seconds(version.since)),
        failed_update: failed.map(|failed| FailedUpdate {
            time: seconds(failed.at),
            reason: failed.reason,
        }),
        workers: call.state.figures.totals().workers,
        started: process.started.as_secs_f64(),
        uptime: process.uptime.as_secs_f64(),
        cpu_seconds: process.processor.as_secs_f64(),
        resident_bytes: process.resident_bytes,
    })
}
