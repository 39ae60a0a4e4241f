//! How calls end, in the codes of gRPC.

use crate::event::code;
use bytes::Bytes;
use h2::Reason;
use http::HeaderMap;
use std::error::Error;
use std::io;
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use wasi_common::{CalloutFault, CalloutStatus};

/// The largest code that gRPC has.
const LAST_CODE: u32 = 16;

/// The status that the upstream gave, of its headers. tonic knows what it says, but for the code of a status whose text is garbled.
pub(super) fn of_upstream(headers: &HeaderMap, status: &Status) -> CalloutStatus {
    let code = headers.get("grpc-status").and_then(|code| code.to_str().ok());
    let code = code.and_then(|code| code.parse().ok());
    CalloutStatus {
        code: code.filter(|code| *code <= LAST_CODE).unwrap_or(code::UNKNOWN),
        message: Bytes::copy_from_slice(status.message().as_bytes()),
    }
}

/// The status of a call that failed without one.
pub(super) fn of_failure(status: &Status) -> CalloutStatus {
    let mut message = status.message().to_owned();
    for error in causes(status) {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
    }
    CalloutStatus {
        code: code_of_failure(status),
        message: message.into(),
    }
}

/// What was in the way of a call that failed without a status.
pub(super) fn fault(status: &Status) -> CalloutFault {
    let timed_out = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    if !causes(status).any(|error| error.is::<ConnectError>()) {
        CalloutFault::Broken
    } else if causes(status).any(timed_out) {
        CalloutFault::ConnectTimeout
    } else {
        CalloutFault::Connect
    }
}

fn code_of_failure(status: &Status) -> u32 {
    if status.code() == Code::OutOfRange {
        // The limit of a message.
        return code::RESOURCE_EXHAUSTED;
    }
    for error in causes(status) {
        if error.is::<TimeoutExpired>() {
            return code::DEADLINE_EXCEEDED;
        }
        let reset = error.downcast_ref::<h2::Error>().filter(|error| error.is_reset());
        if let Some(reason) = reset.and_then(h2::Error::reason) {
            return code_of_reset(reason);
        }
    }
    match status.code() {
        // A connection that broke.
        Code::Unknown | Code::Cancelled if status.source().is_some() => code::UNAVAILABLE,
        // None of its numbers is negative.
        code => u32::try_from(code as i32).unwrap_or(code::UNKNOWN),
    }
}

/// As gRPC over HTTP/2 maps the codes of resets.
fn code_of_reset(reason: Reason) -> u32 {
    match reason {
        Reason::REFUSED_STREAM => code::UNAVAILABLE,
        Reason::CANCEL => code::CANCELLED,
        Reason::ENHANCE_YOUR_CALM => code::RESOURCE_EXHAUSTED,
        Reason::INADEQUATE_SECURITY => code::PERMISSION_DENIED,
        _ => code::INTERNAL,
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(status.source(), |error| (*error).source())
}
