//! Bodies and configurations.

use super::{changed, owner_of_buffer, refused};
use crate::callbacks::ON_CONFIGURE;
use crate::hostcall::Hostcall;
use crate::memory::{Delivery, Outcome, Return, Span, deliver, enter, write_u32};
use crate::numbers::{self, Buffer};
use crate::status::Status;
use crate::view::{LegacyParts, LegacyView};
use bytes::Bytes;
use std::convert::Infallible;
use wasi_common::core::BufferRef;
use wasi_common::{BufferType, Status as Core};
use wasmtime::Caller;

/// A part of a buffer; what lies beyond its end is left out.
pub(super) fn get<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    buffer: u32,
    start: u32,
    max: u32,
    place: Return,
) -> Delivery {
    let (memory, _) = enter(&mut caller)?;
    place.check(memory)?;
    let buffer = numbers::buffer(buffer)?;
    if start.checked_add(max).is_none() {
        return Err(Status::BadArgument.into());
    }
    hand_over(caller, Hostcall::GetBufferBytes, buffer, (start, max), place)
}

/// The configuration as ABI 0.1.0 has it: while the plugin is configured its own, at any other time that of the instance.
pub(super) fn configuration<T: LegacyView + 'static>(mut caller: Caller<'_, T>, place: Return) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    let buffer = if parts.common.scope.callback == ON_CONFIGURE {
        Buffer::Core(BufferType::PluginConfiguration)
    } else {
        Buffer::VmConfiguration
    };
    hand_over(caller, Hostcall::GetConfiguration, buffer, (0, u32::MAX), place)
}

fn hand_over<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    hostcall: Hostcall,
    buffer: Buffer,
    (start, max): (u32, u32),
    place: Return,
) -> Delivery {
    let (_, parts) = enter(&mut caller)?;
    let (start, max) = (start as usize, max as usize);
    let size = match read(&parts, buffer) {
        Ok(buffer) => buffer.range_len(start, max),
        Err(status) => return Err(refused(parts.common, hostcall, status).into()),
    };
    // Nothing changes a buffer while the allocator runs, so the size still holds then.
    deliver(&mut caller, place, size, |parts, mut block| {
        let Ok(buffer) = read(&parts, buffer) else {
            return;
        };
        let copied: Result<(), Infallible> = buffer.each(start, max, |part| {
            let len = part.len().min(block.len());
            let (now, rest) = std::mem::take(&mut block).split_at_mut(len);
            now.copy_from_slice(part.get(..len).unwrap_or_default());
            block = rest;
            Ok(())
        });
        let Ok(()) = copied;
    })
}

/// The size of a buffer, and its flags, of which no ABI has any.
pub(super) fn status<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    buffer: u32,
    return_len: u32,
    return_flags: u32,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    Return::new(return_len, return_flags).check(memory)?;
    let buffer = numbers::buffer(buffer)?;
    let size = match read(&parts, buffer) {
        Ok(buffer) => buffer.range_len(0, u32::MAX as usize),
        Err(status) => return Err(refused(parts.common, Hostcall::GetBufferStatus, status)),
    };
    write_u32(memory, return_len, size as u32)?;
    write_u32(memory, return_flags, 0)
}

/// Replaces a part of a buffer: size 0 inserts, a start at the end or beyond appends.
pub(super) fn set<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    buffer: u32,
    start: u32,
    size: u32,
    content: Span,
) -> Outcome {
    let (memory, mut parts) = enter(&mut caller)?;
    let content = content.bytes(memory)?;
    let buffer = numbers::buffer(buffer)?;
    let spliced = match buffer {
        Buffer::VmConfiguration => Err(Core::InvalidOperation),
        Buffer::Core(buffer) => {
            let content = Bytes::copy_from_slice(content);
            let owner = owner_of_buffer(&parts, buffer);
            parts.common.splice_buffer(owner, buffer, start, size, content)
        }
    };
    changed(&mut parts, Hostcall::SetBufferBytes, &buffer, spliced)
}

/// Configurations can be read at any time; several plugins read them when they first need them.
fn read<'a>(parts: &'a LegacyParts<'_>, buffer: Buffer) -> Result<BufferRef<'a>, Core> {
    match buffer {
        Buffer::VmConfiguration => parts
            .common
            .current_settings()
            .map(|settings| BufferRef::Block(&settings.vm_configuration))
            .ok_or(Core::InvalidOperation),
        Buffer::Core(buffer) => parts.common.buffer(owner_of_buffer(parts, buffer), buffer),
    }
}
