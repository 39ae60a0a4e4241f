use super::*;
use Core::{
    BadArgument as Bad, CasMismatch as Cas, Empty, InternalFailure as Internal, InvalidOperation as Invalid,
    NotAllowed as Denied, NotFound as Absent, Unavailable,
};
use Hostcall as H;

/// What is said of one hostcall.
struct Row {
    hostcall: Hostcall,
    /// What the crate `proxy-wasm` takes besides `Ok`; on all else it panics, which is the end of the instance. What it does not call is
    /// as its nearest relative.
    taken: &'static [Status],
    /// What the core can refuse with. What never comes to it is not counted, as no SDK gives it: an address outside of the memory, a
    /// number that is none of an enumeration, a malformed map.
    reachable: &'static [Core],
}

const fn row(hostcall: Hostcall, taken: &'static [Status], reachable: &'static [Core]) -> Row {
    Row {
        hostcall,
        taken,
        reachable,
    }
}

const NOT_FOUND: &[Status] = &[Status::NotFound];
const NOTHING: &[Core] = &[];
/// What comes of the moment: the context is of another kind, or what it is about has not come or has gone.
const MOMENT: &[Core] = &[Bad, Denied, Invalid];
/// The same, and a bound.
const CHANGE: &[Core] = &[Bad, Denied, Invalid, Unavailable];

const ROWS: &[Row] = &[
    row(H::Abort, &[], NOTHING),
    row(H::NotifyMemoryGrowth, &[], NOTHING),
    row(H::PthreadEqual, &[], NOTHING),
    row(H::Log, &[], NOTHING),
    row(H::GetLogLevel, &[], NOTHING),
    row(H::GetCurrentTimeNanoseconds, &[], NOTHING),
    row(H::SetTickPeriodMilliseconds, &[], &[Unavailable]),
    row(H::GetConfiguration, &[], NOTHING),
    row(H::GetStatus, &[], NOTHING),
    row(
        H::GetProperty,
        &[
            Status::NotFound,
            Status::SerializationFailure,
            Status::InternalFailure,
        ],
        &[Absent, Bad, Denied, Internal],
    ),
    row(H::SetProperty, &[], &[Bad, Denied, Unavailable]),
    row(H::GetBufferBytes, NOT_FOUND, MOMENT),
    row(H::GetBufferStatus, NOT_FOUND, MOMENT),
    row(H::SetBufferBytes, &[], CHANGE),
    row(H::GetHeaderMapSize, &[], MOMENT),
    row(H::GetHeaderMapPairs, &[], MOMENT),
    row(H::GetHeaderMapValue, NOT_FOUND, MOMENT),
    row(H::SetHeaderMapPairs, &[], CHANGE),
    row(H::AddHeaderMapValue, &[], CHANGE),
    row(H::ReplaceHeaderMapValue, &[], CHANGE),
    row(H::RemoveHeaderMapValue, &[], CHANGE),
    row(H::ContinueStream, &[], &[Invalid]),
    row(H::ContinueRequest, &[], &[Invalid]),
    row(H::ContinueResponse, &[], &[Invalid]),
    row(H::ResumeDownstream, &[], &[Invalid]),
    row(H::ResumeUpstream, &[], &[Invalid]),
    row(H::CloseStream, &[], &[Invalid]),
    row(H::ClearRouteCache, &[], NOTHING),
    row(H::SendLocalResponse, &[], &[Bad, Invalid, Unavailable]),
    row(H::SetEffectiveContext, &[Status::BadArgument], &[Bad, Denied]),
    row(H::Done, &[], &[Invalid]),
    row(
        H::HttpCall,
        &[Status::BadArgument, Status::InternalFailure],
        &[Bad, Absent, Denied, Invalid, Unavailable],
    ),
    row(
        H::GrpcCall,
        &[Status::ParseFailure, Status::InternalFailure],
        &[Bad, Absent, Denied, Invalid, Unavailable],
    ),
    row(
        H::GrpcStream,
        &[Status::ParseFailure, Status::InternalFailure],
        &[Bad, Absent, Denied, Invalid, Unavailable],
    ),
    row(
        H::GrpcSend,
        &[Status::BadArgument, Status::NotFound],
        &[Bad, Denied, Invalid, Unavailable],
    ),
    row(H::GrpcCancel, NOT_FOUND, &[Bad, Denied]),
    row(H::GrpcClose, NOT_FOUND, &[Bad, Denied, Unavailable]),
    row(H::GetSharedData, NOT_FOUND, &[Absent, Unavailable]),
    row(H::SetSharedData, &[Status::CasMismatch], &[Cas, Unavailable]),
    row(H::RegisterSharedQueue, &[], &[Denied, Unavailable]),
    row(H::ResolveSharedQueue, NOT_FOUND, &[Absent, Denied, Unavailable]),
    row(H::EnqueueSharedQueue, NOT_FOUND, &[Absent, Denied, Unavailable]),
    row(
        H::DequeueSharedQueue,
        &[Status::NotFound, Status::Empty],
        &[Absent, Denied, Empty, Unavailable],
    ),
    row(H::RemoveSharedQueue, NOT_FOUND, &[Absent, Denied, Unavailable]),
    row(H::DefineMetric, &[], &[Bad, Denied, Unavailable]),
    row(
        H::IncrementMetric,
        &[Status::NotFound, Status::BadArgument],
        &[Bad, Denied, Invalid],
    ),
    row(H::RecordMetric, NOT_FOUND, &[Bad, Denied, Invalid]),
    row(
        H::GetMetric,
        &[Status::NotFound, Status::BadArgument],
        &[Bad, Denied, Invalid],
    ),
    row(H::RemoveMetric, NOT_FOUND, &[Bad, Denied]),
    row(
        H::CallForeignFunction,
        &[
            Status::NotFound,
            Status::BadArgument,
            Status::SerializationFailure,
            Status::InternalFailure,
        ],
        &[Absent, Bad, Denied, Invalid, Internal, Unavailable],
    ),
];

/// Where a status that ends a plugin of the SDK for Rust is the right one all the same: the hostcalls, what the core answers, what the
/// plugin gets, and why.
const EXCEPTIONS: &[(&[Hostcall], &[Core], Status, &str)] = &[
    (
        &[
            H::SetBufferBytes,
            H::SetHeaderMapPairs,
            H::AddHeaderMapValue,
            H::ReplaceHeaderMapValue,
            H::RemoveHeaderMapValue,
        ],
        MOMENT,
        Status::BadArgument,
        "a change of what has gone on, or that no message can have, would be lost in silence; other hosts answer the same",
    ),
    (
        &[
            H::SetBufferBytes,
            H::SetHeaderMapPairs,
            H::AddHeaderMapValue,
            H::ReplaceHeaderMapValue,
            H::RemoveHeaderMapValue,
            H::SetProperty,
            H::SendLocalResponse,
        ],
        &[Unavailable],
        Status::InternalFailure,
        "what is beyond a bound is not kept, and a plugin that goes on as if it were does not do what it is there for",
    ),
    (
        &[H::SetProperty],
        &[Bad, Denied],
        Status::BadArgument,
        "a property of the host cannot be set, as in other hosts",
    ),
    (
        &[H::SendLocalResponse],
        &[Bad],
        Status::BadArgument,
        "headers with line breaks would be another message",
    ),
    (
        &[H::GetHeaderMapSize],
        MOMENT,
        Status::BadArgument,
        "as other hosts; the SDK for Rust does not call it",
    ),
    (
        &[H::Done],
        &[Invalid],
        Status::NotFound,
        "nothing was put off, which the text of the ABI says so",
    ),
    (
        &[H::GetSharedData, H::SetSharedData, H::SetTickPeriodMilliseconds],
        &[Unavailable],
        Status::InternalFailure,
        "a value that cannot be read is not absent, and one that was not written not there; a tick that never comes is no tick",
    ),
    (
        &[H::RegisterSharedQueue],
        &[Denied],
        Status::BadArgument,
        "without the queue the plugin has no id to go on with",
    ),
    (
        &[H::RegisterSharedQueue, H::RemoveSharedQueue],
        &[Unavailable],
        Status::InternalFailure,
        "without the queue the plugin has no id to go on with; one that cannot be reached is not gone",
    ),
    (
        &[H::DefineMetric],
        &[Bad, Denied],
        Status::BadArgument,
        "a name that is another metric's, or none: its figures would be counted as the other's, or nowhere",
    ),
    (
        &[H::DefineMetric],
        &[Unavailable],
        Status::InternalFailure,
        "without the metric the plugin has no id to go on with",
    ),
];

#[test]
fn the_rust_sdk_survives_what_it_can() {
    for Row {
        hostcall,
        taken,
        reachable,
    } in ROWS
    {
        for core in *reachable {
            let answer = translate(*hostcall, *core);
            let survives = answer == Status::Ok || taken.contains(&answer);
            let exceptions = EXCEPTIONS
                .iter()
                .filter(|(hostcalls, cores, ..)| hostcalls.contains(hostcall) && cores.contains(core));
            let exceptions: Vec<Status> = exceptions.map(|(_, _, answer, _)| *answer).collect();
            let expected = if survives { vec![] } else { vec![answer] };
            assert_eq!(exceptions, expected, "{hostcall:?} {core:?}: {answer:?}");
        }
    }
}

#[test]
fn every_hostcall_has_its_row() {
    let rows: Vec<Hostcall> = ROWS.iter().map(|row| row.hostcall).collect();
    for hostcall in Hostcall::ALL {
        let count = rows.iter().filter(|of| *of == hostcall).count();
        assert_eq!(count, 1, "{hostcall:?}");
    }
    // No exception is for what cannot happen.
    for (hostcalls, cores, answer, why) in EXCEPTIONS {
        for (hostcall, core) in hostcalls
            .iter()
            .flat_map(|of| cores.iter().map(move |core| (of, core)))
        {
            let row = ROWS.iter().find(|row| row.hostcall == *hostcall).unwrap();
            assert!(
                row.reachable.contains(core),
                "{hostcall:?} {core:?} {answer:?}: {why}"
            );
        }
    }
}

/// What has one meaning keeps it wherever it is not one of those that a hostcall must not answer.
#[test]
fn what_holds_of_every_hostcall() {
    let table = [
        (Core::Ok, Status::Ok),
        (Core::InvalidMemoryAccess, Status::InvalidMemoryAccess),
        (Internal, Status::InternalFailure),
        (Unavailable, Status::InternalFailure),
        (Absent, Status::NotFound),
        (Empty, Status::Empty),
        (Cas, Status::CasMismatch),
        (Core::Unimplemented, Status::Unimplemented),
    ];
    let of_grpc = [
        H::GrpcCall,
        H::GrpcStream,
        H::GrpcSend,
        H::GrpcCancel,
        H::GrpcClose,
    ];
    let of_queues = [
        H::ResolveSharedQueue,
        H::EnqueueSharedQueue,
        H::DequeueSharedQueue,
    ];
    for hostcall in H::ALL {
        for (core, status) in table {
            let of_own = match core {
                Core::Ok | Core::InvalidMemoryAccess => false,
                Unavailable => of_grpc.contains(hostcall) || of_queues.contains(hostcall),
                Absent => of_grpc.contains(hostcall) || *hostcall == H::HttpCall,
                _ => of_grpc.contains(hostcall),
            };
            if !of_own {
                assert_eq!(translate(*hostcall, core), status, "{hostcall:?} {core:?}");
            }
        }
    }
}
