//! Header and trailer maps.

use super::{malformed, outcome, owner_of_map, refused};
use crate::hostcall::Hostcall;
use crate::memory::{Delivery, Outcome, Return, Span, deliver_scratch, enter, write_u32};
use crate::numbers;
use crate::status::Status;
use crate::version::AbsentHeader;
use crate::view::LegacyView;
use wasi_common::MapChange;
use wasi_common::core::{ALL_PSEUDO, ALL_REGULAR};
use wasi_common::packed::{Layout, pack, packed_len, unpack};
use wasmtime::Caller;

/// The bytes of all keys and values.
pub(super) fn size<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    map: u32,
    return_size: u32,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    Span::new(return_size, 4).bytes(memory)?;
    let map = numbers::map(map)?;
    match parts.common.map(owner_of_map(&parts, map), map) {
        // The bounds of a map keep it far below 4 GiB.
        Ok(map) => write_u32(memory, return_size, map.byte_len() as u32),
        Err(status) => Err(refused(parts.common, Hostcall::GetHeaderMapSize, status)),
    }
}

/// All pairs. An empty map, and one that is not there, is no bytes at all.
pub(super) fn pairs<T: LegacyView + 'static>(mut caller: Caller<'_, T>, map: u32, place: Return) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    let map = numbers::map(map)?;
    let owner = owner_of_map(&parts, map);
    let scratch = &mut parts.legacy.scratch;
    scratch.clear();
    match parts.common.map(owner, map) {
        Ok(map) if map.is_empty() => {}
        Ok(map) => {
            scratch.reserve(packed_len(map.iter(), Layout::NulTerminated));
            pack(map.iter(), Layout::NulTerminated, scratch);
        }
        Err(status) => outcome(parts.common, Hostcall::GetHeaderMapPairs, Err(status))?,
    }
    deliver_scratch(&mut caller, place)
}

/// Replaces all pairs.
pub(super) fn set_pairs<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    map: u32,
    block: Span,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let block = block.bytes(memory)?;
    let map = numbers::map(map)?;
    let add = unpack(block, Layout::NulTerminated)
        .map_err(|error| malformed(parts.common, Hostcall::SetHeaderMapPairs, error))?;
    let change = MapChange {
        remove: &[ALL_REGULAR, ALL_PSEUDO],
        add: &add,
    };
    let owner = owner_of_map(&parts, map);
    let changed = parts.common.change_map(owner, map, change);
    outcome(parts.common, Hostcall::SetHeaderMapPairs, changed)
}

/// The first value of a key. Plugins that must not miss one of several values read all pairs.
pub(super) fn value<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    map: u32,
    key: Span,
    place: Return,
) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    let key = key.bytes(memory)?;
    let map = numbers::map(map)?;
    let owner = owner_of_map(&parts, map);
    let scratch = &mut parts.legacy.scratch;
    scratch.clear();
    let absent = match parts.common.map(owner, map) {
        Ok(map) => match map.get(key) {
            Some(value) => {
                scratch.extend_from_slice(value);
                None
            }
            None => Some(Status::NotFound),
        },
        Err(status) => Some(refused(parts.common, Hostcall::GetHeaderMapValue, status)),
    };
    if let Some(status) = absent {
        let policy = parts.legacy.version.differences().absent_header;
        if status != Status::NotFound || policy == AbsentHeader::NotFound {
            return Err(status.into());
        }
    }
    deliver_scratch(&mut caller, place)
}

/// Adds a pair, whether or not there is one of the key.
pub(super) fn add<T: LegacyView + 'static>(
    caller: Caller<'_, T>,
    map: u32,
    key: Span,
    value: Span,
) -> Outcome {
    change(caller, Hostcall::AddHeaderMapValue, map, key, Some(value), false)
}

/// Replaces all values of a key by one.
pub(super) fn replace<T: LegacyView + 'static>(
    caller: Caller<'_, T>,
    map: u32,
    key: Span,
    value: Span,
) -> Outcome {
    change(
        caller,
        Hostcall::ReplaceHeaderMapValue,
        map,
        key,
        Some(value),
        true,
    )
}

/// Removes all values of a key, if there are any.
pub(super) fn remove<T: LegacyView + 'static>(caller: Caller<'_, T>, map: u32, key: Span) -> Outcome {
    change(caller, Hostcall::RemoveHeaderMapValue, map, key, None, true)
}

#[inline]
fn change<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    hostcall: Hostcall,
    map: u32,
    key: Span,
    value: Option<Span>,
    remove: bool,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let key = key.bytes(memory)?;
    let pair = match value {
        Some(value) => Some((key, value.bytes(memory)?)),
        None => None,
    };
    let map = numbers::map(map)?;
    let change = MapChange {
        remove: if remove { std::slice::from_ref(&key) } else { &[] },
        add: pair.as_slice(),
    };
    let owner = owner_of_map(&parts, map);
    let changed = parts.common.change_map(owner, map, change);
    outcome(parts.common, hostcall, changed)
}
