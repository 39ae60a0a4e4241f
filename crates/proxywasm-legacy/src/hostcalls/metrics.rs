//! Metrics. As in other hosts, the two lowest bits of an id say of which type the metric is.

use super::{outcome, refused};
use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Outcome, Span, enter, number, write_u32, write_u64};
use crate::numbers;
use crate::status::Status;
use crate::view::{LegacyParts, LegacyView};
use wasi_common::MetricType;
use wasmtime::{Caller, Linker};

/// Bits of an id for the type.
const TYPE_BITS: u32 = 2;

/// Adds the hostcalls of metrics.
pub(super) fn add<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::DefineMetric.name(),
            |caller: Caller<'_, T>, metric_type: u32, name: u32, len: u32, metric: u32| {
                number(define(caller, metric_type, Span::new(name, len), metric))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::IncrementMetric.name(),
            |caller: Caller<'_, T>, metric: u32, offset: i64| number(increment(caller, metric, offset)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::RecordMetric.name(),
            |caller: Caller<'_, T>, metric: u32, value: u64| number(record(caller, metric, value)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetMetric.name(),
            |caller: Caller<'_, T>, metric: u32, value: u32| number(get(caller, metric, value)),
        )?;
    Ok(())
}

/// The metric of a name, which is made if need be.
fn define<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    metric_type: u32,
    name: Span,
    return_metric: u32,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    Span::new(return_metric, 4).bytes(memory)?;
    let name = name.bytes(memory)?;
    let metric_type = numbers::metric_type(metric_type)?;
    match parts.metrics.create(parts.common, metric_type, name) {
        Ok(id) => {
            let id = encode(id, metric_type).ok_or(Status::InternalFailure)?;
            write_u32(memory, return_metric, id)
        }
        Err(status) => {
            // Plugins built with the SDK for Rust do not survive this, so it is not left to the debug log alone.
            tracing::warn!(
                plugin = parts.common.current_settings().map_or("", |settings| settings.name.as_str()),
                metric = %name.escape_ascii(),
                reason = ?status,
                "a metric cannot be defined: there are too many, or its name is empty, too long, or that of a metric of another type"
            );
            Err(refused(parts.common, Hostcall::DefineMetric, status))
        }
    }
}

/// Changes a counter or a gauge by an amount.
fn increment<T: LegacyView + 'static>(mut caller: Caller<'_, T>, metric: u32, offset: i64) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let id = decode(&parts, metric)?;
    let incremented = parts.metrics.increment(parts.common, id, offset);
    outcome(parts.common, Hostcall::IncrementMetric, incremented)
}

/// Adds to a counter, sets a gauge, or records a value in a histogram.
fn record<T: LegacyView + 'static>(mut caller: Caller<'_, T>, metric: u32, value: u64) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let id = decode(&parts, metric)?;
    let recorded = parts.metrics.set(parts.common, id, value);
    outcome(parts.common, Hostcall::RecordMetric, recorded)
}

/// The value of a counter or a gauge.
fn get<T: LegacyView + 'static>(mut caller: Caller<'_, T>, metric: u32, return_value: u32) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let id = decode(&parts, metric)?;
    match parts.metrics.value(parts.common, id) {
        Ok(value) => write_u64(memory, return_value, value),
        Err(status) => Err(refused(parts.common, Hostcall::GetMetric, status)),
    }
}

/// Deletes a metric, for all that share it.
pub(super) fn remove<T: LegacyView + 'static>(mut caller: Caller<'_, T>, metric: u32) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let id = decode(&parts, metric)?;
    let deleted = parts.metrics.delete(parts.common, id);
    outcome(parts.common, Hostcall::RemoveMetric, deleted)
}

fn encode(id: u32, metric_type: MetricType) -> Option<u32> {
    let shifted = id.checked_mul(1 << TYPE_BITS)?;
    Some(shifted | metric_type as u32)
}

/// The id by which the core knows a metric; what it does not know, or as one of another type, is not found.
fn decode(parts: &LegacyParts<'_>, metric: u32) -> Result<u32, Status> {
    let id = metric >> TYPE_BITS;
    match parts.metrics.metric_type(parts.common, id) {
        Ok(metric_type) if encode(id, metric_type) == Some(metric) => Ok(id),
        _ => Err(Status::NotFound),
    }
}
