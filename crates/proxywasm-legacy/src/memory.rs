//! Guest memory: arguments in, results out through the guest's allocator.

use crate::status::Status;
use crate::view::{LegacyParts, LegacyView, Stage};
use wasi_common::copied::{note_from_guest, note_to_guest};
use wasmtime::{AsContextMut, Caller};

/// What a hostcall that hands nothing over came to.
pub(crate) type Outcome = Result<(), Status>;

/// What a hostcall that enters the allocator came to.
pub(crate) type Delivery = Result<(), Failure>;

/// Why a hostcall that enters the allocator failed.
pub(crate) enum Failure {
    /// The guest gets a status.
    Status(Status),
    /// The allocator trapped, and with it the callback.
    Trap(wasmtime::Error),
}

/// Bytes of the guest.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) address: u32,
    pub(crate) len: u32,
}

/// Where the guest wants to find the address and the length of what it gets.
#[derive(Clone, Copy)]
pub(crate) struct Return {
    pub(crate) address: u32,
    pub(crate) len: u32,
}

/// Bytes that the scratch keeps between hostcalls.
const KEPT_SCRATCH_BYTES: usize = 64 << 10;

/// The number that a guest gets.
#[inline]
pub(crate) fn number(outcome: Outcome) -> u32 {
    match outcome {
        Ok(()) => Status::Ok as u32,
        Err(status) => status as u32,
    }
}

/// The number that a guest gets, or its trap.
#[inline]
pub(crate) fn delivered(delivery: Delivery) -> wasmtime::Result<u32> {
    match delivery {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Failure::Status(status)) => Ok(status as u32),
        Err(Failure::Trap(error)) => Err(error),
    }
}

/// The memory of the guest and the state to work on, if the guest may make hostcalls now.
#[inline]
pub(crate) fn enter<'a, T: LegacyView + 'static>(
    caller: &'a mut Caller<'_, T>,
) -> Result<(&'a mut [u8], LegacyParts<'a>), Status> {
    let (memory, parts) = enter_at_any_stage(caller)?;
    parts.legacy.permit()?;
    Ok((memory, parts))
}

/// Like [`enter`], for the hostcalls that a guest may always make.
#[inline]
pub(crate) fn enter_at_any_stage<'a, T: LegacyView + 'static>(
    caller: &'a mut Caller<'_, T>,
) -> Result<(&'a mut [u8], LegacyParts<'a>), Status> {
    let memory = wasi_common::guest::memory(caller).map_err(|_| Status::InvalidMemoryAccess)?;
    let (memory, data) = memory.data_and_store_mut(caller);
    Ok((memory, data.legacy()))
}

/// Hands `size` bytes over that `fill` writes into a block of the guest's allocator.
pub(crate) fn deliver<T: LegacyView + 'static>(
    caller: &mut Caller<'_, T>,
    place: Return,
    size: usize,
    fill: impl FnOnce(LegacyParts<'_>, &mut [u8]),
) -> Delivery {
    let block = if size == 0 {
        Span { address: 0, len: 0 }
    } else {
        let len = u32::try_from(size).map_err(|_| Status::InternalFailure)?;
        let address = allocate(caller, len)?;
        Span { address, len }
    };
    // The allocator may have moved or grown the memory.
    let (memory, parts) = enter(caller)?;
    if block.len > 0 {
        fill(parts, block.bytes_mut(memory)?);
        note_to_guest(size);
    }
    Ok(place.write(memory, block)?)
}

/// Hands over what the scratch holds.
pub(crate) fn deliver_scratch<T: LegacyView + 'static>(
    caller: &mut Caller<'_, T>,
    place: Return,
) -> Delivery {
    let mut scratch = std::mem::take(&mut caller.data_mut().legacy().legacy.scratch);
    let delivery = deliver(caller, place, scratch.len(), |_, block| {
        block.copy_from_slice(&scratch)
    });
    scratch.clear();
    scratch.shrink_to(KEPT_SCRATCH_BYTES);
    caller.data_mut().legacy().legacy.scratch = scratch;
    delivery
}

/// A block of `size` bytes from the guest's allocator.
fn allocate<T: LegacyView + 'static>(caller: &mut Caller<'_, T>, size: u32) -> Result<u32, Failure> {
    let legacy = caller.data_mut().legacy().legacy;
    let Some(allocator) = legacy.allocator.take() else {
        return Err(Status::InternalFailure.into());
    };
    legacy.stage = Stage::Allocating;
    let allocated = allocator.call(caller.as_context_mut(), size);
    let legacy = caller.data_mut().legacy().legacy;
    legacy.stage = Stage::Running;
    legacy.allocator = Some(allocator);
    match allocated {
        Ok(0) => Err(Status::InvalidMemoryAccess.into()),
        Ok(address) => Ok(address),
        Err(error) => Err(Failure::Trap(error)),
    }
}

#[inline]
pub(crate) fn write_u32(memory: &mut [u8], address: u32, value: u32) -> Outcome {
    write(memory, address, value.to_le_bytes())
}

#[inline]
pub(crate) fn write_u64(memory: &mut [u8], address: u32, value: u64) -> Outcome {
    write(memory, address, value.to_le_bytes())
}

#[inline]
fn write<const N: usize>(memory: &mut [u8], address: u32, content: [u8; N]) -> Outcome {
    let place = memory
        .get_mut(address as usize..)
        .and_then(<[u8]>::first_chunk_mut);
    *place.ok_or(Status::InvalidMemoryAccess)? = content;
    Ok(())
}

// === impl Span ===

impl Span {
    #[inline]
    pub(crate) fn new(address: u32, len: u32) -> Self {
        Self { address, len }
    }

    #[inline]
    pub(crate) fn bytes(self, memory: &[u8]) -> Result<&[u8], Status> {
        let bytes = self.end().and_then(|end| memory.get(self.address as usize..end));
        let bytes = bytes.ok_or(Status::InvalidMemoryAccess)?;
        note_from_guest(bytes.len());
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn bytes_mut(self, memory: &mut [u8]) -> Result<&mut [u8], Status> {
        self.end()
            .and_then(|end| memory.get_mut(self.address as usize..end))
            .ok_or(Status::InvalidMemoryAccess)
    }

    #[inline]
    fn end(self) -> Option<usize> {
        (self.address as usize).checked_add(self.len as usize)
    }
}

// === impl Return ===

impl Return {
    #[inline]
    pub(crate) fn new(address: u32, len: u32) -> Self {
        Self { address, len }
    }

    /// Refuses places outside of the memory, before anything is allocated for nothing.
    #[inline]
    pub(crate) fn check(self, memory: &[u8]) -> Outcome {
        for address in [self.address, self.len] {
            let place = memory.get(address as usize..).and_then(<[u8]>::first_chunk::<4>);
            place.ok_or(Status::InvalidMemoryAccess)?;
        }
        Ok(())
    }

    fn write(self, memory: &mut [u8], block: Span) -> Outcome {
        write_u32(memory, self.address, block.address)?;
        write_u32(memory, self.len, block.len)
    }
}

// === impl Failure ===

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}
