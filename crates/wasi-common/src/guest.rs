//! Guest memory and exports: what every codec needs of the runtime.

use crate::Status;
use crate::bindings::types::{Ciovec, Iovec};
use crate::copied::{note_from_guest, note_to_guest};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use thiserror::Error;
use wasmtime::{AsContextMut, Caller, Extern, Instance, Memory, TypedFunc, WasmParams, WasmResults};
use wiggle::{GuestError, GuestErrorType, GuestMemory, GuestPtr};

/// Store data that remembers the guest's memory, so that no hostcall looks it up by name.
pub trait GuestMemoryView {
    /// The place where it is remembered. A store holds one instance.
    fn memory_slot(&mut self) -> &mut MemorySlot;
}

/// The memory of an instance, once it was looked up.
#[derive(Debug, Default, Clone, Copy)]
pub struct MemorySlot(Option<Memory>);

/// The callbacks of an instance: all that it exports, or those of them that may be called. To whoever looks, the others are not there.
#[derive(Clone, Copy)]
pub struct Exports<'a> {
    instance: &'a Instance,
    allowed: Option<&'a BTreeSet<String>>,
}

/// An exported callback has a type that it cannot have.
#[derive(Debug, Error)]
#[error("the module exports `{export}` with the type {found}, which a host cannot call: {reason}")]
pub struct CallbackTypeError {
    /// The name of the export.
    pub export: String,
    /// The type it has.
    pub found: String,
    /// What does not fit.
    pub reason: String,
}

/// Writes one block into the places a guest gave.
pub struct Scatter<'a> {
    memory: &'a mut [u8],
    start: u32,
    count: u32,
    next: u32,
    place: Place,
}

/// One place of an iovec array. On a 64-bit host no sum of its parts overflows.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    len: u32,
}

/// Places that one iovec array may name.
const MAX_IOVECS: u32 = 4096;

/// The memory of the calling guest.
///
/// # Errors
/// `invalid_memory_access` where the module exports no memory called `memory`.
pub fn memory<T: GuestMemoryView>(caller: &mut Caller<'_, T>) -> Result<Memory, Status> {
    if let Some(memory) = caller.data_mut().memory_slot().0 {
        return Ok(memory);
    }
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => {
            caller.data_mut().memory_slot().0 = Some(memory);
            Ok(memory)
        }
        _ => Err(Status::InvalidMemoryAccess),
    }
}

/// What a hostcall returns when its generated half failed: a status for what the guest got wrong, a trap for anything else.
///
/// # Errors
/// The error itself, where it is none of the guest's arguments.
pub fn trap_or_status(error: wiggle::error::Error) -> wasmtime::Result<i32> {
    match error.downcast::<GuestError>() {
        Ok(error) => Ok(Status::from(error) as i32),
        Err(error) => Err(error),
    }
}

/// Looks an optional callback up. One that may not be called is not there, whatever it is.
///
/// # Errors
/// The export is no function, or one of another type.
pub fn callback<'a, P: WasmParams, R: WasmResults>(
    mut store: impl AsContextMut,
    exports: impl Into<Exports<'a>>,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, CallbackTypeError> {
    let exports = exports.into();
    if !exports.allows(name) {
        return Ok(None);
    }
    let wrong = |found: String, reason: String| CallbackTypeError {
        export: name.to_owned(),
        found,
        reason,
    };
    match exports.instance.get_export(&mut store, name) {
        None => Ok(None),
        Some(Extern::Func(function)) => function
            .typed(&store)
            .map(Some)
            .map_err(|error| wrong(function.ty(&store).to_string(), format!("{error:#}"))),
        Some(other) => Err(wrong(
            format!("{:?}", other.ty(&store)),
            "it is no function".to_owned(),
        )),
    }
}

/// Gathers the bytes of an iovec array; one place is borrowed, several are copied together.
///
/// # Errors
/// `invalid_memory_access` for a place outside the memory, `bad_argument` for more than 4096 places, `unavailable` for more
/// than `limit` bytes in several places.
pub fn gather<'a>(
    memory: &'a GuestMemory<'_>,
    places: GuestPtr<[Ciovec]>,
    limit: usize,
) -> Result<Cow<'a, [u8]>, Status> {
    let (start, count) = places.offset();
    let memory = readable(memory)?;
    match count {
        0 => Ok(Cow::Borrowed(&[])),
        1 => Place::read(memory, start, 0)?.taken(memory).map(Cow::Borrowed),
        _ => {
            let mut gathered = Vec::new();
            for index in indices(count)? {
                let part = Place::read(memory, start, index)?.taken(memory)?;
                if gathered.len() + part.len() > limit {
                    return Err(Status::Unavailable);
                }
                gathered.extend_from_slice(part);
            }
            Ok(Cow::Owned(gathered))
        }
    }
}

/// The places of an iovec array as they are: for arrays in which each place is an item.
///
/// # Errors
/// As [`gather`].
pub fn parts<'a>(
    memory: &'a GuestMemory<'_>,
    places: GuestPtr<[Ciovec]>,
) -> Result<impl Iterator<Item = Result<&'a [u8], Status>>, Status> {
    let (start, count) = places.offset();
    let memory = readable(memory)?;
    Ok(indices(count)?.map(move |index| Place::read(memory, start, index)?.taken(memory)))
}

/// Hands `size` bytes over: writes the size, and the bytes if there is room for all of them.
///
/// # Errors
/// `buffer_too_small` where there is not, after the size was written; `invalid_memory_access` for a place outside the memory and
/// `bad_argument` for more than 4096 places, and then nothing has been written.
pub fn return_all<'a>(
    memory: &mut GuestMemory<'_>,
    places: GuestPtr<[Iovec]>,
    return_size: GuestPtr<u32>,
    size: usize,
    content: impl Iterator<Item = &'a [u8]>,
) -> Result<(), Status> {
    let (mut out, room) = Scatter::begin(memory, places, return_size, size)?;
    if (size as u64) > room {
        return Err(Status::BufferTooSmall);
    }
    content.into_iter().try_for_each(|part| out.write(part))
}

/// Hands over as many of `size` bytes as there is room for: writes the size, and returns where the bytes go.
///
/// # Errors
/// As [`return_all`], but for `buffer_too_small`.
#[inline]
pub fn return_some<'a>(
    memory: &'a mut GuestMemory<'_>,
    places: GuestPtr<[Iovec]>,
    return_size: GuestPtr<u32>,
    size: usize,
) -> Result<Scatter<'a>, Status> {
    Scatter::begin(memory, places, return_size, size).map(|(out, _)| out)
}

/// Whether a value can be returned at `address`: asked before a hostcall has any effect.
///
/// # Errors
/// `invalid_memory_access` for an address outside the memory, or one that is not aligned.
#[inline]
pub fn check_return(memory: &GuestMemory<'_>, address: u32, size: u32, align: u32) -> Result<(), Status> {
    let end = u64::from(address) + u64::from(size);
    if end <= readable(memory)?.len() as u64 && address.is_multiple_of(align) {
        Ok(())
    } else {
        Err(Status::InvalidMemoryAccess)
    }
}

// === impl Exports ===

impl<'a> Exports<'a> {
    /// Those of an instance that have one of these names; all, without names.
    pub fn new(instance: &'a Instance, allowed: Option<&'a BTreeSet<String>>) -> Self {
        Self { instance, allowed }
    }

    /// The instance, for what is no callback.
    pub fn instance(self) -> &'a Instance {
        self.instance
    }

    fn allows(self, name: &str) -> bool {
        self.allowed.is_none_or(|allowed| allowed.contains(name))
    }
}

impl<'a> From<&'a Instance> for Exports<'a> {
    fn from(instance: &'a Instance) -> Self {
        Self::new(instance, None)
    }
}

// === impl Scatter ===

impl<'a> Scatter<'a> {
    /// Checks all places, writes the size, and stands before the first place. Also says how many bytes there is room for.
    #[inline]
    fn begin(
        memory: &'a mut GuestMemory<'_>,
        places: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
        size: usize,
    ) -> Result<(Self, u64), Status> {
        let size = u32::try_from(size).map_err(|_| Status::Unavailable)?;
        let (start, count) = places.offset();
        let mut room = 0;
        let checked = readable(memory)?;
        for index in indices(count)? {
            let place = Place::read(checked, start, index)?;
            room += place.bytes(checked)?.len() as u64;
        }
        memory.write(return_size, size)?;
        let GuestMemory::Unshared(memory) = memory else {
            return Err(Status::InvalidMemoryAccess);
        };
        Ok((
            Self {
                memory,
                start,
                count,
                next: 0,
                place: Place { start: 0, len: 0 },
            },
            room,
        ))
    }

    /// Writes as much of `bytes` as there is room for.
    ///
    /// # Errors
    /// `invalid_memory_access` for a place outside the memory, which can only be one that what was written before has changed.
    #[inline]
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        while !bytes.is_empty() {
            if self.place.len == 0 {
                if self.next == self.count {
                    return Ok(());
                }
                self.place = Place::read(self.memory, self.start, self.next)?;
                self.next += 1;
                continue;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(self.place.len as usize));
            let start = self.place.start as usize;
            let place = self
                .memory
                .get_mut(start..start + now.len())
                .ok_or(Status::InvalidMemoryAccess)?;
            place.copy_from_slice(now);
            note_to_guest(now.len());
            // No more than the length of the place was written, so neither overflows.
            self.place.start += now.len() as u32;
            self.place.len -= now.len() as u32;
            bytes = rest;
        }
        Ok(())
    }
}

// === impl Place ===

impl Place {
    /// Reads the iovec at `index` of an array.
    #[inline]
    fn read(memory: &[u8], array: u32, index: u32) -> Result<Self, Status> {
        if !array.is_multiple_of(4) {
            return Err(Status::InvalidMemoryAccess);
        }
        let at = array as usize + 8 * index as usize;
        let iovec = memory
            .get(at..)
            .and_then(<[u8]>::first_chunk::<8>)
            .ok_or(Status::InvalidMemoryAccess)?;
        let [a, b, c, d, e, f, g, h] = *iovec;
        Ok(Self {
            start: u32::from_le_bytes([a, b, c, d]),
            len: u32::from_le_bytes([e, f, g, h]),
        })
    }

    /// The bytes of the place, which go to the host.
    #[inline]
    fn taken(self, memory: &[u8]) -> Result<&[u8], Status> {
        let bytes = self.bytes(memory)?;
        note_from_guest(bytes.len());
        Ok(bytes)
    }

    #[inline]
    fn bytes(self, memory: &[u8]) -> Result<&[u8], Status> {
        let start = self.start as usize;
        memory
            .get(start..start + self.len as usize)
            .ok_or(Status::InvalidMemoryAccess)
    }
}

/// The bytes of the memory. Shared memories have none to borrow; no plugin has one, since the engine does not enable threads.
#[inline]
fn readable<'a>(memory: &'a GuestMemory<'_>) -> Result<&'a [u8], Status> {
    match memory {
        GuestMemory::Unshared(bytes) => Ok(bytes),
        GuestMemory::Shared(_) => Err(Status::InvalidMemoryAccess),
    }
}

#[inline]
fn indices(count: u32) -> Result<Range<u32>, Status> {
    if count > MAX_IOVECS {
        Err(Status::BadArgument)
    } else {
        Ok(0..count)
    }
}

// === statuses ===

impl GuestErrorType for Status {
    fn success() -> Self {
        Self::Ok
    }
}

impl From<GuestError> for Status {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::InFunc { err, .. } => Self::from(*err),
            GuestError::PtrOverflow | GuestError::PtrOutOfBounds(_) | GuestError::PtrNotAligned(..) => {
                Self::InvalidMemoryAccess
            }
            GuestError::InvalidFlagValue(_)
            | GuestError::InvalidEnumValue(_)
            | GuestError::SliceLengthsDiffer
            | GuestError::InvalidUtf8(_)
            | GuestError::TryFromIntError(_) => Self::BadArgument,
        }
    }
}
