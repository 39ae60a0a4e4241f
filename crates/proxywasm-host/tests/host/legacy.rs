//! ABI 0.2.1 over the same core: what differs, and what other hosts are known to fall over, as harmless.

use crate::common::Bench;
use proxywasm_host::{FailurePolicy, HeadersPause};
use std::time::Duration;

/// A plugin of ABI 0.2.1 from expressions for its callbacks, each of which may use `$ctx` and return an i32 if the callback does.
/// `$log` logs a text of two bytes by its address: callbacks log their names.
pub(crate) fn legacy(bodies: &[(&str, &str)]) -> String {
    const CALLBACKS: [(&str, &str, &str, bool); 14] = [
        (
            "qh",
            "proxy_on_request_headers",
            "(param $ctx i32) (param $n i32) (param $eos i32)",
            true,
        ),
        (
            "qb",
            "proxy_on_request_body",
            "(param $ctx i32) (param $n i32) (param $eos i32)",
            true,
        ),
        (
            "qt",
            "proxy_on_request_trailers",
            "(param $ctx i32) (param $n i32)",
            true,
        ),
        (
            "sh",
            "proxy_on_response_headers",
            "(param $ctx i32) (param $n i32) (param $eos i32)",
            true,
        ),
        (
            "sb",
            "proxy_on_response_body",
            "(param $ctx i32) (param $n i32) (param $eos i32)",
            true,
        ),
        (
            "st",
            "proxy_on_response_trailers",
            "(param $ctx i32) (param $n i32)",
            true,
        ),
        ("nc", "proxy_on_new_connection", "(param $ctx i32)", true),
        (
            "dd",
            "proxy_on_downstream_data",
            "(param $ctx i32) (param $n i32) (param $eos i32)",
            true,
        ),
        (
            "ud",
            "proxy_on_upstream_data",
            "(param $ctx i32) (param $n i32) (param $eos i32)",
            true,
        ),
        (
            "dc",
            "proxy_on_downstream_connection_close",
            "(param $ctx i32) (param $n i32)",
            false,
        ),
        (
            "uc",
            "proxy_on_upstream_connection_close",
            "(param $ctx i32) (param $n i32)",
            false,
        ),
        ("do", "proxy_on_done", "(param $ctx i32)", true),
        ("lo", "proxy_on_log", "(param $ctx i32)", false),
        ("de", "proxy_on_delete", "(param $ctx i32)", false),
    ];
    let mut data = String::new();
    let mut callbacks = String::new();
    for (index, (short, name, parameters, returns)) in CALLBACKS.iter().enumerate() {
        data += short;
        if let Some((_, body)) = bodies.iter().find(|(of, _)| of == short) {
            let result = if *returns { "(result i32)" } else { "" };
            let at = index * 2;
            callbacks += &format!(
                r#"(func (export "{name}") {parameters} {result} (call $name (i32.const {at})) {body})"#
            );
        }
    }
    format!(
        r#"(module
        (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
        (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
        (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
        (import "env" "proxy_done" (func $done (result i32)))
        (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
        (import "env" "proxy_send_local_response" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (global $other (mut i32) (i32.const 0))
        (data (i32.const 0) "{data}")
        (data (i32.const 64) "no")
        ;; a map of one pair, whose value holds a line break
        (data (i32.const 128) "\01\00\00\00\01\00\00\00\04\00\00\00x\00a\0d\0ab\00")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096))
        (func $name (param $at i32) (drop (call $proxy_log (i32.const 2) (local.get $at) (i32.const 2))))
        (func $say (param $digit i32)
            (i32.store8 (i32.const 200) (i32.const 61))
            (i32.store8 (i32.const 201) (i32.add (i32.const 48) (local.get $digit)))
            (drop (call $proxy_log (i32.const 2) (i32.const 200) (i32.const 2))))
        (func $respond (call $say (call $send (i32.const 403) (i32.const 0) (i32.const 0)
            (i32.const 64) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const -1))))
        {callbacks})"#
    )
}

#[test]
fn faults_of_other_hosts_are_harmless() {
    const GO: &str = "(i32.const 0)";
    let respond = format!("(call $respond) {GO}");
    let call = |text: &str| format!("(call $say {text}) {GO}");
    let late = |text: &str| format!("(call $say {text})");
    let (continue_request, continue_response) = (
        call("(call $continue (i32.const 0))"),
        call("(call $continue (i32.const 1))"),
    );
    let close = late("(call $close (i32.const 0))");
    // What is done; the events; what comes out; what the plugin saw.
    let table: &[(&str, &str, &str, &str, &str, &str)] = &[
        (
            "continue and Continue sends once",
            "qh",
            &continue_request,
            "rqh! rsh!",
            "rqh! rsh!",
            "qh =0",
        ),
        (
            "continue of a response in request headers",
            "qh",
            &continue_response,
            "rqh! rsh!",
            "rqh! rsh!",
            "qh =0",
        ),
        (
            "continue of a response and Continue",
            "sh",
            &continue_response,
            "rqh! rsh rsb:a!",
            "rqh! rsh rsb:a!",
            "sh =0",
        ),
        (
            "a response in on_log",
            "lo",
            "(call $respond)",
            "rqh! rsh!",
            "rqh! rsh!",
            "lo =0",
        ),
        (
            "a response in on_done",
            "do",
            "(call $respond) (i32.const 1)",
            "rqh! rsh!",
            "rqh! rsh!",
            "do =0",
        ),
        (
            "closing in on_log",
            "lo",
            &close,
            "rqh! rsh!",
            "rqh! rsh!",
            "lo =0",
        ),
        (
            "a response after the head",
            "sb",
            &respond,
            "rqh! rsh rsb:a rsb:b!",
            "rqh! rsh reset:Closed",
            "sb =0",
        ),
        (
            "two responses",
            "qh",
            "(call $respond) (call $respond) (i32.const 1)",
            "rqh!",
            "abandoned rsh:403 rsb:no!",
            "qh =0 =0",
        ),
        (
            "closing",
            "qh",
            "(call $say (call $close (i32.const 0))) (i32.const 1)",
            "rqh!",
            "reset:Closed",
            "qh =0",
        ),
    ];
    for (name, callback, body, script, expected, trace) in table {
        let mut bench = Bench::new(&[legacy(&[(callback, body)])]);
        for _ in 0..2 {
            let (out, ran) = bench.run(script);
            assert_eq!((out.as_str(), ran.as_str()), (*expected, *trace), "{name}");
        }
    }
}

#[test]
fn line_breaks_in_local_responses_are_refused() {
    let body =
        "(call $say (call $send (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 2)
        (i32.const 128) (i32.const 19) (i32.const -1))) (i32.const 0)";
    assert_eq!(
        Bench::new(&[legacy(&[("qh", body)])]).run("rqh!"),
        ("rqh!".into(), "qh =2".into())
    );
}

#[test]
fn a_start_section_that_calls_the_host() {
    let guest = r#"(module
        (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 4096))
        (func $start (if (i32.ne (call $close (i32.const 0)) (i32.const 10)) (then (unreachable))))
        (start $start))"#;
    assert_eq!(
        Bench::new(&[guest.to_owned()]).run("rqh!").0,
        "rqh!",
        "an internal failure, and the plugin lives"
    );
}

#[test]
fn pauses() {
    const PAUSE: &str = "(i32.const 1)";
    let until_end = "(i32.eqz (local.get $eos))";
    let stop_all = HeadersPause::StopAll;
    let hold = HeadersPause::HoldHeaders;
    type Row<'a> = (
        &'a str,
        HeadersPause,
        &'a [(&'a str, &'a str)],
        &'a str,
        &'a str,
        &'a str,
    );
    let table: &[Row<'_>] = &[
        (
            "in headers everything stops",
            stop_all,
            &[("qh", PAUSE), ("qb", "(i32.const 0)")],
            "rqh rqb:a!",
            "",
            "qh",
        ),
        (
            "or the body comes",
            hold,
            &[("qh", PAUSE), ("qb", until_end)],
            "rqh rqb:a rqb:b!",
            "rqh rqb:a rqb:b!",
            "qh qb qb",
        ),
        (
            "but not where there is none",
            hold,
            &[("qh", PAUSE)],
            "rqh!",
            "",
            "qh",
        ),
        (
            "in the body it accumulates",
            stop_all,
            &[("qb", until_end)],
            "rqh rqb:a rqb:b!",
            "rqh rqb:a rqb:b!",
            "qb qb",
        ),
        (
            "at its end it is held",
            stop_all,
            &[("qb", PAUSE)],
            "rqh rqb:a rqb:b!",
            "rqh",
            "qb qb",
        ),
        (
            "trailers release it",
            stop_all,
            &[("qb", PAUSE), ("qt", "(i32.const 0)")],
            "rqh rqb:a rqt",
            "rqh rqb:a rqt",
            "qb qt",
        ),
        (
            "or hold it",
            stop_all,
            &[("qb", PAUSE), ("qt", PAUSE)],
            "rqh rqb:a rqt",
            "rqh",
            "qb qt",
        ),
        (
            "too much",
            stop_all,
            &[("qb", PAUSE)],
            "rqh rqb:abcdef rqb:ghijkl",
            "rqh abandoned rsh:413 rsb:Payload Too Large\n!",
            "qb qb",
        ),
        (
            "too much of a response",
            stop_all,
            &[("sb", PAUSE)],
            "rqh! rsh rsb:abcdefghijkl",
            "rqh! rsh reset:HeldTooMuch",
            "sb",
        ),
    ];
    for (name, headers_pause, bodies, script, expected, trace) in table {
        let mut bench = Bench::with(&[legacy(bodies)], |config| {
            config.headers_pause = *headers_pause;
            config.limits.held_body_bytes = 10;
        });
        let (out, ran) = bench.run(script);
        assert_eq!((out.as_str(), ran.as_str()), (*expected, *trace), "{name}");
    }
}

#[test]
fn the_own_response_is_visited() {
    let guest = legacy(&[
        ("qh", "(call $respond) (i32.const 0)"),
        ("sh", "(i32.const 0)"),
        ("sb", "(i32.const 0)"),
    ]);
    assert_eq!(
        Bench::new(&[guest]).run("rqh!"),
        ("abandoned rsh:403 rsb:no!".into(), "qh =0 sh sb".into())
    );
}

#[test]
fn the_order_of_the_end_and_putting_it_off() {
    let order = legacy(&[("do", "(i32.const 1)"), ("lo", ""), ("de", "")]);
    assert_eq!(Bench::new(&[order]).run("rqh! rsh!").1, "do lo de");

    // The first stream puts its end off; the second finishes it.
    let headers = "(if (i32.eqz (global.get $other)) (then (global.set $other (local.get $ctx))) (else
        (call $say (call $effective (global.get $other))) (call $say (call $done)) (call $say (call $done)))) (i32.const 0)";
    let put_off = legacy(&[
        ("qh", headers),
        ("do", "(i32.ne (global.get $other) (local.get $ctx))"),
        ("lo", ""),
        ("de", ""),
    ]);
    let mut bench = Bench::new(std::slice::from_ref(&put_off));
    assert_eq!(bench.run("rqh! rsh!").1, "qh do");
    assert_eq!(bench.host.streams(), 1, "what it needs is kept");
    let second = bench.open();
    bench.feed(second, "rqh!");
    assert_eq!(
        bench.trace(),
        "qh =0 =0 =1 lo de",
        "done once; the second time nothing is pending"
    );
    assert_eq!(bench.host.streams(), 1);

    // If it never comes, the bound ends it.
    let mut bench = Bench::new(&[put_off]);
    bench.run("rqh! rsh!");
    let deadline = bench.host.next_deadline().unwrap();
    bench.host.handle_deadline(deadline);
    assert_eq!((bench.trace().as_str(), bench.host.streams()), ("lo de", 0));
}

#[test]
fn failures_in_the_last_callbacks() {
    for callback in ["do", "lo", "de"] {
        for failure in [FailurePolicy::Closed, FailurePolicy::Open] {
            let mut bench = Bench::with(&[legacy(&[(callback, "(unreachable)")])], |config| {
                config.failure = failure
            });
            for _ in 0..2 {
                assert_eq!(bench.run("rqh! rsh!").0, "rqh! rsh!", "{callback}");
                assert_eq!(bench.host.streams(), 0, "{callback}");
            }
        }
    }
}

#[test]
fn ends_that_are_put_off_for_too_long_come_in_turns() {
    let mut bench = Bench::new(&[legacy(&[("do", "(i32.const 0)"), ("de", "")])]);
    for _ in 0..70 {
        let id = bench.open();
        bench.host.finish(id);
    }
    assert_eq!((bench.host.streams(), bench.host.is_ending()), (70, true));
    let deadline = bench.host.next_deadline().unwrap() + Duration::from_secs(60);
    for left in [6, 0] {
        assert!(bench.host.next_deadline().unwrap() <= deadline);
        bench.host.handle_deadline(deadline);
        assert_eq!(bench.host.streams(), left);
    }
    assert!(!bench.host.is_ending());
}
