//! The enumerations of the older ABIs. A number that is none of theirs is a bad argument.

use crate::status::Status;
use wasi_bytestream::Side;
use wasi_common::{BufferType, Direction, LogLevel, MapType, MetricType};

/// A buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffer {
    /// The configuration of the instance, which the component ABI does not have.
    VmConfiguration,
    /// One that the component ABI has too.
    Core(BufferType),
}

/// A stream that can be continued or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamType {
    /// A direction of an HTTP stream.
    Http(Direction),
    /// A connection of a byte stream, or what comes from it.
    Bytestream(Side),
}

pub(crate) fn buffer(number: u32) -> Result<Buffer, Status> {
    let buffer = match number {
        0 => BufferType::HttpRequestBody,
        1 => BufferType::HttpResponseBody,
        2 => BufferType::DownstreamData,
        3 => BufferType::UpstreamData,
        4 => BufferType::HttpCallResponseBody,
        5 => BufferType::GrpcMessage,
        6 => return Ok(Buffer::VmConfiguration),
        7 => BufferType::PluginConfiguration,
        8 => BufferType::CustomParameters,
        _ => return Err(Status::BadArgument),
    };
    Ok(Buffer::Core(buffer))
}

#[inline]
pub(crate) fn map(number: u32) -> Result<MapType, Status> {
    match number {
        0 => Ok(MapType::HttpRequestHeaders),
        1 => Ok(MapType::HttpRequestTrailers),
        2 => Ok(MapType::HttpResponseHeaders),
        3 => Ok(MapType::HttpResponseTrailers),
        4 => Ok(MapType::GrpcInitialMetadata),
        5 => Ok(MapType::GrpcTrailingMetadata),
        6 => Ok(MapType::HttpCallResponseHeaders),
        7 => Ok(MapType::HttpCallResponseTrailers),
        _ => Err(Status::BadArgument),
    }
}

pub(crate) fn stream(number: u32) -> Result<StreamType, Status> {
    match number {
        0 => Ok(StreamType::Http(Direction::Request)),
        1 => Ok(StreamType::Http(Direction::Response)),
        2 => Ok(StreamType::Bytestream(Side::Downstream)),
        3 => Ok(StreamType::Bytestream(Side::Upstream)),
        _ => Err(Status::BadArgument),
    }
}

pub(crate) fn metric_type(number: u32) -> Result<MetricType, Status> {
    match number {
        0 => Ok(MetricType::Counter),
        1 => Ok(MetricType::Gauge),
        2 => Ok(MetricType::Histogram),
        _ => Err(Status::BadArgument),
    }
}

pub(crate) fn log_level(number: u32) -> Result<LogLevel, Status> {
    match number {
        0 => Ok(LogLevel::Trace),
        1 => Ok(LogLevel::Debug),
        2 => Ok(LogLevel::Info),
        3 => Ok(LogLevel::Warn),
        4 => Ok(LogLevel::Error),
        5 => Ok(LogLevel::Critical),
        _ => Err(Status::BadArgument),
    }
}

pub(crate) fn log_level_number(level: LogLevel) -> u32 {
    match level {
        LogLevel::Trace => 0,
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
        LogLevel::Critical => 5,
    }
}
