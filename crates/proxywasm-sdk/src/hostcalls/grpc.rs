//! Hostcalls of wasi-grpc.

use super::{Region, append_all, array, number};
use crate::raw::grpc;
use crate::status::Result;

/// Where a call goes, and the packed map that is sent first.
pub(crate) struct Method<'a> {
    pub(crate) upstream: &'a str,
    pub(crate) service: &'a str,
    pub(crate) method: &'a str,
    pub(crate) metadata: &'a [u8],
}

/// Makes a unary call; the timeout is in milliseconds, 0 is the host's default.
pub(crate) fn call(method: &Method<'_>, message: &[u8], timeout: u32) -> Result<u32> {
    let upstream = [Region::new(method.upstream.as_bytes())];
    let service = [Region::new(method.service.as_bytes())];
    let name = [Region::new(method.method.as_bytes())];
    let metadata = [Region::new(method.metadata)];
    let message = [Region::new(message)];
    let (upstream, upstream_count) = array(&upstream);
    let (service, service_count) = array(&service);
    let (name, name_count) = array(&name);
    let (metadata, metadata_count) = array(&metadata);
    let (message, message_count) = array(&message);
    number(|return_id| {
        // SAFETY: the regions are those of slices which are alive, the out-pointer is that of a local variable.
        unsafe {
            grpc::dispatch_grpc_call(
                upstream,
                upstream_count,
                service,
                service_count,
                name,
                name_count,
                metadata,
                metadata_count,
                message,
                message_count,
                timeout,
                return_id,
            )
        }
    })
}

pub(crate) fn open(method: &Method<'_>) -> Result<u32> {
    let upstream = [Region::new(method.upstream.as_bytes())];
    let service = [Region::new(method.service.as_bytes())];
    let name = [Region::new(method.method.as_bytes())];
    let metadata = [Region::new(method.metadata)];
    let (upstream, upstream_count) = array(&upstream);
    let (service, service_count) = array(&service);
    let (name, name_count) = array(&name);
    let (metadata, metadata_count) = array(&metadata);
    number(|return_id| {
        // SAFETY: the regions are those of slices which are alive, the out-pointer is that of a local variable.
        unsafe {
            grpc::open_grpc_stream(
                upstream,
                upstream_count,
                service,
                service_count,
                name,
                name_count,
                metadata,
                metadata_count,
                return_id,
            )
        }
    })
}

/// Sends a message, or none.
pub(crate) fn send(id: u32, message: Option<&[u8]>, end_of_stream: bool) -> Result<()> {
    let message = message.map(Region::new);
    let (message, count) = array(message.as_slice());
    // SAFETY: the region is that of a slice which is alive.
    unsafe { grpc::send_grpc_stream_message(id, message, count, u32::from(end_of_stream)) }.into_result()
}

pub(crate) fn close_call(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { grpc::close_grpc_call(id) }.into_result()
}

pub(crate) fn close_stream(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { grpc::close_grpc_stream(id) }.into_result()
}

pub(crate) fn resume_stream(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { grpc::resume_grpc_stream(id) }.into_result()
}

/// Appends the message that came with the gRPC status to `message`, and returns that status.
pub(crate) fn status(id: u32, message: &mut Vec<u8>) -> Result<u32> {
    let mut code = 0;
    append_all(message, |iovecs, count, returned| {
        // SAFETY: the iovec covers unused capacity, and the out-pointers are those of local variables.
        unsafe { grpc::get_callout_status(id, &mut code, iovecs, count, returned) }
    })?;
    Ok(code)
}
