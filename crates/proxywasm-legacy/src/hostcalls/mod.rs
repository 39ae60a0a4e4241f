//! The hostcalls: decode, add the effective context, call the core, encode.

mod authority;
mod buffers;
mod functions;
mod grpc;
mod http_call;
mod log_and_time;
mod maps;
mod metrics;
mod misc;
mod older;
mod overloads;
mod properties;
mod queues;
mod shared_data;
mod stream;
mod ticks;

pub use misc::AbortError;
pub use overloads::link_overloads;

use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Outcome, Return, Span, delivered, number};
use crate::status::{Status, translate};
use crate::view::{LegacyParts, LegacyView};
use std::fmt::Debug;
use wasi_common::packed::PackedError;
use wasi_common::{BufferType, Common, MapType, Status as Core};
use wasmtime::{Caller, Linker};

/// Adds the hostcalls of ABI 0.1.0 to 0.2.1, those of [`Hostcall`], under their names and under [`ALIASES`](crate::ALIASES).
///
/// # Errors
/// The linker has one of them already.
pub fn add_to_linker<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    add_maps(linker)?;
    add_buffers_and_properties(linker)?;
    add_streams(linker)?;
    add_calls(linker)?;
    grpc::add(linker)?;
    shared_data::add(linker)?;
    queues::add(linker)?;
    ticks::add(linker)?;
    metrics::add(linker)?;
    functions::add(linker)?;
    older::add(linker)?;
    add_runtime(linker)?;
    overloads::add_aliases(linker)
}

fn add_maps<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::GetHeaderMapSize.name(),
            |caller: Caller<'_, T>, map: u32, size: u32| number(maps::size(caller, map, size)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetHeaderMapPairs.name(),
            |caller: Caller<'_, T>, map: u32, address: u32, len: u32| {
                delivered(maps::pairs(caller, map, Return::new(address, len)))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::SetHeaderMapPairs.name(),
            |caller: Caller<'_, T>, map: u32, block: u32, len: u32| {
                number(maps::set_pairs(caller, map, Span::new(block, len)))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetHeaderMapValue.name(),
            |caller: Caller<'_, T>, map: u32, key: u32, key_len: u32, address: u32, len: u32| {
                delivered(maps::value(
                    caller,
                    map,
                    Span::new(key, key_len),
                    Return::new(address, len),
                ))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::AddHeaderMapValue.name(),
            |caller: Caller<'_, T>, map: u32, key: u32, key_len: u32, value: u32, value_len: u32| {
                number(maps::add(
                    caller,
                    map,
                    Span::new(key, key_len),
                    Span::new(value, value_len),
                ))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::ReplaceHeaderMapValue.name(),
            |caller: Caller<'_, T>, map: u32, key: u32, key_len: u32, value: u32, value_len: u32| {
                number(maps::replace(
                    caller,
                    map,
                    Span::new(key, key_len),
                    Span::new(value, value_len),
                ))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::RemoveHeaderMapValue.name(),
            |caller: Caller<'_, T>, map: u32, key: u32, key_len: u32| {
                number(maps::remove(caller, map, Span::new(key, key_len)))
            },
        )?;
    Ok(())
}

fn add_buffers_and_properties<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::GetBufferBytes.name(),
            |caller: Caller<'_, T>, buffer: u32, start: u32, max: u32, address: u32, len: u32| {
                delivered(buffers::get(
                    caller,
                    buffer,
                    start,
                    max,
                    Return::new(address, len),
                ))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetBufferStatus.name(),
            |caller: Caller<'_, T>, buffer: u32, len: u32, flags: u32| {
                number(buffers::status(caller, buffer, len, flags))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::SetBufferBytes.name(),
            |caller: Caller<'_, T>, buffer: u32, start: u32, size: u32, content: u32, len: u32| {
                number(buffers::set(caller, buffer, start, size, Span::new(content, len)))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetProperty.name(),
            |caller: Caller<'_, T>, path: u32, path_len: u32, address: u32, len: u32| {
                delivered(properties::get(
                    caller,
                    Span::new(path, path_len),
                    Return::new(address, len),
                ))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::SetProperty.name(),
            |caller: Caller<'_, T>, path: u32, path_len: u32, value: u32, value_len: u32| {
                number(properties::set(
                    caller,
                    Span::new(path, path_len),
                    Span::new(value, value_len),
                ))
            },
        )?;
    Ok(())
}

fn add_streams<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::ContinueStream.name(),
            |caller: Caller<'_, T>, stream: u32| number(stream::resume(caller, stream)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::CloseStream.name(),
            |caller: Caller<'_, T>, stream: u32| number(stream::close(caller, stream)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::SendLocalResponse.name(),
            |caller: Caller<'_, T>,
             status: u32,
             details: u32,
             details_len: u32,
             body: u32,
             body_len: u32,
             headers: u32,
             headers_len: u32,
             grpc_status: i32| {
                let response = stream::Response {
                    status,
                    details: Span::new(details, details_len),
                    body: Span::new(body, body_len),
                    headers: Span::new(headers, headers_len),
                    grpc_status,
                };
                number(stream::respond(caller, response))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::SetEffectiveContext.name(),
            |caller: Caller<'_, T>, context_id: u32| {
                number(stream::set_effective_context(caller, context_id))
            },
        )?
        .func_wrap(MODULE, Hostcall::Done.name(), |caller: Caller<'_, T>| {
            number(stream::done(caller))
        })?;
    Ok(())
}

fn add_calls<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::HttpCall.name(),
            |caller: Caller<'_, T>,
             upstream: u32,
             upstream_len: u32,
             headers: u32,
             headers_len: u32,
             body: u32,
             body_len: u32,
             trailers: u32,
             trailers_len: u32,
             timeout: u32,
             return_token: u32| {
                let request = http_call::Request {
                    upstream: Span::new(upstream, upstream_len),
                    headers: Span::new(headers, headers_len),
                    body: Span::new(body, body_len),
                    trailers: Span::new(trailers, trailers_len),
                    timeout,
                    return_token,
                };
                number(http_call::dispatch(caller, request))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetStatus.name(),
            |caller: Caller<'_, T>, code: u32, message: u32, len: u32| {
                delivered(misc::call_status(caller, code, Return::new(message, len)))
            },
        )?;
    Ok(())
}

fn add_runtime<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::Log.name(),
            |caller: Caller<'_, T>, level: u32, message: u32, len: u32| {
                number(log_and_time::log(caller, level, Span::new(message, len)))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetLogLevel.name(),
            |caller: Caller<'_, T>, level: u32| number(log_and_time::level(caller, level)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::GetCurrentTimeNanoseconds.name(),
            |caller: Caller<'_, T>, time: u32| number(log_and_time::time(caller, time)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::Abort.name(),
            |caller: Caller<'_, T>,
             message: u32,
             file: u32,
             line: u32,
             column: u32|
             -> wasmtime::Result<()> {
                Err(misc::abort(caller, message, file, (line, column)).into())
            },
        )?
        .func_wrap(MODULE, Hostcall::NotifyMemoryGrowth.name(), |_memory: u32| {})?
        .func_wrap(MODULE, Hostcall::PthreadEqual.name(), |a: u32, b: u32| {
            u32::from(a == b)
        })?;
    Ok(())
}

/// The id under which a map goes: that of the callout whose callback is running, whichever context is effective, or the effective
/// context. 0, which is no id, where no callback of a callout is running.
#[inline]
fn owner_of_map(parts: &LegacyParts<'_>, map: MapType) -> u32 {
    match map {
        MapType::HttpCallResponseHeaders
        | MapType::HttpCallResponseTrailers
        | MapType::GrpcInitialMetadata
        | MapType::GrpcTrailingMetadata => parts.legacy.callout.unwrap_or(0),
        _ => parts.common.scope.context_id,
    }
}

/// As [`owner_of_map`], for buffers.
#[inline]
fn owner_of_buffer(parts: &LegacyParts<'_>, buffer: BufferType) -> u32 {
    match buffer {
        BufferType::HttpCallResponseBody | BufferType::GrpcMessage => parts.legacy.callout.unwrap_or(0),
        BufferType::CustomParameters => {
            let running = parts.common.custom_parameters.as_ref();
            running.map_or(0, |parameters| parameters.callback_id)
        }
        _ => parts.common.scope.context_id,
    }
}

/// The status for what a core refused; says in the host's own log what a plugin may not learn from it.
#[cold]
fn refused(common: &Common, hostcall: Hostcall, status: Core) -> Status {
    // The guest gave no id, so its effective context is no bad argument; that of a plugin is one of another kind.
    let of_no_stream = common.contexts.context(common.scope.context_id).is_none();
    let status = match status {
        Core::BadArgument if of_no_stream => Core::InvalidOperation,
        status => status,
    };
    let answer = translate(hostcall, status);
    if answer != Status::NotFound {
        tracing::debug!(
            plugin = common.current_settings().map_or("", |settings| settings.name.as_str()),
            context = common.scope.context_id,
            callback = common.scope.callback,
            hostcall = hostcall.name(),
            reason = ?status,
            ?answer,
            "a hostcall had no effect"
        );
    }
    answer
}

/// The status for a block that is no map; says in the host's own log what is wrong with it.
#[cold]
fn malformed(common: &Common, hostcall: Hostcall, error: PackedError) -> Status {
    tracing::debug!(
        plugin = common.current_settings().map_or("", |settings| settings.name.as_str()),
        callback = common.scope.callback,
        hostcall = hostcall.name(),
        %error,
        "a plugin gave a malformed map"
    );
    Status::BadArgument
}

/// The result of a core as that of a hostcall.
#[inline]
fn outcome(common: &Common, hostcall: Hostcall, result: Result<(), Core>) -> Outcome {
    match result {
        Ok(()) => Ok(()),
        Err(status) => match refused(common, hostcall, status) {
            Status::Ok => Ok(()),
            status => Err(status),
        },
    }
}

/// As [`outcome`], for a change of `what`. A plugin may not survive the status, so that the first refusal by each hostcall is not left
/// to the debug log.
fn changed(
    parts: &mut LegacyParts<'_>,
    hostcall: Hostcall,
    what: &dyn Debug,
    result: Result<(), Core>,
) -> Outcome {
    let outcome = outcome(parts.common, hostcall, result);
    if let Err(answer) = outcome
        && parts.legacy.told.insert(hostcall.name())
    {
        let settings = parts.common.current_settings();
        tracing::warn!(
            plugin = settings.map_or("", |settings| settings.name.as_str()),
            context = parts.common.scope.context_id,
            callback = parts.common.scope.callback,
            hostcall = hostcall.name(),
            ?what,
            reason = ?result,
            ?answer,
            "a plugin tried to change what it cannot change, or not now"
        );
    }
    outcome
}
