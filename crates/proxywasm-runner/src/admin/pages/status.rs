//! `/status`: which runner this is, and how far.

use crate::admin::answer::{Answer, json};
use crate::admin::router::Call;
use crate::figures::Process;
use serde::Serialize;

#[derive(Serialize)]
struct Status {
    version: &'static str,
    state: &'static str,
    workers: u64,
    /// In seconds since 1970, and those that it has run.
    started: f64,
    uptime: f64,
    cpu_seconds: f64,
    resident_bytes: Option<u64>,
}

pub(super) fn show(call: &Call) -> Answer {
    let process = Process::now();
    json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        state: call.state.phase().name(),
        workers: call.state.figures.totals().workers,
        started: process.started.as_secs_f64(),
        uptime: process.uptime.as_secs_f64(),
        cpu_seconds: process.processor.as_secs_f64(),
        resident_bytes: process.resident_bytes,
    })
}
