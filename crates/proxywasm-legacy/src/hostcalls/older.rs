//! The hostcalls that only ABI 0.1.0 has, and those that only the first host of MOSN had beside it.

use super::buffers;
use super::stream::resume_type;
use super::{metrics, queues};
use crate::hostcall::{Hostcall, MODULE};
use crate::memory::{Outcome, Return, delivered, enter, number};
use crate::numbers::StreamType;
use crate::view::LegacyView;
use wasi_bytestream::Side;
use wasi_common::Direction;
use wasmtime::{Caller, Linker};

/// Adds these hostcalls.
pub(super) fn add<T: LegacyView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker
        .func_wrap(
            MODULE,
            Hostcall::GetConfiguration.name(),
            |caller: Caller<'_, T>, address: u32, len: u32| {
                delivered(buffers::configuration(caller, Return::new(address, len)))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::ContinueRequest.name(),
            |caller: Caller<'_, T>| number(continue_request(caller)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::ContinueResponse.name(),
            |caller: Caller<'_, T>| number(continue_response(caller)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::ClearRouteCache.name(),
            |caller: Caller<'_, T>| number(clear_route_cache(caller)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::ResumeDownstream.name(),
            |caller: Caller<'_, T>| {
                number(resume_type(
                    caller,
                    Hostcall::ResumeDownstream,
                    StreamType::Bytestream(Side::Downstream),
                ))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::ResumeUpstream.name(),
            |caller: Caller<'_, T>| {
                number(resume_type(
                    caller,
                    Hostcall::ResumeUpstream,
                    StreamType::Bytestream(Side::Upstream),
                ))
            },
        )?
        .func_wrap(
            MODULE,
            Hostcall::RemoveMetric.name(),
            |caller: Caller<'_, T>, metric: u32| number(metrics::remove(caller, metric)),
        )?
        .func_wrap(
            MODULE,
            Hostcall::RemoveSharedQueue.name(),
            |caller: Caller<'_, T>, queue: u32| number(queues::remove(caller, queue)),
        )?;
    Ok(())
}

pub(super) fn continue_request<T: LegacyView + 'static>(caller: Caller<'_, T>) -> Outcome {
    let request = StreamType::Http(Direction::Request);
    resume_type(caller, Hostcall::ContinueRequest, request)
}

pub(super) fn continue_response<T: LegacyView + 'static>(caller: Caller<'_, T>) -> Outcome {
    let response = StreamType::Http(Direction::Response);
    resume_type(caller, Hostcall::ContinueResponse, response)
}

/// There is none: where a request goes is decided when its headers have left the last plugin, so that every change of them counts.
pub(super) fn clear_route_cache<T: LegacyView + 'static>(mut caller: Caller<'_, T>) -> Outcome {
    enter(&mut caller)?;
    Ok(())
}
