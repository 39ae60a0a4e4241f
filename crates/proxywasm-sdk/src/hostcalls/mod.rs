//! The hostcalls as safe functions over slices and vectors. The only place where pointers are made.

#![allow(
    unsafe_code,
    reason = "hostcalls take addresses; every one is made here, from a slice or a vector that outlives the call"
)]

pub(crate) mod bytestream;
pub(crate) mod calls;
pub(crate) mod ffi;
pub(crate) mod grpc;
pub(crate) mod kvstore;
pub(crate) mod metrics;
pub(crate) mod queue;
pub(crate) mod timer;

use core::marker::PhantomData;

use crate::raw::{self, BufferType, LogLevel, MapType};
use crate::status::{Result, Status};

/// Bytes that the host reads during a hostcall: an iovec with the lifetime of what it points at.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Region<'a>(raw::Ciovec, PhantomData<&'a [u8]>);

/// How often a call is repeated whose output grows between two attempts.
const ATTEMPTS: usize = 4;

// === impl Region ===

impl<'a> Region<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(
            raw::Ciovec {
                buf: bytes.as_ptr(),
                buf_len: size(bytes.len()),
            },
            PhantomData,
        )
    }
}

/// The first region's address and their number, as an iovec array crosses the boundary.
fn array(regions: &[Region<'_>]) -> (*const raw::Ciovec, u32) {
    (regions.as_ptr().cast(), size(regions.len()))
}

/// Sizes are 32 bits wide on the wire, as they are in the memory that plugins run in.
fn size(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Calls with the address of a number that the host writes with `ok`.
fn number<T: Default>(call: impl FnOnce(*mut T) -> Status) -> Result<T> {
    let mut number = T::default();
    call(&mut number).into_result()?;
    Ok(number)
}

/// Calls once with the unused capacity of a vector, and appends what the host wrote to it. Returns the size
/// that the host returned, which is larger than what was appended if that did not fit.
fn append(
    out: &mut Vec<u8>,
    call: impl FnOnce(*const raw::Iovec, u32, *mut u32) -> Status,
) -> (Status, usize) {
    let len = out.len();
    let spare = out.spare_capacity_mut();
    let capacity = spare.len();
    let iovec = raw::Iovec {
        buf: spare.as_mut_ptr().cast(),
        buf_len: size(capacity),
    };
    let mut returned = 0;
    let status = call(&iovec, 1, &mut returned);
    let returned = returned as usize;
    if status == Status::OK {
        // SAFETY: with `ok` the host has written as many bytes as it returned, or as many as there was
        // capacity for.
        unsafe { out.set_len(len + returned.min(capacity)) };
    }
    (status, returned)
}

/// Calls with ever more capacity until what the host returns fits, and appends it.
fn append_all(
    out: &mut Vec<u8>,
    mut call: impl FnMut(*const raw::Iovec, u32, *mut u32) -> Status,
) -> Result<()> {
    for _ in 1..ATTEMPTS {
        match append(out, &mut call) {
            (Status::BUFFER_TOO_SMALL, needed) => out.reserve(needed),
            (status, _) => return status.into_result(),
        }
    }
    append(out, call).0.into_result()
}

/// Appends as much of a buffer as the vector has capacity for; returns how much there was.
pub(crate) fn get_buffer(
    id: u32,
    kind: BufferType,
    offset: usize,
    max_size: usize,
    out: &mut Vec<u8>,
) -> Result<usize> {
    let (status, available) = append(out, |iovecs, count, returned| {
        // SAFETY: the iovec covers unused capacity, and the out-pointer is that of a local variable.
        unsafe { raw::common::get_buffer(id, kind, size(offset), size(max_size), iovecs, count, returned) }
    });
    status.into_result()?;
    Ok(available)
}

pub(crate) fn buffer_size(id: u32, kind: BufferType) -> Result<usize> {
    let mut returned = 0;
    // SAFETY: no iovec is given, and the out-pointer is that of a local variable.
    let status =
        unsafe { raw::common::get_buffer(id, kind, 0, u32::MAX, core::ptr::null(), 0, &mut returned) };
    status.into_result()?;
    Ok(returned as usize)
}

pub(crate) fn set_buffer(
    id: u32,
    kind: BufferType,
    offset: usize,
    replaced: usize,
    content: &[u8],
) -> Result<()> {
    let regions = [Region::new(content)];
    let (content, count) = array(&regions);
    // SAFETY: the region is that of a slice which is alive.
    unsafe { raw::common::set_buffer(id, kind, size(offset), size(replaced), content, count) }.into_result()
}

pub(crate) fn get_map_values(id: u32, kind: MapType, keys: &[Region<'_>], out: &mut Vec<u8>) -> Result<()> {
    let (keys, key_count) = array(keys);
    append_all(out, |iovecs, count, returned| {
        // SAFETY: the regions are those of slices which are alive, the iovec covers unused capacity.
        unsafe { raw::common::get_map_values(id, kind, keys, key_count, iovecs, count, returned) }
    })
}

pub(crate) fn set_map_values(
    id: u32,
    kind: MapType,
    remove: &[Region<'_>],
    content: &[Region<'_>],
) -> Result<()> {
    let (remove, remove_count) = array(remove);
    let (content, content_count) = array(content);
    // SAFETY: the regions are those of slices which are alive.
    unsafe { raw::common::set_map_values(id, kind, remove, remove_count, content, content_count) }
        .into_result()
}

pub(crate) fn get_property(id: u32, path: &[Region<'_>], out: &mut Vec<u8>) -> Result<()> {
    let (path, path_count) = array(path);
    append_all(out, |iovecs, count, returned| {
        // SAFETY: the regions are those of slices which are alive, the iovec covers unused capacity.
        unsafe { raw::common::get_property(id, path, path_count, iovecs, count, returned) }
    })
}

pub(crate) fn set_property(id: u32, path: &[Region<'_>], value: &[u8]) -> Result<()> {
    let (path, path_count) = array(path);
    let regions = [Region::new(value)];
    let (value, value_count) = array(&regions);
    // SAFETY: the regions are those of slices which are alive.
    unsafe { raw::common::set_property(id, path, path_count, value, value_count) }.into_result()
}

pub(crate) fn send_http_response(
    id: u32,
    status_code: u16,
    headers: &[u8],
    body: &[u8],
    grpc_status: i32,
) -> Result<()> {
    let regions = [Region::new(headers), Region::new(body)];
    let (headers, body) = regions.split_at(1);
    let (headers, header_count) = array(headers);
    let (body, body_count) = array(body);
    // SAFETY: the regions are those of slices which are alive.
    unsafe {
        raw::http::send_http_response(
            id,
            u32::from(status_code),
            headers,
            header_count,
            body,
            body_count,
            grpc_status,
        )
    }
    .into_result()
}

pub(crate) fn resume_http_request(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { raw::http::resume_http_request(id) }.into_result()
}

pub(crate) fn resume_http_response(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { raw::http::resume_http_response(id) }.into_result()
}

pub(crate) fn close_http_request(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { raw::http::close_http_request(id) }.into_result()
}

pub(crate) fn close_http_response(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { raw::http::close_http_response(id) }.into_result()
}

pub(crate) fn plugin_shutdown(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { raw::context::plugin_shutdown(id) }.into_result()
}

pub(crate) fn log(level: LogLevel, message: &[u8]) -> Result<()> {
    let regions = [Region::new(message)];
    let (message, count) = array(&regions);
    // SAFETY: the region is that of a slice which is alive.
    unsafe { raw::log::log(level, message, count) }.into_result()
}

pub(crate) fn get_log_level() -> Result<LogLevel> {
    let mut level = LogLevel::TRACE;
    // SAFETY: the out-pointer is that of a local variable.
    unsafe { raw::log::get_log_level(&mut level) }.into_result()?;
    Ok(level)
}
