//! HTTP calls of plugins.

use super::{authority, malformed, outcome};
use crate::hostcall::Hostcall;
use crate::memory::{Outcome, Span, enter, write_u32};
use crate::status::Status;
use crate::view::LegacyView;
use bytes::Bytes;
use std::time::Duration;
use wasi_common::packed::{Layout, unpack};
use wasi_http::CallRequest;
use wasmtime::Caller;

/// The arguments of a call.
pub(super) struct Request {
    pub(super) upstream: Span,
    pub(super) headers: Span,
    pub(super) body: Span,
    pub(super) trailers: Span,
    /// In milliseconds; 0 for the host's default.
    pub(super) timeout: u32,
    pub(super) return_token: u32,
}

/// Begins a call, whose answer comes to the plugin as `proxy_on_http_call_response`.
pub(super) fn dispatch<T: LegacyView + 'static>(mut caller: Caller<'_, T>, request: Request) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    // A place that cannot be written to is found out before anything is sent.
    write_u32(memory, request.return_token, 0)?;
    let upstream = request.upstream.bytes(memory)?;
    let headers = request.headers.bytes(memory)?;
    let body = request.body.bytes(memory)?;
    let trailers = request.trailers.bytes(memory)?;
    let pairs = |block| {
        unpack(block, Layout::NulTerminated)
            .map_err(|error| malformed(parts.common, Hostcall::HttpCall, error))
    };
    let mut headers = pairs(headers)?;
    authority::name_all(&mut headers);
    let call = CallRequest {
        upstream: Bytes::copy_from_slice(upstream),
        headers: headers.into_iter().collect(),
        body: Bytes::copy_from_slice(body),
        trailers: pairs(trailers)?.into_iter().collect(),
        timeout: (request.timeout > 0).then(|| Duration::from_millis(request.timeout.into())),
    };
    // A duration of these ABIs is signed.
    if i32::try_from(request.timeout).is_err() {
        return Err(Status::BadArgument);
    }
    match parts.http.calls.dispatch(parts.common, call) {
        Ok(callout_id) => write_u32(memory, request.return_token, callout_id),
        Err(status) => outcome(parts.common, Hostcall::HttpCall, Err(status)),
    }
}
