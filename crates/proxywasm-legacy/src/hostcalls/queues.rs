//! Queues. Their ids are those of the process: plugins may use them also where they did not open the queue themselves.

use super::{outcome, refused};
use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Delivery, Outcome, Return, Span, deliver, delivered, enter, number, write_u32};
use crate::view::LegacyView;
use wasi_common::Status as Core;
use wasmtime::{Caller, Linker};

/// Adds the hostcalls of queues.
pub(super) fn add<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::RegisterSharedQueue.name(),
            |caller: Caller<'_, T>, name: u32, name_len: u32, queue: u32| {
                number(register(caller, Span::new(name, name_len), queue))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::ResolveSharedQueue.name(),
            |caller: Caller<'_, T>, vm: u32, vm_len: u32, name: u32, name_len: u32, queue: u32| {
                let (vm_id, name) = (Span::new(vm, vm_len), Span::new(name, name_len));
                number(resolve(caller, vm_id, name, queue))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::EnqueueSharedQueue.name(),
            |caller: Caller<'_, T>, queue: u32, item: u32, item_len: u32| {
                number(enqueue(caller, queue, Span::new(item, item_len)))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::DequeueSharedQueue.name(),
            |caller: Caller<'_, T>, queue: u32, address: u32, len: u32| {
                delivered(dequeue(caller, queue, Return::new(address, len)))
            },
        )?;
    Ok(())
}

/// Opens a queue of the plugin's own VM id, makes it if need be, and makes the plugin a consumer.
fn register<T: LegacyView + 'static>(mut caller: Caller<'_, T>, name: Span, return_id: u32) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    Span::new(return_id, 4).bytes(memory)?;
    let name = name.bytes(memory)?;
    match parts.queues.open_own(parts.common, name, true) {
        Ok(queue_id) => write_u32(memory, return_id, queue_id),
        Err(status) => Err(refused(parts.common, Hostcall::RegisterSharedQueue, status)),
    }
}

/// The id of a queue that exists, of any VM id; an empty one is the plugin's own.
pub(super) fn resolve<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    vm_id: Span,
    name: Span,
    return_id: u32,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    Span::new(return_id, 4).bytes(memory)?;
    let (vm_id, name) = (vm_id.bytes(memory)?, name.bytes(memory)?);
    let opened = match std::str::from_utf8(vm_id) {
        Ok("") => parts.queues.open_own(parts.common, name, false),
        Ok(vm_id) => parts.queues.open_in(parts.common, vm_id, name, false),
        // A VM id is text.
        Err(_) => Err(Core::NotFound),
    };
    match opened {
        Ok(queue_id) => write_u32(memory, return_id, queue_id),
        Err(status) => Err(refused(parts.common, Hostcall::ResolveSharedQueue, status)),
    }
}

fn enqueue<T: LegacyView + 'static>(mut caller: Caller<'_, T>, queue_id: u32, item: Span) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let enqueued = parts.queues.enqueue(parts.common, queue_id, item.bytes(memory)?);
    if enqueued == Err(Core::Unavailable) {
        // The status that plugins get for it does not tell, so it is not left to the debug log alone.
        tracing::warn!(
            plugin = parts
                .common
                .current_settings()
                .map_or("", |settings| settings.name.as_str()),
            queue_id,
            "an item cannot be added to a queue: it is full, the item is too large, or its server cannot be reached"
        );
    }
    outcome(parts.common, Hostcall::EnqueueSharedQueue, enqueued)
}

/// The oldest item. It stays in the queue if the guest has no room for it.
fn dequeue<T: LegacyView + 'static>(mut caller: Caller<'_, T>, queue_id: u32, place: Return) -> Delivery {
    let (memory, parts) = enter(&mut caller)?;
    place.check(memory)?;
    let item = match parts.queues.reserve(parts.common, queue_id) {
        Ok(item) => item,
        Err(status) => return Err(refused(parts.common, Hostcall::DequeueSharedQueue, status).into()),
    };
    deliver(&mut caller, place, item.len(), |_, block| {
        block.copy_from_slice(&item)
    })?;
    let (_, parts) = enter(&mut caller)?;
    parts.queues.fetched(parts.common, queue_id);
    Ok(())
}

/// Deletes a queue with all that is in it.
pub(super) fn remove<T: LegacyView + 'static>(mut caller: Caller<'_, T>, queue_id: u32) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let deleted = parts.queues.delete(parts.common, queue_id);
    outcome(parts.common, Hostcall::RemoveSharedQueue, deleted)
}
