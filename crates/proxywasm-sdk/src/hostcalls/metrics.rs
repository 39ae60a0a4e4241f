//! Hostcalls of wasi-metrics.

use super::{Region, array, number};
use crate::raw::{MetricType, metrics};
use crate::status::Result;

pub(crate) fn create(kind: MetricType, name: &str) -> Result<u32> {
    let name = [Region::new(name.as_bytes())];
    let (name, count) = array(&name);
    // SAFETY: the region is that of a slice which is alive, the out-pointer is that of a local variable.
    number(|return_id| unsafe { metrics::create_metric(kind, name, count, return_id) })
}

pub(crate) fn value(id: u32) -> Result<u64> {
    // SAFETY: the out-pointer is that of a local variable.
    number(|value| unsafe { metrics::get_metric_value(id, value) })
}

pub(crate) fn set(id: u32, value: u64) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { metrics::set_metric_value(id, value) }.into_result()
}

pub(crate) fn increment(id: u32, offset: i64) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { metrics::increment_metric_value(id, offset) }.into_result()
}

pub(crate) fn delete(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { metrics::delete_metric(id) }.into_result()
}
