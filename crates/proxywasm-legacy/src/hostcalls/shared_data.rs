//! Shared data: one value for each key, for all plugins of a VM id.

use super::{outcome, refused};
use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Delivery, Outcome, Return, Span, deliver, delivered, enter, number, write_u32};
use crate::view::LegacyView;
use wasmtime::{Caller, Linker};

/// Adds the hostcalls of shared data.
pub(super) fn add<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::GetSharedData.name(),
            |caller: Caller<'_, T>, key: u32, key_len: u32, address: u32, len: u32, cas: u32| {
                let place = Return::new(address, len);
                delivered(get(caller, Span::new(key, key_len), place, cas))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::SetSharedData.name(),
            |caller: Caller<'_, T>, key: u32, key_len: u32, value: u32, value_len: u32, cas: u32| {
                number(set(
                    caller,
                    Span::new(key, key_len),
                    Span::new(value, value_len),
                    cas,
                ))
            },
        )?;
    Ok(())
}

/// The value of a key and its compare-and-swap value.
fn get<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    key: Span,
    place: Return,
    return_cas: u32,
) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    Span::new(return_cas, 4).bytes(memory)?;
    let key = key.bytes(memory)?;
    let entry = match parts.stores.shared_data(parts.common, key) {
        Ok(entry) => entry,
        Err(status) => return Err(refused(parts.common, Hostcall::GetSharedData, status).into()),
    };
    let value = entry.values.iter().next().unwrap_or_default();
    deliver(&mut caller, place, value.len(), |_, block| {
        block.copy_from_slice(value)
    })?;
    let (memory, _) = enter(&mut caller)?;
    Ok(write_u32(memory, return_cas, entry.cas.get())?)
}

/// Writes a key. A compare-and-swap value other than 0 has to be its present one, if the key exists.
fn set<T: LegacyView + 'static>(mut caller: Caller<'_, T>, key: Span, value: Span, cas: u32) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let key = key.bytes(memory)?;
    let value = value.bytes(memory)?;
    let written = parts.stores.set_shared_data(parts.common, key, value, cas);
    if written == Err(wasi_common::Status::Unavailable) {
        // Plugins built with the SDK for Rust do not survive this status, so it is not left to the debug log alone.
        tracing::warn!(
            plugin = parts
                .common
                .current_settings()
                .map_or("", |settings| settings.name.as_str()),
            "shared data cannot be written: its quota is exhausted, or its server cannot be reached"
        );
    }
    outcome(parts.common, Hostcall::SetSharedData, written)
}
