//! Modules of every version of the older ABIs, and what an embedder chooses for a plugin of them.

use crate::common::Bench;
use crate::legacy::legacy;
use proxywasm_host::{PluginConfig, RepeatedHeaders};
use std::time::{Duration, Instant};

/// A module with `proxy_log` and two helpers: `$say` logs a text by its address and length, `$show` the value of a header, or `-` and
/// the status.
fn reader(marker: &str, items: &str) -> String {
    format!(
        r#"(module
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_send_local_response" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_continue_request" (func $continue_request (result i32)))
        (import "env" "proxy_get_configuration" (func $configuration (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) ":path") (data (i32.const 8) ":status") (data (i32.const 16) "x2")
        (data (i32.const 24) "rqh") (data (i32.const 28) "con") (data (i32.const 32) "-0")
        (func (export "proxy_abi_version_{marker}"))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096))
        (func $say (param $at i32) (param $len i32) (drop (call $log (i32.const 2) (local.get $at) (local.get $len))))
        (func $show (param $map i32) (param $key i32) (param $len i32)
            (local $status i32)
            (local.set $status (call $value (local.get $map) (local.get $key) (local.get $len) (i32.const 64) (i32.const 68)))
            (if (local.get $status)
                (then
                    (i32.store8 (i32.const 33) (i32.add (i32.const 48) (local.get $status)))
                    (call $say (i32.const 32) (i32.const 2)))
                (else (call $say (i32.load (i32.const 64)) (i32.load (i32.const 68))))))
        {items})"#
    )
}

/// The number of parameters of a headers callback goes by its export, whatever the marker says.
#[test]
fn every_version_with_every_headers_callback() {
    for marker in ["0_1_0", "0_2_0", "0_2_1"] {
        for parameters in ["i32 i32", "i32 i32 i32"] {
            let items = format!(
                r#"(func (export "proxy_on_request_headers") (param {parameters}) (result i32)
                    (call $say (i32.const 24) (i32.const 3))
                    (drop (call $continue_request))
                    (i32.const 1))
                (func (export "proxy_on_configure") (param i32 i32) (result i32)
                    (drop (call $configuration (i32.const 64) (i32.const 68)))
                    (call $say (i32.load (i32.const 64)) (i32.load (i32.const 68)))
                    (i32.const 1))
                (func (export "proxy_on_log") (param i32)
                    (call $show (i32.const 0) (i32.const 0) (i32.const 5))
                    (call $show (i32.const 0) (i32.const 24) (i32.const 3)))"#
            );
            let mut bench = Bench::with(&[reader(marker, &items)], |config| {
                config.configuration = "con".into();
            });
            // In 0.1.0 a header that is not there is an empty one.
            let absent = if marker == "0_1_0" { "" } else { "-1" };
            let (out, trace) = bench.run("rqh! rsh!");
            assert_eq!(out, "rqh! rsh!", "{marker} {parameters}");
            assert_eq!(
                trace,
                format!("con rqh /path?query {absent}"),
                "{marker} {parameters}"
            );
        }
    }
}

/// At the end of a stream every plugin can tell of its messages, also of those that did not come to it.
#[test]
fn what_a_plugin_reads_at_the_end() {
    let refusing = reader(
        "0_2_1",
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $send (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const -1)))
            (i32.const 1))"#,
    );
    let telling = reader(
        "0_2_1",
        r#"(func (export "proxy_on_log") (param i32)
            (call $show (i32.const 0) (i32.const 0) (i32.const 5))
            (call $show (i32.const 2) (i32.const 8) (i32.const 7))
            (call $show (i32.const 3) (i32.const 8) (i32.const 7))
            ;; Nothing can be changed any more.
            (if (i32.ne (call $add (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 17) (i32.const 1)) (i32.const 2))
                (then (unreachable))))"#,
    );
    let mut bench = Bench::new(&[refusing, telling]);
    let (out, trace) = bench.run("rqh!");
    assert_eq!(
        (out.as_str(), trace.as_str()),
        ("abandoned rsh:403!", "/path?query 403 -1")
    );
}

#[test]
fn headers_that_come_several_times() {
    let items = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $add (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 17) (i32.const 1)))
        (call $show (i32.const 0) (i32.const 16) (i32.const 1))
        (i32.const 0))"#;
    let table = [(RepeatedHeaders::First, "1"), (RepeatedHeaders::Joined, "1, 2")];
    for (repeated_headers, expected) in table {
        let mut bench = Bench::with(&[reader("0_2_1", items)], |config| {
            config.repeated_headers = repeated_headers;
        });
        assert_eq!(bench.run("rqh!").1, expected, "{repeated_headers:?}");
    }
}

/// How long ends are waited for, of streams and of plugins.
#[test]
fn how_long_an_end_can_be_put_off() {
    let short = |config: &mut PluginConfig| config.resources.end_time = Duration::from_secs(5);
    let guest = legacy(&[("do", "(i32.const 0)"), ("lo", ""), ("de", "")]);
    let mut bench = Bench::with(std::slice::from_ref(&guest), short);
    assert_eq!(bench.run("rqh! rsh!").1, "do");
    let deadline = bench.host.next_deadline().unwrap();
    assert!(deadline <= Instant::now() + Duration::from_secs(5));
    bench.host.handle_deadline(deadline - Duration::from_millis(1));
    assert_eq!(bench.trace(), "", "not before its time");
    bench.host.handle_deadline(deadline);
    assert_eq!(bench.trace(), "lo de");

    bench.host.shut_all_down();
    assert_eq!((bench.trace().as_str(), bench.host.is_ending()), ("do", true));
    let deadline = bench.host.next_deadline().unwrap();
    assert!(deadline <= Instant::now() + Duration::from_secs(5));
    bench.host.handle_deadline(deadline);
    assert_eq!((bench.trace().as_str(), bench.host.is_ending()), ("de", false));
}
