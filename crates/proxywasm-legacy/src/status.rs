//! Statuses of the older ABIs, and how those of the cores become them.

use crate::hostcall::Hostcall;
use wasi_common::Status as Core;

/// A status of ABI 0.1.0 to 0.2.1. Three numbers between them were never returned by any host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// The call was carried out.
    Ok = 0,
    /// What was asked for is not there.
    NotFound = 1,
    /// An argument is not valid, or not now.
    BadArgument = 2,
    /// A value cannot be brought into the form in which plugins get it.
    SerializationFailure = 3,
    /// An argument is malformed.
    ParseFailure = 4,
    /// An address is outside of the guest's memory.
    InvalidMemoryAccess = 6,
    /// A queue is empty.
    Empty = 7,
    /// A value has changed in the meantime.
    CasMismatch = 8,
    /// The host cannot do this, for a reason that is not the arguments'.
    InternalFailure = 10,
    /// The host does not offer this.
    Unimplemented = 12,
}

/// The status that a hostcall of the older ABIs returns where the core answers `status`.
///
/// The SDK for Rust traps on every status but those it lists for a hostcall. Hence what is not there is `NotFound` or `Ok` with
/// nothing wherever that is listed, and a call that acts on a stream which has none, or no longer, is `Ok` and does nothing, as in
/// other hosts. A change of what has gone on is `BadArgument` all the same: silence would lose it.
pub fn translate(hostcall: Hostcall, status: Core) -> Status {
    use Hostcall as H;
    match (hostcall, status) {
        (_, Core::Ok) => Status::Ok,
        (_, Core::InvalidMemoryAccess) => Status::InvalidMemoryAccess,
        // A queue that is full, too large an item, a queue out of reach: what the SDK for Rust does not trap on comes nearest.
        (H::EnqueueSharedQueue | H::ResolveSharedQueue, Core::Unavailable) => Status::NotFound,
        (H::DequeueSharedQueue, Core::Unavailable) => Status::Empty,
        // The SDK for Rust traps on all but these.
        (H::GrpcCall | H::GrpcStream, Core::NotFound | Core::BadArgument | Core::BufferTooSmall) => {
            Status::ParseFailure
        }
        (H::GrpcCall | H::GrpcStream, _) => Status::InternalFailure,
        (H::GrpcSend, _) => Status::BadArgument,
        (H::GrpcCancel | H::GrpcClose, _) => Status::NotFound,
        (_, Core::InternalFailure | Core::Unavailable) => Status::InternalFailure,
        (_, Core::CasMismatch) => Status::CasMismatch,
        (_, Core::Unimplemented) => Status::Unimplemented,
        // An upstream that there is not.
        (H::HttpCall, Core::NotFound) => Status::BadArgument,
        (_, Core::NotFound) => Status::NotFound,
        // A function that a plugin may not call is none that it knows of.
        (H::CallForeignFunction, Core::NotAllowed) => Status::NotFound,
        (_, Core::Empty) => Status::Empty,
        (
            H::ContinueStream
            | H::ContinueRequest
            | H::ContinueResponse
            | H::ResumeDownstream
            | H::ResumeUpstream
            | H::CloseStream
            | H::SendLocalResponse,
            Core::InvalidOperation,
        ) => Status::Ok,
        (
            H::GetHeaderMapPairs,
            Core::BadArgument | Core::NotAllowed | Core::InvalidOperation | Core::BufferTooSmall,
        ) => Status::Ok,
        (
            H::GetHeaderMapValue
            | H::GetBufferBytes
            | H::GetBufferStatus
            | H::GetProperty
            | H::GetSharedData
            | H::ResolveSharedQueue
            | H::EnqueueSharedQueue
            | H::DequeueSharedQueue
            | H::RecordMetric
            | H::RemoveMetric
            | H::RemoveSharedQueue
            | H::Done,
            Core::BadArgument | Core::NotAllowed | Core::InvalidOperation | Core::BufferTooSmall,
        ) => Status::NotFound,
        (_, Core::BadArgument | Core::NotAllowed | Core::InvalidOperation | Core::BufferTooSmall) => {
            Status::BadArgument
        }
    }
}

#[cfg(test)]
mod tests;
