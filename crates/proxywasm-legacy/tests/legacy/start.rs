//! Loading and initialising.

use crate::support::{HOSTCALLS, imports, instantiate, passing_on};
use proxywasm_legacy::{AbortError, Callbacks, initialize};
use wasi_common::LogLevel;

const INTERNAL_FAILURE: i32 = 10;

fn load_error(items: &str) -> String {
    let (mut store, instance, _) =
        instantiate(&wat::parse_str(format!("(module {items})")).unwrap()).unwrap();
    Callbacks::load(&mut store, &instance).err().unwrap().to_string()
}

#[test]
fn modules_that_are_refused() {
    let memory = r#"(memory (export "memory") 1)"#;
    let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 0))"#;
    let table = [
        ("".to_owned(), "memory"),
        (r#"(func (export "memory"))"#.to_owned(), "memory"),
        (memory.to_owned(), "malloc"),
        (format!(r#"{memory} (func (export "malloc"))"#), "malloc"),
        (format!(r#"{memory} (memory (export "malloc") 1)"#), "malloc"),
        (
            format!(r#"{memory} {malloc} (func (export "proxy_on_log"))"#),
            "proxy_on_log",
        ),
        (
            format!(r#"{memory} {malloc} (func (export "proxy_validate_configuration") (param i32))"#),
            "proxy_validate_configuration",
        ),
        (
            format!(r#"{memory} {malloc} (global (export "proxy_on_done") i32 (i32.const 0))"#),
            "proxy_on_done",
        ),
        (
            format!(
                r#"{memory} {malloc} (func (export "proxy_on_request_headers") (param i32) (result i32) (i32.const 0))"#
            ),
            "proxy_on_request_headers",
        ),
        (
            format!(r#"{memory} {malloc} (func (export "proxy_on_response_headers") (param i32 i32))"#),
            "proxy_on_response_headers",
        ),
        (
            format!(
                r#"{memory} {malloc} (func (export "proxy_on_request_body") (param i32 i64 i32) (result i32) (i32.const 0))"#
            ),
            "proxy_on_request_body",
        ),
    ];
    for (items, named) in table {
        let error = load_error(&items);
        assert!(error.contains(&format!("`{named}`")), "{items}: {error}");
    }
}

/// Until a guest is initialised it may log; every other hostcall fails, also in the start section.
#[test]
fn hostcalls_while_initializing() {
    let entries = [
        "(start $try)",
        r#"(export "_initialize" (func $try))"#,
        r#"(export "_start" (func $try))"#,
    ];
    for entry in entries {
        for (name, parameters) in HOSTCALLS {
            let zeros = "(i32.const 0) ".repeat(*parameters);
            let wat = format!(
                r#"(module {} (memory (export "memory") 1)
                    (func (export "malloc") (param i32) (result i32) (i32.const 0))
                    (global $status (export "status") (mut i32) (i32.const -1))
                    (func $try (global.set $status (call ${name} {zeros})))
                    (func (export "again") (result i32) (call ${name} {zeros}))
                    {entry})"#,
                imports()
            );
            let (mut store, instance, _) = instantiate(&wat::parse_str(&wat).unwrap()).unwrap();
            Callbacks::load(&mut store, &instance).unwrap();
            initialize(&mut store, &instance).unwrap();
            let status = instance.get_global(&mut store, "status").unwrap();
            let expected = if *name == "proxy_log" { 0 } else { INTERNAL_FAILURE };
            assert_eq!(status.get(&mut store).i32(), Some(expected), "{entry} {name}");
            let again = instance.get_typed_func::<(), i32>(&mut store, "again").unwrap();
            assert_ne!(again.call(&mut store, ()).unwrap(), INTERNAL_FAILURE, "{name}");
        }
    }
}

#[test]
fn runtime_helpers() {
    let wat = passing_on(
        r#"(func (export "equal") (param i32 i32) (result i32) (call $equal (local.get 0) (local.get 1)))
           (func (export "growth") (call $growth (i32.const 0)))"#,
    )
    .replacen(
        "(module",
        r#"(module
            (import "env" "pthread_equal" (func $equal (param i32 i32) (result i32)))
            (import "env" "emscripten_notify_memory_growth" (func $growth (param i32)))"#,
        1,
    );
    let mut guest = crate::support::Guest::from_wat(&wat);
    assert_eq!(guest.call("equal", &[7, 7]), 1);
    assert_eq!(guest.call("equal", &[7, 8]), 0);
    assert_eq!(guest.call("growth", &[]), 0);
}

#[test]
fn abort() {
    let wat = r#"(module
        (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 8) "\06\00\00\00n\00o\00\00\d8")
        (data (i32.const 32) "\ff\ff\ff\ffx\00")
        (func (export "abort") (param i32 i32) (call $abort (local.get 0) (local.get 1) (i32.const 3) (i32.const 4))))"#;
    let long = "\0".repeat(2047);
    let table = [
        (12, 12, "no\u{fffd}".to_owned(), "no\u{fffd}".to_owned()),
        (0, 3, String::new(), String::new()),
        (u32::MAX, 65536, String::new(), String::new()),
        (36, 0, format!("x{long}"), String::new()),
    ];
    for (message, file, message_text, file_text) in table {
        let (mut store, instance, sink) = instantiate(&wat::parse_str(wat).unwrap()).unwrap();
        let abort = instance
            .get_typed_func::<(u32, u32), ()>(&mut store, "abort")
            .unwrap();
        let error = abort.call(&mut store, (message, file)).unwrap_err();
        let expected = AbortError {
            message: message_text,
            file: file_text,
            line: 3,
            column: 4,
        };
        assert_eq!(error.downcast_ref(), Some(&expected), "{message} {file}");
        let logged = sink.take();
        assert_eq!(logged.len(), 1);
        assert_eq!(logged[0].0, LogLevel::Critical);
        assert!(logged[0].1.starts_with("abort: "), "{logged:?}");
    }
}
