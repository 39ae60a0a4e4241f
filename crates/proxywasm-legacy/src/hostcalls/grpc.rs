//! gRPC calls and streams of plugins.

use crate::grpc_service::cluster_name;
use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Outcome, Span, enter, number, write_u32};
use crate::status::{Status, translate};
use crate::view::LegacyView;
use bytes::Bytes;
use std::time::Duration;
use wasi_common::packed::{Layout, unpack};
use wasi_common::{CalloutKind, Common, Status as Core};
use wasi_grpc::Target;
use wasmtime::{Caller, Linker};

/// Where a plugin wants to call.
#[derive(Clone, Copy)]
struct Method {
    upstream: Span,
    service: Span,
    method: Span,
    metadata: Span,
}

/// The message of a unary call, and how long it may take in milliseconds; 0 for the host's default.
#[derive(Clone, Copy)]
struct Unary {
    message: Span,
    timeout: u32,
}

/// Adds the hostcalls of gRPC.
pub(super) fn add<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::GrpcCall.name(),
            |caller: Caller<'_, T>,
             upstream: u32,
             upstream_len: u32,
             service: u32,
             service_len: u32,
             method: u32,
             method_len: u32,
             metadata: u32,
             metadata_len: u32,
             message: u32,
             message_len: u32,
             timeout: u32,
             return_token: u32| {
                let method = Method {
                    upstream: Span::new(upstream, upstream_len),
                    service: Span::new(service, service_len),
                    method: Span::new(method, method_len),
                    metadata: Span::new(metadata, metadata_len),
                };
                let message = Span::new(message, message_len);
                let unary = Unary { message, timeout };
                number(begin(caller, method, Some(unary), return_token))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GrpcStream.name(),
            |caller: Caller<'_, T>,
             upstream: u32,
             upstream_len: u32,
             service: u32,
             service_len: u32,
             method: u32,
             method_len: u32,
             metadata: u32,
             metadata_len: u32,
             return_token: u32| {
                let method = Method {
                    upstream: Span::new(upstream, upstream_len),
                    service: Span::new(service, service_len),
                    method: Span::new(method, method_len),
                    metadata: Span::new(metadata, metadata_len),
                };
                number(begin(caller, method, None, return_token))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GrpcSend.name(),
            |caller: Caller<'_, T>, token: u32, message: u32, message_len: u32, end_of_stream: u32| {
                let message = Span::new(message, message_len);
                number(send(caller, token, message, end_of_stream != 0))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GrpcCancel.name(),
            |caller: Caller<'_, T>, token: u32| number(cancel(caller, token)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::GrpcClose.name(),
            |caller: Caller<'_, T>, token: u32| number(close(caller, token)),
        )?;
    Ok(())
}

/// Makes a call, or opens a stream, without metadata. The arguments are those of the hostcall but for the metadata.
pub(super) fn begin_without_metadata<T: LegacyView + 'static>(
    caller: Caller<'_, T>,
    arguments: &[u32],
) -> Outcome {
    let &[
        upstream,
        upstream_len,
        service,
        service_len,
        method,
        method_len,
        ref rest @ ..,
    ] = arguments
    else {
        return Err(Status::InternalFailure);
    };
    let method = Method {
        upstream: Span::new(upstream, upstream_len),
        service: Span::new(service, service_len),
        method: Span::new(method, method_len),
        metadata: Span::new(0, 0),
    };
    match *rest {
        [message, message_len, timeout, return_token] => {
            let message = Span::new(message, message_len);
            begin(caller, method, Some(Unary { message, timeout }), return_token)
        }
        [return_token] => begin(caller, method, None, return_token),
        _ => Err(Status::InternalFailure),
    }
}

/// Makes a unary call, or opens a stream.
fn begin<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    method: Method,
    unary: Option<Unary>,
    return_token: u32,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    // A place that cannot be written to is found out before anything is sent.
    write_u32(memory, return_token, 0)?;
    let hostcall = match unary {
        Some(_) => Hostcall::GrpcCall,
        None => Hostcall::GrpcStream,
    };
    let metadata = unpack(method.metadata.bytes(memory)?, Layout::NulTerminated).map_err(|error| {
        super::malformed(parts.common, hostcall, error);
        Status::ParseFailure
    })?;
    let upstream = method.upstream.bytes(memory)?;
    let described = cluster_name(upstream);
    let target = Target {
        upstream: described.unwrap_or(upstream),
        service: method.service.bytes(memory)?,
        method: method.method.bytes(memory)?,
        metadata: &metadata,
    };
    let begun = match unary {
        Some(Unary { message, timeout }) => {
            let message = Bytes::copy_from_slice(message.bytes(memory)?);
            let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
            parts.grpc.dispatch_call(parts.common, target, message, timeout)
        }
        None => parts.grpc.open_stream(parts.common, target),
    };
    match begun {
        Ok(callout_id) => write_u32(memory, return_token, callout_id),
        // A description is no malformed name, whatever it names.
        Err(Core::NotFound) if described.is_some() => {
            refused(parts.common, hostcall, Core::NotFound);
            Err(Status::InternalFailure)
        }
        Err(status) => Err(refused(parts.common, hostcall, status)),
    }
}

/// Sends a message, unless there is none: address 0 and length 0.
fn send<T: LegacyView + 'static>(
    mut caller: Caller<'_, T>,
    token: u32,
    message: Span,
    end_of_stream: bool,
) -> Outcome {
    let (memory, parts) = enter(&mut caller)?;
    let bytes = message.bytes(memory)?;
    let message = (message.address != 0 || message.len != 0).then(|| Bytes::copy_from_slice(bytes));
    // Only here the older ABIs tell an unknown number from one of another kind.
    if parts.grpc.kind(parts.common, token) == Err(Core::BadArgument) {
        return Err(Status::NotFound);
    }
    let sent = parts.grpc.send(parts.common, token, message, end_of_stream);
    if sent == Err(Core::Unavailable) {
        // The status that plugins get for it does not tell, so it is not left to the debug log alone.
        tracing::warn!(
            plugin = name(parts.common),
            token,
            "a message cannot be sent on a gRPC stream: too much waits to be sent"
        );
    }
    sent.map_err(|status| refused(parts.common, Hostcall::GrpcSend, status))
}

/// Gives a call or a stream up. No callback follows.
fn cancel<T: LegacyView + 'static>(mut caller: Caller<'_, T>, token: u32) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let cancelled = parts.grpc.close(parts.common, token, None);
    cancelled.map_err(|status| refused(parts.common, Hostcall::GrpcCancel, status))
}

/// Ends the sending direction of a stream, if it has not ended, and gives a call up.
fn close<T: LegacyView + 'static>(mut caller: Caller<'_, T>, token: u32) -> Outcome {
    let (_, parts) = enter(&mut caller)?;
    let closed = match parts.grpc.kind(parts.common, token) {
        Ok(CalloutKind::GrpcStream) => match parts.grpc.send(parts.common, token, None, true) {
            Err(Core::InvalidOperation) => Ok(()),
            closed => closed,
        },
        Ok(_) => parts.grpc.close(parts.common, token, None),
        Err(status) => Err(status),
    };
    closed.map_err(|status| refused(parts.common, Hostcall::GrpcClose, status))
}

/// The status for what the core refused; says in the host's own log what a plugin may not learn from it.
#[cold]
fn refused(common: &Common, hostcall: Hostcall, status: Core) -> Status {
    let answer = translate(hostcall, status);
    tracing::debug!(
        plugin = name(common),
        callback = common.scope.callback,
        hostcall = hostcall.name(),
        reason = ?status,
        ?answer,
        "a hostcall had no effect"
    );
    answer
}

fn name(common: &Common) -> &str {
    common
        .current_settings()
        .map_or("", |settings| settings.name.as_str())
}
