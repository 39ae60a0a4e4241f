//! Ticks: the one periodic timer of a plugin.

use super::outcome;
use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Outcome, enter, number};
use crate::view::LegacyView;
use std::time::Duration;
use wasmtime::{Caller, Linker};

/// Adds the hostcall of ticks.
pub(super) fn add<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        Hostcall::SetTickPeriodMilliseconds.name(),
        |caller: Caller<'_, T>, period: u32| number(set_period(caller, period)),
    )?;
    Ok(())
}

/// Begins to tick, from now on in another period, or with 0 no longer. Called for a stream, it acts on the stream's plugin.
fn set_period<T: LegacyView + 'static>(mut caller: Caller<'_, T>, period: u32) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let plugin_id = parts.common.scope.plugin_id;
    if let Some(timer_id) = parts.legacy.take_tick(plugin_id) {
        let deleted = parts.timers.delete(parts.common, timer_id);
        outcome(parts.common, Hostcall::SetTickPeriodMilliseconds, deleted)?;
    }
    if period == 0 {
        return Ok(());
    }
    let period = Duration::from_millis(u64::from(period));
    let created = parts.timers.create(parts.common, period, false);
    let created = created.map(|timer_id| parts.legacy.set_tick(plugin_id, timer_id));
    outcome(parts.common, Hostcall::SetTickPeriodMilliseconds, created)
}
