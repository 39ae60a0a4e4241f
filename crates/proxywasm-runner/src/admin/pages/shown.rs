//! Figures as pages show them.

use crate::figures::StatusClass;
use proxywasm_host::figures::Distribution;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Counts by class of status.
pub(super) type Statuses = BTreeMap<&'static str, u64>;

/// Durations: for each bound, in seconds, how many do not exceed it.
#[derive(Default, Serialize)]
pub(super) struct Durations {
    count: u64,
    sum: f64,
    buckets: Vec<(f64, u64)>,
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

pub(super) fn statuses(counts: [u64; StatusClass::ALL.len()]) -> Statuses {
    let classes = StatusClass::ALL.into_iter().map(StatusClass::name);
    classes.zip(counts).collect()
}

// === impl Durations ===

impl From<&Distribution> for Durations {
    fn from(distribution: &Distribution) -> Self {
        let buckets = distribution.buckets.iter();
        Self {
            count: distribution.count,
            sum: distribution.sum.as_secs_f64(),
            buckets: buckets
                .map(|(bound, count)| (bound.as_secs_f64(), *count))
                .collect(),
        }
    }
}
