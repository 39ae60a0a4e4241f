//! Streams and contexts: going on, closing, answering, ending.

use super::{malformed, outcome};
use crate::hostcall::Hostcall;
use crate::memory::{Outcome, Span, enter};
use crate::numbers::{self, StreamType};
use crate::view::LegacyView;
use bytes::Bytes;
use wasi_common::Common;
use wasi_common::packed::{Layout, unpack};
use wasi_common::stream::Reply;
use wasi_http::LocalResponse;
use wasmtime::Caller;

/// The arguments of a local response.
pub(super) struct Response {
    pub(super) status: u32,
    pub(super) details: Span,
    pub(super) body: Span,
    pub(super) headers: Span,
    pub(super) grpc_status: i32,
}

/// Lets go on what a plugin holds of one direction.
pub(super) fn resume<T: LegacyView + 'static>(mut caller: Caller<'_, T>, stream: u32) -> Outcome {
    enter(&mut caller)?;
    let stream = numbers::stream(stream)?;
    resume_type(caller, Hostcall::ContinueStream, stream)
}

/// As [`resume`], for hostcalls that name the direction themselves.
pub(super) fn resume_type<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    hostcall: Hostcall,
    stream: StreamType,
) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let context_id = parts.common.scope.context_id;
    let resumed = match stream {
        StreamType::Http(direction) => parts.http.resume(parts.common, context_id, direction),
        StreamType::Bytestream(side) => parts.bytestream.resume(parts.common, context_id, side),
    };
    outcome(parts.common, hostcall, resumed)
}

/// Resets an HTTP stream, or closes a byte stream.
pub(super) fn close<T: LegacyView + 'static>(mut caller: Caller<'_, T>, stream: u32) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let context_id = parts.common.scope.context_id;
    let closed = match numbers::stream(stream)? {
        StreamType::Http(_) => parts.http.close(parts.common, context_id),
        StreamType::Bytestream(side) => parts.bytestream.close(parts.common, context_id, side),
    };
    outcome(parts.common, Hostcall::CloseStream, closed)
}

/// Answers the downstream instead of the upstream.
pub(super) fn respond<T: LegacyView + 'static>(mut caller: Caller<'_, T>, response: Response) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let details = response.details.bytes(memory)?;
    let body = response.body.bytes(memory)?;
    let headers = unpack(response.headers.bytes(memory)?, Layout::NulTerminated)
        .map_err(|error| malformed(parts.common, Hostcall::SendLocalResponse, error))?;
    let response = LocalResponse {
        // What is beyond 65535 is as impossible as 0.
        status: u16::try_from(response.status).unwrap_or(0),
        headers: headers.into_iter().collect(),
        body: Bytes::copy_from_slice(body),
        grpc_status: u32::try_from(response.grpc_status).ok(),
        details: Bytes::copy_from_slice(details),
    };
    let context_id = parts.common.scope.context_id;
    tell_what_is_lost(parts.common, &response);
    let responded = parts.http.respond(parts.common, context_id, response);
    outcome(parts.common, Hostcall::SendLocalResponse, responded)
}

/// Makes another context of the same plugin the effective one, until the callback returns.
pub(super) fn set_effective_context<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    context_id: u32,
) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let owned = parts.common.own_plugin(context_id).map(|_| ());
    outcome(parts.common, Hostcall::SetEffectiveContext, owned)?;
    parts.common.scope.context_id = context_id;
    Ok(())
}

/// The effective context has finished what it had put off.
pub(super) fn done<T: LegacyView + 'static>(mut caller: Caller<'_, T>) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let context_id = parts.common.scope.context_id;
    let finished = if parts.common.contexts.context(context_id).is_some() {
        parts.lifecycle.context_finished(parts.common, context_id)
    } else {
        parts.lifecycle.plugin_shutdown(parts.common, context_id)
    };
    outcome(parts.common, Hostcall::Done, finished)
}

/// Plugins do not survive being told that their answer is not sent as they gave it, so that the host's own log says it.
fn tell_what_is_lost(common: &Common, response: &LocalResponse) {
    let context = common.contexts.context(common.scope.context_id);
    let stream = context.and_then(|context| common.streams.get(context.stream));
    let why = match stream.map(|stream| stream.reply) {
        Some(Reply::Sent) => "a response has begun, so that the stream is reset",
        Some(Reply::Local) => "there is another one already, which is sent",
        Some(Reply::Closed) | None => "there is no stream to answer",
        Some(Reply::Open) if !(200..=599).contains(&response.status) => {
            "its status is none, so that it is 500"
        }
        Some(Reply::Open) => return,
    };
    tracing::debug!(
        plugin = common
            .current_settings()
            .map_or("", |settings| settings.name.as_str()),
        context = common.scope.context_id,
        callback = common.scope.callback,
        status = response.status,
        "the answer of a plugin is not sent as it is: {why}"
    );
}
