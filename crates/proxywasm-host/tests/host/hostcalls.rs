//! Bad pointers, ids and enumerations in every hostcall of the components that are offered: a status, never a trap.

use crate::common::Bench;

/// What an argument of a hostcall is.
#[derive(Clone, Copy, PartialEq)]
enum Argument {
    /// The context of the stream.
    Context,
    /// The plugin.
    Plugin,
    /// Any number that is fine.
    Number(i32),
    /// An enumeration with so many cases.
    Enumeration(i32),
    /// A pointer to an iovec array, or what it points to, that is followed by its length.
    Iovecs,
    /// A pointer to a place for a size.
    Pointer,
}

use Argument::{Context, Enumeration, Iovecs, Number, Plugin, Pointer};

const HOSTCALLS: &[(&str, &str, &[Argument])] = &[
    (
        "wasi-common",
        "get_buffer",
        &[Context, Enumeration(8), Number(0), Number(9), Iovecs, Pointer],
    ),
    (
        "wasi-common",
        "set_buffer",
        &[Context, Enumeration(8), Number(0), Number(9), Iovecs],
    ),
    (
        "wasi-common",
        "get_map_values",
        &[Context, Enumeration(10), Iovecs, Iovecs, Pointer],
    ),
    (
        "wasi-common",
        "set_map_values",
        &[Context, Enumeration(10), Iovecs, Iovecs],
    ),
    ("wasi-common", "get_property", &[Context, Iovecs, Iovecs, Pointer]),
    ("wasi-common", "set_property", &[Context, Iovecs, Iovecs]),
    ("wasi-context", "plugin_shutdown", &[Plugin]),
    ("wasi-log", "log", &[Enumeration(6), Iovecs]),
    ("wasi-log", "get_log_level", &[Pointer]),
    (
        "wasi-http",
        "send_http_response",
        &[Context, Number(200), Iovecs, Iovecs, Number(-1)],
    ),
    ("wasi-http", "resume_http_request", &[Context]),
    ("wasi-http", "resume_http_response", &[Context]),
    ("wasi-http", "close_http_request", &[Context]),
    ("wasi-http", "close_http_response", &[Context]),
];

const BAD_ARGUMENT: i32 = 4;
const INVALID_MEMORY_ACCESS: i32 = 5;

/// The arguments of a call in which one argument is bad, as text; and the status that is right for it.
fn bad_calls(arguments: &[Argument]) -> Vec<(String, i32)> {
    let good = |argument: Argument| match argument {
        Context => "(local.get $ctx)".to_owned(),
        Plugin => "(i32.const 1)".to_owned(),
        Number(number) => format!("(i32.const {number})"),
        // The first buffer and map that are there in a request headers callback.
        Enumeration(_) => "(i32.const 0)".to_owned(),
        Iovecs => "(i32.const 16) (i32.const 1)".to_owned(),
        Pointer => "(i32.const 8)".to_owned(),
    };
    let bad = |argument: Argument| -> Vec<(String, i32)> {
        let text = |numbers: &[i64]| {
            numbers
                .iter()
                .map(|number| format!("(i32.const {})", *number as i32))
                .collect::<Vec<_>>()
                .join(" ")
        };
        match argument {
            Context | Plugin => vec![(text(&[99]), BAD_ARGUMENT), (text(&[0]), BAD_ARGUMENT)],
            Number(_) => Vec::new(),
            Enumeration(cases) => vec![
                (text(&[i64::from(cases)]), BAD_ARGUMENT),
                (text(&[0x7fff_ffff]), BAD_ARGUMENT),
                (text(&[-1]), BAD_ARGUMENT),
            ],
            Pointer => vec![
                (text(&[65_536]), INVALID_MEMORY_ACCESS),
                (text(&[65_534]), INVALID_MEMORY_ACCESS),
                (text(&[-1]), INVALID_MEMORY_ACCESS),
                (text(&[-4]), INVALID_MEMORY_ACCESS),
            ],
            Iovecs => vec![
                // The array is outside of the memory, in part or whole.
                (text(&[65_536, 1]), INVALID_MEMORY_ACCESS),
                (text(&[65_532, 1]), INVALID_MEMORY_ACCESS),
                (text(&[-8, 1]), INVALID_MEMORY_ACCESS),
                (text(&[17, 1]), INVALID_MEMORY_ACCESS),
                // What it points to is.
                (text(&[24, 1]), INVALID_MEMORY_ACCESS),
                (text(&[32, 1]), INVALID_MEMORY_ACCESS),
                // More places than there can be.
                (text(&[16, -1]), BAD_ARGUMENT),
                (text(&[16, 5000]), BAD_ARGUMENT),
            ],
        }
    };
    let mut calls = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        for (text, status) in bad(*argument) {
            let all = arguments.iter().enumerate().map(|(at, other)| match at == index {
                true => text.clone(),
                false => good(*other),
            });
            calls.push((all.collect::<Vec<_>>().join(" "), status));
        }
    }
    calls
}

#[test]
fn bad_arguments() {
    for (module, name, arguments) in HOSTCALLS {
        let count: usize = arguments
            .iter()
            .map(|argument| if *argument == Iovecs { 2 } else { 1 })
            .sum();
        let calls = bad_calls(arguments);
        let bodies: String = calls
            .iter()
            .enumerate()
            .map(|(index, (text, status))| {
                // Returns the number of the first call whose status is not the right one.
                format!("(if (i32.ne (call $hostcall {text}) (i32.const {status})) (then (return (i32.const {}))))", index + 10)
            })
            .collect();
        let guest = format!(
            r#"(module
            (import "{module}" "{name}" (func $hostcall (param {params}) (result i32)))
            (memory (export "memory") 1 1)
            ;; 16: a good iovec, of what is at 40; 24: one that begins outside; 32: one that ends outside
            (data (i32.const 16) "\28\00\00\00\0b\00\00\00" "\00\00\02\00\01\00\00\00" "\fe\ff\00\00\03\00\00\00")
            (data (i32.const 40) "plugin_name")
            (func (export "proxy_abi_version_2021_04"))
            (func (export "proxy_on_http_request_headers") (param $ctx i32) (param i32 i32) (result i32)
                {bodies} (i32.const 0)))"#,
            params = "i32 ".repeat(count)
        );
        let mut bench = Bench::new(&[guest]);
        let (out, _) = bench.run("rqh!");
        // A wrong status makes an action that is not legal, which closes the stream.
        assert_eq!(out, "rqh!", "{module} {name}: {calls:?}");
    }
}

#[test]
fn ids_of_other_plugins() {
    // Two plugins in one instance; the second finds the ids of the first and uses them.
    let calls = [
        "resume_http_request",
        "resume_http_response",
        "close_http_request",
        "close_http_response",
    ];
    for name in calls {
        let guest = format!(
            r#"(module
            (import "wasi-http" "{name}" (func $call (param i32) (result i32)))
            (memory (export "memory") 1)
            (global $first (mut i32) (i32.const 0))
            (func (export "proxy_abi_version_2021_04"))
            (func (export "proxy_on_http_request_headers") (param $ctx i32) (param i32 i32) (result i32)
                (if (i32.eqz (global.get $first)) (then (global.set $first (local.get $ctx)) (return (i32.const 0))))
                ;; not_allowed forwards, anything else is no action
                (if (result i32) (i32.eq (call $call (global.get $first)) (i32.const 3)) (then (i32.const 0)) (else (i32.const 99)))))"#
        );
        let mut bench = Bench::new(&[guest.clone(), guest]);
        assert_eq!(bench.run("rqh!").0, "rqh!", "{name}");
    }
}
