//! The log and the clock.

use super::outcome;
use crate::hostcall::Hostcall;
use crate::memory::{Outcome, Span, enter, enter_at_any_stage, write_u32, write_u64};
use crate::numbers;
use crate::view::LegacyView;
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::Caller;

/// Writes a message. A guest may do so at any time, also while it initialises itself and in its allocator.
pub(super) fn log<T: LegacyView + 'static>(mut caller: Caller<'_, T>, level: u32, message: Span) -> Outcome {
    let (memory, parts) = enter_at_any_stage(&mut caller)?;
    let message = message.bytes(memory)?;
    let level = numbers::log_level(level)?;
    let written = parts.log.write(parts.common, level, message);
    outcome(parts.common, Hostcall::Log, written)
}

/// The lowest level that is written.
pub(super) fn level<T: LegacyView + 'static>(mut caller: Caller<'_, T>, return_level: u32) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let level = numbers::log_level_number(parts.log.level());
    write_u32(memory, return_level, level)
}

/// Nanoseconds since 1970.
pub(super) fn time<T: LegacyView + 'static>(mut caller: Caller<'_, T>, return_time: u32) -> Outcome {
    let (memory, _) = enter(&mut caller)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    write_u64(memory, return_time, nanoseconds)
}
