//! Statuses that the SDK for Rust takes. On every other it traps, and the plugin with it; a case that shows one says why it is right all
//! the same.

use crate::table::Case;

/// The statuses besides ok that the crate `proxy-wasm` takes of a hostcall.
const TAKEN: &[(&str, &[&str])] = &[
    ("get_buffer_bytes", &["not_found"]),
    ("get_header_map_value", &["not_found"]),
    (
        "get_property",
        &["not_found", "serialization_failure", "internal_failure"],
    ),
    ("get_shared_data", &["not_found"]),
    ("set_shared_data", &["cas_mismatch"]),
    ("resolve_shared_queue", &["not_found"]),
    ("dequeue_shared_queue", &["empty", "not_found"]),
    ("enqueue_shared_queue", &["not_found"]),
    ("http_call", &["bad_argument", "internal_failure"]),
    ("grpc_call", &["parse_failure", "internal_failure"]),
    ("grpc_stream", &["parse_failure", "internal_failure"]),
    ("grpc_send", &["bad_argument", "not_found"]),
    ("grpc_cancel", &["not_found"]),
    ("grpc_close", &["not_found"]),
    ("set_effective_context", &["bad_argument"]),
    (
        "call_foreign_function",
        &[
            "not_found",
            "bad_argument",
            "serialization_failure",
            "internal_failure",
        ],
    ),
    ("get_metric", &["not_found", "bad_argument"]),
    ("increment_metric", &["not_found", "bad_argument"]),
    ("record_metric", &["not_found"]),
];

/// Hostcalls that the crate does not have: whoever makes them sees the status.
const ABSENT: &[&str] = &[
    "get_buffer_status",
    "get_header_map_size",
    "get_configuration",
    "continue_request",
    "continue_response",
    "clear_route_cache",
];

/// What is wrong with the statuses that a case shows, if anything.
pub(crate) fn check(case: &Case) -> Option<String> {
    let report = case.outcome().report;
    let traps: Vec<&String> = report.iter().filter(|line| traps(line)).collect();
    match (traps.is_empty(), case.text("rust")) {
        (false, None) => Some(format!(
            "{}: the SDK for Rust traps on {traps:?}; add a field `rust` that says why it is right",
            case.title
        )),
        (true, Some(_)) => Some(format!(
            "{}: the field `rust` stands there although no status makes the SDK for Rust trap",
            case.title
        )),
        _ => None,
    }
}

fn traps(line: &str) -> bool {
    let Some(step) = line
        .trim_start_matches(|character: char| character.is_ascii_digit() || character == ':')
        .strip_prefix("  ")
    else {
        return false;
    };
    let Some((call, result)) = step.rsplit_once(" = ") else {
        return false;
    };
    let name = call.trim_start().split(' ').next().unwrap_or_default();
    let status = result.split(' ').next().unwrap_or_default();
    let taken = TAKEN.iter().find(|(known, _)| *known == name);
    status != "ok"
        && !ABSENT.contains(&name)
        && !taken.is_some_and(|(_, statuses)| statuses.contains(&status))
}
