//! Guest memory in slices; an address outside of it is `FAULT`, never a trap.

use crate::errno::Errno;
use wasi_common::guest::GuestMemoryView;
use wasmtime::Caller;

/// The memory of the calling guest, and the data of its store.
pub(crate) fn split<'a, T: GuestMemoryView + 'static>(
    caller: &'a mut Caller<'_, T>,
) -> Result<(&'a mut [u8], &'a mut T), Errno> {
    let memory = wasi_common::guest::memory(caller).map_err(|_| Errno::Fault)?;
    Ok(memory.data_and_store_mut(caller))
}

pub(crate) fn bytes(memory: &[u8], address: u32, len: u32) -> Result<&[u8], Errno> {
    (address as usize)
        .checked_add(len as usize)
        .and_then(|end| memory.get(address as usize..end))
        .ok_or(Errno::Fault)
}

pub(crate) fn bytes_mut(memory: &mut [u8], address: u32, len: usize) -> Result<&mut [u8], Errno> {
    (address as usize)
        .checked_add(len)
        .and_then(|end| memory.get_mut(address as usize..end))
        .ok_or(Errno::Fault)
}

pub(crate) fn read_u32(memory: &[u8], address: u32) -> Result<u32, Errno> {
    let bytes = bytes(memory, address, 4)?;
    bytes
        .first_chunk()
        .map(|bytes| u32::from_le_bytes(*bytes))
        .ok_or(Errno::Fault)
}

pub(crate) fn write(memory: &mut [u8], address: u32, content: &[u8]) -> Result<(), Errno> {
    bytes_mut(memory, address, content.len())?.copy_from_slice(content);
    Ok(())
}

pub(crate) fn write_u32(memory: &mut [u8], address: u32, value: u32) -> Result<(), Errno> {
    write(memory, address, &value.to_le_bytes())
}
