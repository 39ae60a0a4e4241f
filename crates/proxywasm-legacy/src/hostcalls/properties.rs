//! Properties.

use super::{outcome, refused};
use crate::hostcall::Hostcall;
use crate::memory::{Delivery, Outcome, Return, Span, deliver_scratch, enter};
use crate::view::LegacyView;
use wasi_common::PropertyPath;
use wasmtime::Caller;

/// The value of a property.
pub(super) fn get<T: LegacyView + 'static>(mut caller: Caller<'_, T>, path: Span, place: Return) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    let path = PropertyPath::new(path.bytes(memory)?);
    let context_id = parts.common.scope.context_id;
    let scratch = &mut parts.legacy.scratch;
    scratch.clear();
    match parts.common.property(context_id, path) {
        Ok(value) => scratch.extend_from_slice(&value),
        Err(status) => return Err(refused(parts.common, Hostcall::GetProperty, status).into()),
    }
    deliver_scratch(&mut caller, place)
}

/// Sets a property.
pub(super) fn set<T: LegacyView + 'static>(mut caller: Caller<'_, T>, path: Span, value: Span) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let path = PropertyPath::new(path.bytes(memory)?);
    let value = value.bytes(memory)?;
    let context_id = parts.common.scope.context_id;
    let stored = parts.common.set_property(context_id, path, value);
    outcome(parts.common, Hostcall::SetProperty, stored)
}
