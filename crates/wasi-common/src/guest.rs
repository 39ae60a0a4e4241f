//! Guest memory and exports: what every codec needs of the runtime.

use crate::Status;
use crate::bindings::types::{Ciovec, Iovec};
use std::borrow::Cow;
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
pub struct Scatter<'a, 'm> {
    memory: &'a mut GuestMemory<'m>,
    places: GuestPtr<[Iovec]>,
    next: u32,
    place: (u32, u32),
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

/// Looks an optional callback up.
///
/// # Errors
/// The export is no function, or one of another type.
pub fn callback<P: WasmParams, R: WasmResults>(
    mut store: impl AsContextMut,
    instance: &Instance,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, CallbackTypeError> {
    let wrong = |found: String, reason: String| CallbackTypeError {
        export: name.to_owned(),
        found,
        reason,
    };
    match instance.get_export(&mut store, name) {
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
    match places.len() {
        0 => Ok(Cow::Borrowed(&[])),
        1 => bytes(memory, memory.read(element(places, 0)?)?).map(Cow::Borrowed),
        _ => {
            let mut gathered = Vec::new();
            for part in parts(memory, places)? {
                let part = part?;
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
) -> Result<impl ExactSizeIterator<Item = Result<&'a [u8], Status>>, Status> {
    if places.len() > MAX_IOVECS {
        return Err(Status::BadArgument);
    }
    let indices = 0..places.len() as usize;
    Ok(indices.map(move |index| bytes(memory, memory.read(element(places, index as u32)?)?)))
}

/// The bytes that an iovec array has room for.
///
/// # Errors
/// `invalid_memory_access` for a place outside the memory, `bad_argument` for more than 4096 places.
pub fn room(memory: &GuestMemory<'_>, places: GuestPtr<[Iovec]>) -> Result<u64, Status> {
    if places.len() > MAX_IOVECS {
        return Err(Status::BadArgument);
    }
    let mut room = 0;
    for index in 0..places.len() {
        let place = memory.read(element(places, index)?)?;
        memory.as_slice(place.buf.as_array(place.buf_len))?;
        room += u64::from(place.buf_len);
    }
    Ok(room)
}

/// Hands `size` bytes over: writes the size, and the bytes if there is room for all of them.
///
/// # Errors
/// `buffer_too_small` where there is not, after the size was written; otherwise as [`room`].
pub fn return_all<'a>(
    memory: &mut GuestMemory<'_>,
    places: GuestPtr<[Iovec]>,
    return_size: GuestPtr<u32>,
    size: usize,
    content: impl Iterator<Item = &'a [u8]>,
) -> Result<(), Status> {
    let room = room(memory, places)?;
    memory.write(return_size, u32::try_from(size).map_err(|_| Status::Unavailable)?)?;
    if (size as u64) > room {
        return Err(Status::BufferTooSmall);
    }
    let mut out = Scatter::new(memory, places);
    for part in content {
        out.write(part)?;
    }
    Ok(())
}

// === impl Scatter ===

impl<'a, 'm> Scatter<'a, 'm> {
    /// Begins at the first place.
    pub fn new(memory: &'a mut GuestMemory<'m>, places: GuestPtr<[Iovec]>) -> Self {
        Self {
            memory,
            places,
            next: 0,
            place: (0, 0),
        }
    }

    /// Writes as much of `bytes` as there is room for.
    ///
    /// # Errors
    /// `invalid_memory_access` for a place outside the memory.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        while !bytes.is_empty() {
            let (start, left) = self.place;
            if left == 0 {
                if self.next == self.places.len() {
                    return Ok(());
                }
                let place = self.memory.read(element(self.places, self.next)?)?;
                self.place = (place.buf.offset(), place.buf_len);
                self.next += 1;
                continue;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(left as usize));
            self.memory
                .copy_from_slice(now, GuestPtr::new((start, now.len() as u32)))?;
            self.place = (start + now.len() as u32, left - now.len() as u32);
            bytes = rest;
        }
        Ok(())
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

fn element<T: wiggle::GuestType>(places: GuestPtr<[T]>, index: u32) -> Result<GuestPtr<T>, GuestError> {
    GuestPtr::<T>::new(places.offset().0).add(index)
}

fn bytes<'a>(memory: &'a GuestMemory<'_>, place: Ciovec) -> Result<&'a [u8], Status> {
    // Shared memories cannot be borrowed; no plugin has one, since the engine does not enable threads.
    memory
        .as_slice(place.buf.as_array(place.buf_len))?
        .ok_or(Status::InvalidMemoryAccess)
}
