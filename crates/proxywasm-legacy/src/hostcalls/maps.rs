//! Header and trailer maps.

use super::{authority, changed, malformed, outcome, owner_of_map, refused};
use crate::hostcall::Hostcall;
use crate::memory::{Delivery, Outcome, Return, Span, deliver_scratch, enter, write_u32};
use crate::numbers;
use crate::status::Status;
use crate::version::AbsentHeader;
use crate::view::{LegacyView, RepeatedHeaders};
use wasi_common::core::{ALL_PSEUDO, ALL_REGULAR};
use wasi_common::packed::{Layout, pack_map, unpack};
use wasi_common::{ByteMap, MapChange, MapType};
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
        Ok(map) => pack_map(map, Layout::NulTerminated, scratch),
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
    let (memory, mut parts) = enter(&mut caller)?;
    let block = block.bytes(memory)?;
    let map = numbers::map(map)?;
    let mut add = unpack(block, Layout::NulTerminated)
        .map_err(|error| malformed(parts.common, Hostcall::SetHeaderMapPairs, error))?;
    if map == MapType::HttpRequestHeaders {
        authority::name_all(&mut add);
    }
    let change = MapChange {
        remove: &[ALL_REGULAR, ALL_PSEUDO],
        add: &add,
    };
    let owner = owner_of_map(&parts, map);
    let result = parts.common.change_map(owner, map, change);
    changed(&mut parts, Hostcall::SetHeaderMapPairs, &map, result)
}

/// The value of a key; of several the first, or all, as the plugin's options say.
pub(super) fn value<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    map: u32,
    key: Span,
    place: Return,
) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    let map = numbers::map(map)?;
    let key = known_as(map, key.bytes(memory)?);
    let owner = owner_of_map(&parts, map);
    let repeated = parts
        .legacy
        .options(parts.common.scope.plugin_id)
        .repeated_headers;
    let scratch = &mut parts.legacy.scratch;
    scratch.clear();
    let absent = match parts.common.map(owner, map) {
        Ok(map) if read_value(map, key, repeated, scratch) => None,
        Ok(_) => Some(Status::NotFound),
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
    let (memory, mut parts) = enter(&mut caller)?;
    let key = key.bytes(memory)?;
    let value = match value {
        Some(value) => Some(value.bytes(memory)?),
        None => None,
    };
    let map = numbers::map(map)?;
    let key = known_as(map, key);
    let pair = value.map(|value| (key, value));
    let change = MapChange {
        remove: if remove { std::slice::from_ref(&key) } else { &[] },
        add: pair.as_slice(),
    };
    let owner = owner_of_map(&parts, map);
    let result = parts.common.change_map(owner, map, change);
    changed(&mut parts, hostcall, &map, result)
}

/// The name by which a map has a header.
#[inline]
fn known_as(map: MapType, key: &[u8]) -> &[u8] {
    match map {
        MapType::HttpRequestHeaders => authority::name(key),
        _ => key,
    }
}

/// Appends the value of a key, and says whether there is one.
fn read_value(map: &ByteMap, key: &[u8], repeated: RepeatedHeaders, out: &mut Vec<u8>) -> bool {
    let mut values = map.get_all(key);
    let Some(first) = values.next() else { return false };
    out.extend_from_slice(first);
    let separator: &[u8] = match repeated {
        RepeatedHeaders::Joined if key.eq_ignore_ascii_case(b"set-cookie") => return true,
        RepeatedHeaders::Joined if key.eq_ignore_ascii_case(b"cookie") => b"; ",
        RepeatedHeaders::Joined => b", ",
        RepeatedHeaders::First => return true,
    };
    for value in values {
        out.extend_from_slice(separator);
        out.extend_from_slice(value);
    }
    true
}
