//! wasi-ffi.

use super::{Case, Row, case};
use crate::world::Setup;
use bytes::Bytes;
use std::sync::Arc;
use wasi_common::Allowed;
use wasi_ffi::{FunctionError, FunctionRegistry};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases: Vec<Case>| Row {
        module: "wasi-ffi",
        function,
        cases: cases.into_iter().map(|case| case.with(register)).collect(),
    };
    vec![
        row(
            "call_custom_function",
            vec![
                case(
                    "resolve_custom_function 'echo' &f -> ok
                    call_custom_function $f ['a','bc'] &r -> ok
                    call_custom_function 99 none &r -> bad_argument
                    call_custom_function $f bad &r -> invalid_memory_access
                    call_custom_function $f none &bad -> invalid_memory_access",
                ),
                fails("refuses", "bad_argument"),
                fails("misses", "not_found"),
                fails("breaks", "internal_failure"),
                fails("busy", "unavailable"),
                fails("forbids", "not_allowed"),
                case("call_custom_function 1 none &r -> not_allowed")
                    .with(|setup| setup.config.permissions.functions = Allowed::from_iter(["other"])),
                case("@_initialize\ncall_custom_function 1 none &r -> invalid_operation"),
            ],
        ),
        row(
            "get_custom_function_results_sizes",
            vec![case(
                "call_custom_function 1 ['a','bc'] &r -> ok
                    get_custom_function_results_sizes $r &count &size -> ok
                    check $count 2
                    check $size 15
                    get_custom_function_results_sizes $r &bad &size -> invalid_memory_access
                    get_custom_function_results_sizes $r &count &bad -> invalid_memory_access
                    get_custom_function_results_sizes 99 &count &size -> bad_argument",
            )],
        ),
        row(
            "get_custom_function_results",
            vec![case(
                "call_custom_function 1 ['a','bc'] &r -> ok
                    get_custom_function_results $r out:14 &size -> buffer_too_small
                    check $size 15
                    get_custom_function_results $r bad &size -> invalid_memory_access
                    get_custom_function_results $r out &bad -> invalid_memory_access
                    get_custom_function_results $r out &size -> ok
                    expect_out '\\02\\00\\00\\00\\01\\00\\00\\00\\02\\00\\00\\00abc'
                    get_custom_function_results $r out &size -> bad_argument",
            )],
        ),
        row(
            "resolve_custom_function",
            vec![
                case(
                    "resolve_custom_function 'echo' &f -> ok
                    check $f 1
                    resolve_custom_function 'nothing' &f -> not_found
                    resolve_custom_function bad &f -> invalid_memory_access
                    resolve_custom_function 'echo' &bad -> invalid_memory_access",
                ),
                case("resolve_custom_function 'echo' &f -> not_allowed")
                    .with(|setup| setup.config.permissions.functions = Allowed::from_iter(["other"])),
                case("@_initialize\nresolve_custom_function 'echo' &f -> invalid_operation"),
            ],
        ),
        row(
            "set_custom_callback_results",
            vec![
                case(
                    "drive rqh custom:7:abc
                    @on_custom_callback
                        common.get_buffer arg0 7 0 -1 out &size -> ok
                        expect_out '\\01\\00\\00\\00\\03\\00\\00\\00abc'
                        set_custom_callback_results arg0 ['x','yz'] -> ok
                        set_custom_callback_results 8 none -> bad_argument
                        set_custom_callback_results arg0 bad -> invalid_memory_access
                    expect out:custom:x,yz",
                ),
                case(
                    "drive rqh custom:7:a
                    @on_custom_callback
                        set_custom_callback_results arg0 '123456789' -> unavailable",
                )
                .with(|setup| setup.config.limits.argument_bytes = 8),
            ],
        ),
        row(
            "on_custom_callback",
            vec![case(
                "drive rqh custom:7:abc\n@on_custom_callback\nexpect on_custom_callback(7,11)",
            )],
        ),
    ]
}

/// A call of a function that fails.
fn fails(name: &str, status: &str) -> Case {
    case(format!(
        "resolve_custom_function '{name}' &f -> ok\ncall_custom_function $f none &r -> {status}"
    ))
}

/// Functions that do what their names say.
pub(crate) fn register(setup: &mut Setup) {
    let mut registry = FunctionRegistry::new();
    registry
        .register("echo", |_, parameters| {
            Ok(parameters
                .iter()
                .map(|parameter| Bytes::copy_from_slice(parameter))
                .collect())
        })
        .unwrap();
    let failures: [(&str, fn(String) -> FunctionError); 5] = [
        ("refuses", FunctionError::BadArgument),
        ("misses", FunctionError::NotFound),
        ("forbids", FunctionError::NotAllowed),
        ("busy", FunctionError::Unavailable),
        ("breaks", FunctionError::Failed),
    ];
    for (name, error) in failures {
        registry
            .register(name, move |_, _| Err(error("as it always does".to_owned())))
            .unwrap();
    }
    setup.services.functions = Arc::new(registry);
}
