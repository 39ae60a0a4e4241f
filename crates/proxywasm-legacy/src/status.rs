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
mod tests {
    use super::*;
    use Hostcall as H;

    /// Refusals of a core that come of the moment, not of an argument that the guest got wrong.
    const OF_THE_MOMENT: [Core; 2] = [Core::InvalidOperation, Core::NotAllowed];

    /// What hostcalls of queues answer where a bound is reached.
    const QUEUES: [(Hostcall, Status); 3] = [
        (H::ResolveSharedQueue, Status::NotFound),
        (H::EnqueueSharedQueue, Status::NotFound),
        (H::DequeueSharedQueue, Status::Empty),
    ];

    /// What the SDK for Rust takes of the hostcalls which a plugin may make at any moment; all else is a trap.
    #[test]
    fn the_rust_sdk_survives_calls_at_the_wrong_moment() {
        let table: &[(Hostcall, &[Status])] = &[
            (H::GetBufferBytes, &[Status::NotFound]),
            (H::GetHeaderMapPairs, &[Status::Ok]),
            (H::GetHeaderMapValue, &[Status::NotFound]),
            (
                H::GetProperty,
                &[
                    Status::NotFound,
                    Status::SerializationFailure,
                    Status::InternalFailure,
                ],
            ),
            (H::SetEffectiveContext, &[Status::BadArgument]),
            (H::GetSharedData, &[Status::NotFound]),
            (H::ResolveSharedQueue, &[Status::NotFound]),
            (H::EnqueueSharedQueue, &[Status::NotFound]),
            (H::DequeueSharedQueue, &[Status::NotFound, Status::Empty]),
            (H::HttpCall, &[Status::BadArgument, Status::InternalFailure]),
            (H::GrpcCall, &[Status::ParseFailure, Status::InternalFailure]),
            (H::GrpcStream, &[Status::ParseFailure, Status::InternalFailure]),
            (H::GrpcSend, &[Status::BadArgument, Status::NotFound]),
            (H::GrpcCancel, &[Status::NotFound]),
            (H::GrpcClose, &[Status::NotFound]),
            (H::GetMetric, &[Status::NotFound, Status::BadArgument]),
            (H::IncrementMetric, &[Status::NotFound, Status::BadArgument]),
            (H::RecordMetric, &[Status::NotFound]),
            (H::CallForeignFunction, &[Status::NotFound, Status::BadArgument]),
        ];
        for (hostcall, listed) in table {
            for status in OF_THE_MOMENT {
                let answer = translate(*hostcall, status);
                assert!(listed.contains(&answer), "{hostcall:?} {status:?}: {answer:?}");
            }
        }
        // A queue may be full, or out of reach, at any moment too.
        for (hostcall, expected) in QUEUES {
            assert_eq!(translate(hostcall, Core::Unavailable), expected, "{hostcall:?}");
        }
        for hostcall in [H::ContinueStream, H::CloseStream, H::SendLocalResponse] {
            assert_eq!(translate(hostcall, Core::InvalidOperation), Status::Ok);
        }
    }

    #[test]
    fn what_holds_of_every_hostcall() {
        let table = [
            (Core::Ok, Status::Ok),
            (Core::InvalidMemoryAccess, Status::InvalidMemoryAccess),
            (Core::InternalFailure, Status::InternalFailure),
            (Core::Unavailable, Status::InternalFailure),
            (Core::NotFound, Status::NotFound),
            (Core::Empty, Status::Empty),
            (Core::CasMismatch, Status::CasMismatch),
            (Core::Unimplemented, Status::Unimplemented),
        ];
        let of_grpc = [
            H::GrpcCall,
            H::GrpcStream,
            H::GrpcSend,
            H::GrpcCancel,
            H::GrpcClose,
        ];
        for hostcall in H::ALL.iter().filter(|hostcall| !of_grpc.contains(hostcall)) {
            for (core, status) in table {
                let of_queue = QUEUES.iter().any(|(queue, _)| queue == hostcall);
                if (*hostcall, core) == (H::HttpCall, Core::NotFound) || of_queue && core == Core::Unavailable
                {
                    continue;
                }
                assert_eq!(translate(*hostcall, core), status, "{hostcall:?} {core:?}");
            }
        }
        // A change that would be lost is never silent.
        let changes = [
            H::AddHeaderMapValue,
            H::ReplaceHeaderMapValue,
            H::RemoveHeaderMapValue,
            H::SetHeaderMapPairs,
            H::SetBufferBytes,
            H::SetProperty,
        ];
        for hostcall in changes {
            for core in [Core::InvalidOperation, Core::NotAllowed, Core::BadArgument] {
                assert_eq!(
                    translate(hostcall, core),
                    Status::BadArgument,
                    "{hostcall:?} {core:?}"
                );
            }
        }
    }
}
