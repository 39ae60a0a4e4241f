//! Functions of the embedder, and calls from it.

use crate::support::{Guest, RETURN, passing_on, settings};
use wasi_common::Allowed;
use wasi_ffi::{CallbackError, FfiCallbacks};
use wasmtime::AsContextMut;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INVALID_MEMORY_ACCESS: u32 = 6;
const INTERNAL_FAILURE: u32 = 10;

fn call(guest: &mut Guest, name: &str, argument: &str) -> Result<String, u32> {
    let ([name, name_len], [argument, len]) = (guest.give(name), guest.give(argument));
    let arguments = [name, name_len, argument, len, RETURN[0], RETURN[1]];
    match guest.call("proxy_call_foreign_function", &arguments) {
        OK => Ok(String::from_utf8(guest.returned()).unwrap()),
        status => Err(status),
    }
}

#[test]
fn calls() {
    let table: &[(&str, &str, Result<&str, u32>)] = &[
        ("twice", "ab", Ok("abab")),
        ("twice", "", Ok("")),
        ("fail", "x", Err(BAD_ARGUMENT)),
        ("fail", "", Err(INTERNAL_FAILURE)),
        ("missing", "x", Err(NOT_FOUND)),
        ("", "x", Err(NOT_FOUND)),
    ];
    let mut guest = Guest::from_wat(&passing_on(""));
    for (name, argument, expected) in table {
        let expected = expected.map(str::to_owned);
        assert_eq!(call(&mut guest, name, argument), expected, "{name} {argument}");
    }
}

#[test]
fn functions_that_are_forbidden_are_not_found() {
    let mut settings = settings("restricted");
    settings.permissions.functions = Allowed::from_iter(["fail"]);
    let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), settings);
    assert_eq!(call(&mut guest, "twice", "ab"), Err(NOT_FOUND));
    assert_eq!(call(&mut guest, "fail", "ab"), Err(BAD_ARGUMENT));
}

#[test]
fn places_of_results() {
    // Where the address and the length are to go, the status, and the length that is found at 20.
    let untouched = 77;
    let table = [
        ([0, 0], OK, untouched),
        ([0, 20], OK, 4),
        ([16, 20], OK, 4),
        ([0, u32::MAX], INVALID_MEMORY_ACCESS, untouched),
        ([u32::MAX, 20], INVALID_MEMORY_ACCESS, untouched),
    ];
    for ([address, len], status, found) in table {
        let mut guest = Guest::from_wat(&passing_on("(data (i32.const 20) \"\\4d\")"));
        let ([name, name_len], [argument, argument_len]) = (guest.give("twice"), guest.give("ab"));
        let arguments = [name, name_len, argument, argument_len, address, len];
        assert_eq!(
            guest.call("proxy_call_foreign_function", &arguments),
            status,
            "{address} {len}"
        );
        assert_eq!(guest.number(20), found, "{address} {len}");
        let allocated = guest.global("next") != 32768;
        assert_eq!(allocated, address == 16, "what nobody takes is not handed over");
    }
}

/// Reads the arguments of the embedder's call into its memory, and remembers what it was called with.
const TAKES_CALLS: &str = r#"
    (global $function (export "function") (mut i32) (i32.const 0))
    (global $size (export "size") (mut i32) (i32.const 0))
    (global $status (export "status") (mut i32) (i32.const -1))
    (func (export "proxy_on_foreign_function") (param $root i32) (param $id i32) (param $len i32)
        (global.set $function (local.get $id))
        (global.set $size (local.get $len))
        (global.set $status
            (call $proxy_get_buffer_bytes (i32.const 8) (i32.const 0) (local.get $len) (i32.const 16) (i32.const 20))))"#;

#[test]
fn calls_from_the_embedder() {
    let mut guest = Guest::from_wat(&passing_on(TAKES_CALLS));
    let plugin_id = guest.plugin_id;
    let read = |guest: &mut Guest| guest.call("proxy_get_buffer_bytes", &[8, 0, 9, RETURN[0], RETURN[1]]);
    assert_eq!(read(&mut guest), NOT_FOUND, "there is nothing outside of a call");
    let results = guest
        .callbacks
        .on_custom_callback(guest.store.as_context_mut(), plugin_id, 9, &[b"ab", b"c"])
        .unwrap();
    assert_eq!(results, Ok(vec![]));
    assert_eq!(
        (
            guest.global("function"),
            guest.global("size"),
            guest.global("status")
        ),
        (9, 3, OK)
    );
    assert_eq!(guest.returned(), b"abc");
    assert_eq!(read(&mut guest), NOT_FOUND);
}

#[test]
fn a_plugin_that_takes_no_calls() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let plugin_id = guest.plugin_id;
    let called = guest
        .callbacks
        .on_custom_callback(guest.store.as_context_mut(), plugin_id, 9, &[]);
    assert_eq!(called.unwrap(), Err(CallbackError::NotExported));
}
