//! Hostcalls of wasi-http for calls to upstreams.

use super::{Region, append_all, array, number};
use crate::raw::http;
use crate::status::Result;

/// The parts of a request; headers and trailers are packed maps.
pub(crate) struct Request<'a> {
    pub(crate) upstream: &'a str,
    pub(crate) headers: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) trailers: &'a [u8],
    /// In milliseconds; 0 is the host's default.
    pub(crate) timeout: u32,
}

pub(crate) fn dispatch(request: &Request<'_>) -> Result<u32> {
    let upstream = [Region::new(request.upstream.as_bytes())];
    let headers = [Region::new(request.headers)];
    let body = [Region::new(request.body)];
    let trailers = [Region::new(request.trailers)];
    let (upstream, upstream_count) = array(&upstream);
    let (headers, header_count) = array(&headers);
    let (body, body_count) = array(&body);
    let (trailers, trailer_count) = array(&trailers);
    number(|return_id| {
        // SAFETY: the regions are those of slices which are alive, the out-pointer is that of a local variable.
        unsafe {
            http::dispatch_http_call(
                upstream,
                upstream_count,
                headers,
                header_count,
                body,
                body_count,
                trailers,
                trailer_count,
                request.timeout,
                return_id,
            )
        }
    })
}

pub(crate) fn close(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { http::close_http_call(id) }.into_result()
}

pub(crate) fn resume(id: u32) -> Result<()> {
    // SAFETY: no addresses cross the boundary.
    unsafe { http::resume_http_call(id) }.into_result()
}

/// Appends the reason to `message`, and returns the code.
pub(crate) fn status(id: u32, message: &mut Vec<u8>) -> Result<u32> {
    let mut code = 0;
    append_all(message, |iovecs, count, returned| {
        // SAFETY: the iovec covers unused capacity, and the out-pointers are those of local variables.
        unsafe { http::get_callout_status(id, &mut code, iovecs, count, returned) }
    })?;
    Ok(code)
}
