//! What is left: the status of calls, and what the runtime of AssemblyScript wants.

use crate::memory::{Delivery, Return, Span, deliver_scratch, enter, enter_at_any_stage, write_u32};
use crate::view::LegacyView;
use thiserror::Error;
use wasi_common::{CalloutKind, LogLevel, Status as Core};
use wasmtime::Caller;

/// The runtime of AssemblyScript gave up. It comes out of the callback as the cause of a trap.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the plugin aborted: {message} (at {file}:{line}:{column})")]
pub struct AbortError {
    /// What the guest says of it.
    pub message: String,
    /// The file of its source.
    pub file: String,
    /// The line in it.
    pub line: u32,
    /// The column in it.
    pub column: u32,
}

/// The code that hosts of these ABIs tell of an HTTP call that failed.
const BROKEN_CONNECTION: u32 = 11;

/// Bytes of a string of AssemblyScript that are read.
const MAX_STRING_BYTES: u32 = 4096;

/// How a call ended whose callback is running: the gRPC status and its message, or for HTTP 0, and 11 with the reason where it failed.
/// In all other callbacks code 0 and no message.
pub(super) fn call_status<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    return_code: u32,
    place: Return,
) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    let callout_id = parts.legacy.callout.unwrap_or(0);
    let callout = parts
        .common
        .callouts
        .get(parts.common.scope.plugin_id, callout_id);
    let status = callout
        .ok()
        .and_then(|callout| Some((callout.kind, callout.status.as_ref()?)));
    let code = match status {
        None => 0,
        Some((CalloutKind::Http, status)) if status.code == Core::Ok as u32 => 0,
        Some((CalloutKind::Http, _)) => BROKEN_CONNECTION,
        Some((_, status)) => status.code,
    };
    write_u32(memory, return_code, code)?;
    let scratch = &mut parts.legacy.scratch;
    scratch.clear();
    if let Some((_, status)) = status {
        scratch.extend_from_slice(&status.message);
    }
    deliver_scratch(&mut caller, place)
}

/// Logs why the guest gave up.
pub(super) fn abort<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    message: u32,
    file: u32,
    (line, column): (u32, u32),
) -> AbortError {
    let mut error = AbortError {
        message: String::new(),
        file: String::new(),
        line,
        column,
    };
    if let Ok((memory, parts)) = enter_at_any_stage(&mut caller) {
        error.message = string(memory, message);
        error.file = string(memory, file);
        let text = format!("abort: {} at {}:{line}:{column}", error.message, error.file);
        // The trap that follows tells it again, should the log not take it.
        let _written = parts.log.write(parts.common, LogLevel::Critical, text.as_bytes());
    }
    error
}

/// A string of AssemblyScript: UTF-16, its bytes counted in the four bytes before it. What cannot be read is empty.
fn string(memory: &[u8], address: u32) -> String {
    let read = |address: u32, len: u32| Span::new(address, len).bytes(memory).ok();
    let len = address
        .checked_sub(4)
        .and_then(|before| read(before, 4)?.first_chunk().copied())
        .map_or(0, u32::from_le_bytes);
    let bytes = read(address, len.min(MAX_STRING_BYTES)).unwrap_or_default();
    let units = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
