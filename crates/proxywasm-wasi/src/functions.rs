//! The functions that do something.

use crate::WasiView;
use crate::errno::Errno;
use crate::memory::{bytes, bytes_mut, read_u32, split, write, write_u32};
use crate::output::{self, Output};
use rustix::time::{ClockId, clock_gettime};
use std::borrow::Cow;
use thiserror::Error;
use wasmtime::{Caller, Linker};

/// The guest called `proc_exit`. It comes out of the callback as the cause of a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the plugin called proc_exit({code}), which ends its instance; a plugin must return from its callbacks instead"
)]
pub struct ExitError {
    /// The exit code the guest gave.
    pub code: i32,
}

/// Bytes that one call of `random_get` hands out.
pub const MAX_RANDOM_BYTES: u32 = 64 << 10;

/// Places that one call of `fd_write` may name; the bound that Linux has.
const MAX_IOVECS: u32 = 1024;
/// Bytes that one call of `fd_write` may gather from several places.
const MAX_GATHERED_BYTES: usize = 1 << 20;
/// The right to write, for `fd_fdstat_get`.
const RIGHTS_FD_WRITE: u64 = 1 << 6;
/// What `poll_oneoff` takes for each subscription.
const SUBSCRIPTION_BYTES: usize = 48;

/// The functions that [`add`] defines.
pub(crate) const NAMES: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_fdstat_get",
    "fd_pwrite",
    "fd_write",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
];

/// Adds the functions under one module name.
pub(crate) fn add<T: WasiView + 'static>(linker: &mut Linker<T>, module: &str) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            module,
            "fd_write",
            |caller: Caller<'_, T>, fd: u32, iovs: u32, count: u32, size: u32| {
                Errno::number(fd_write(caller, fd, iovs, count, size))
            },
        )?
        .func_wrap(
            module,
            "fd_pwrite",
            |caller: Caller<'_, T>, fd: u32, iovs: u32, count: u32, _offset: u64, size: u32| {
                Errno::number(fd_write(caller, fd, iovs, count, size))
            },
        )?
        .func_wrap(
            module,
            "fd_fdstat_get",
            |caller: Caller<'_, T>, fd: u32, stat: u32| Errno::number(fd_fdstat_get(caller, fd, stat)),
        )?
        .func_wrap(
            module,
            "environ_sizes_get",
            |caller: Caller<'_, T>, count: u32, size: u32| {
                Errno::number(environ_sizes_get(caller, count, size))
            },
        )?
        .func_wrap(
            module,
            "environ_get",
            |caller: Caller<'_, T>, pointers: u32, block: u32| {
                Errno::number(environ_get(caller, pointers, block))
            },
        )?
        .func_wrap(
            module,
            "args_sizes_get",
            |mut caller: Caller<'_, T>, count: u32, size: u32| {
                Errno::number(
                    split(&mut caller).and_then(|(memory, _)| write_two(memory, (count, 0), (size, 0))),
                )
            },
        )?
        .func_wrap(
            module,
            "args_get",
            |_: Caller<'_, T>, _pointers: u32, _block: u32| Errno::Success as i32,
        )?
        .func_wrap(
            module,
            "clock_time_get",
            |caller: Caller<'_, T>, clock: u32, _precision: u64, time: u32| {
                Errno::number(clock_id(clock).and_then(|clock| write_u64(caller, time, nanoseconds(clock))))
            },
        )?
        .func_wrap(
            module,
            "clock_res_get",
            |caller: Caller<'_, T>, clock: u32, resolution: u32| {
                Errno::number(clock_id(clock).and_then(|_| write_u64(caller, resolution, 1)))
            },
        )?
        .func_wrap(
            module,
            "random_get",
            |caller: Caller<'_, T>, address: u32, size: u32| Errno::number(random_get(caller, address, size)),
        )?
        .func_wrap(module, "sched_yield", |_: Caller<'_, T>| Errno::Success as i32)?
        .func_wrap(
            module,
            "poll_oneoff",
            |caller: Caller<'_, T>, subscriptions: u32, events: u32, count: u32, occurred: u32| {
                Errno::number(poll_oneoff(caller, subscriptions, events, count, occurred))
            },
        )?
        .func_wrap(
            module,
            "proc_exit",
            |_: Caller<'_, T>, code: i32| -> wasmtime::Result<()> { Err(ExitError { code }.into()) },
        )?;
    Ok(())
}

/// Standard output goes to the plugin's log as `info`, standard error as `error`; there is no other file.
fn fd_write<T: WasiView + 'static>(
    mut caller: Caller<'_, T>,
    fd: u32,
    iovs: u32,
    count: u32,
    return_size: u32,
) -> Result<(), Errno> {
    let output = match fd {
        1 => Output::Standard,
        2 => Output::Error,
        _ => return Err(Errno::Badf),
    };
    let (memory, data) = split(&mut caller)?;
    let message = gather(memory, iovs, count)?;
    let size = u32::try_from(message.len()).map_err(|_| Errno::Inval)?;
    // The place for the size is tried before anything is written, so that a refused call has no effect.
    bytes(memory, return_size, 4)?;
    output::write(data, output, &message)?;
    drop(message);
    write_u32(memory, return_size, size)
}

/// The bytes of an iovec array; one place is borrowed, several are copied together.
fn gather(memory: &[u8], iovs: u32, count: u32) -> Result<Cow<'_, [u8]>, Errno> {
    if count > MAX_IOVECS {
        return Err(Errno::Inval);
    }
    let (places, _) = bytes(memory, iovs, count * 8)?.as_chunks::<8>();
    let part = |place: &[u8; 8]| {
        let [a, b, c, d, e, f, g, h] = *place;
        bytes(
            memory,
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        )
    };
    if let [place] = places {
        return part(place).map(Cow::Borrowed);
    }
    let mut gathered = Vec::new();
    for place in places {
        let part = part(place)?;
        if gathered.len() + part.len() > MAX_GATHERED_BYTES {
            return Err(Errno::Inval);
        }
        gathered.extend_from_slice(part);
    }
    Ok(Cow::Owned(gathered))
}

fn fd_fdstat_get<T: WasiView + 'static>(mut caller: Caller<'_, T>, fd: u32, stat: u32) -> Result<(), Errno> {
    if !matches!(fd, 1 | 2) {
        return Err(Errno::Badf);
    }
    let (memory, _) = split(&mut caller)?;
    // File type, flags, rights, inherited rights: nothing but the right to write.
    let mut content = [0; 24];
    for (place, byte) in content.iter_mut().skip(8).zip(RIGHTS_FD_WRITE.to_le_bytes()) {
        *place = byte;
    }
    write(memory, stat, &content)
}

fn environ_sizes_get<T: WasiView + 'static>(
    mut caller: Caller<'_, T>,
    return_count: u32,
    return_size: u32,
) -> Result<(), Errno> {
    let (memory, data) = split(&mut caller)?;
    let wasi = data.wasi();
    let (count, size) = (wasi.starts().len() as u32, wasi.block().len() as u32);
    write_two(memory, (return_count, count), (return_size, size))
}

fn environ_get<T: WasiView + 'static>(
    mut caller: Caller<'_, T>,
    pointers: u32,
    block: u32,
) -> Result<(), Errno> {
    let (memory, data) = split(&mut caller)?;
    let wasi = data.wasi();
    write(memory, block, wasi.block())?;
    let places = bytes_mut(memory, pointers, wasi.starts().len() * 4)?;
    for (place, start) in places.as_chunks_mut::<4>().0.iter_mut().zip(wasi.starts()) {
        *place = block.wrapping_add(*start).to_le_bytes();
    }
    Ok(())
}

fn random_get<T: WasiView + 'static>(
    mut caller: Caller<'_, T>,
    address: u32,
    size: u32,
) -> Result<(), Errno> {
    if size > MAX_RANDOM_BYTES {
        return Err(Errno::Inval);
    }
    let (memory, _) = split(&mut caller)?;
    getrandom::fill(bytes_mut(memory, address, size as usize)?).map_err(|_| Errno::Io)
}

/// Nothing ever happens, at once: a plugin must not sleep in the data plane, and the runtime of Go stops at any error here.
fn poll_oneoff<T: WasiView + 'static>(
    mut caller: Caller<'_, T>,
    subscriptions: u32,
    _events: u32,
    count: u32,
    return_occurred: u32,
) -> Result<(), Errno> {
    let (memory, _) = split(&mut caller)?;
    let size = (count as usize)
        .checked_mul(SUBSCRIPTION_BYTES)
        .ok_or(Errno::Fault)?;
    bytes_mut(memory, subscriptions, size)?;
    write_u32(memory, return_occurred, 0)
}

fn clock_id(clock: u32) -> Result<ClockId, Errno> {
    match clock {
        0 => Ok(ClockId::Realtime),
        1 => Ok(ClockId::Monotonic),
        _ => Err(Errno::Notsup),
    }
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

fn write_u64<T: WasiView + 'static>(
    mut caller: Caller<'_, T>,
    address: u32,
    value: u64,
) -> Result<(), Errno> {
    let (memory, _) = split(&mut caller)?;
    write(memory, address, &value.to_le_bytes())
}

/// Writes both numbers, or none.
fn write_two(memory: &mut [u8], first: (u32, u32), second: (u32, u32)) -> Result<(), Errno> {
    read_u32(memory, second.0)?;
    write_u32(memory, first.0, first.1)?;
    write_u32(memory, second.0, second.1)
}
