//! What is reported: log lines `CASE|TEXT`.
//!
//! A callback is `name(context,arguments)`, with `root` for the plugin, `stream` for the stream that the line is of, and the names of
//! variables for ids; a hostcall is two spaces, its step, `=`, the status and the data.

use crate::hostcalls;

/// Reports a line of a case.
pub(crate) fn line(case: &str, text: &str) {
    hostcalls::log(&format!("{case}|{text}"));
}

/// The name of a status.
pub(crate) fn status(number: u32) -> String {
    const NAMES: [&str; 13] = [
        "ok",
        "not_found",
        "bad_argument",
        "serialization_failure",
        "parse_failure",
        "bad_expression",
        "invalid_memory_access",
        "empty",
        "cas_mismatch",
        "result_mismatch",
        "internal_failure",
        "broken_connection",
        "unimplemented",
    ];
    NAMES
        .get(number as usize)
        .map_or_else(|| number.to_string(), |name| (*name).to_owned())
}
