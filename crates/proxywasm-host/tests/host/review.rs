//! What hostile plugins and drivers that keep no order could do, found by reading the host against itself.

use crate::common::{Bench, component, request};
use crate::legacy::legacy;
use http::{HeaderValue, Response};
use proxywasm_host::{FailurePolicy, InstanceStrategy, LogLevel, Output};
use std::time::{Duration, Instant};

const UNAVAILABLE: &str = "abandoned rsh:503 rsb:Service Unavailable\n!";

/// The last callback of a stream, which logs `=1000` plus the context.
const FINALIZE: &str = r#"(func (export "proxy_on_context_finalize") (param $ctx i32)
    (call $say (i32.add (i32.const 1000) (local.get $ctx))))"#;

#[test]
fn a_trap_in_the_last_callback_spares_the_other_plugins() {
    let traps = r#"(func (export "proxy_on_context_finalize") (param i32) (unreachable))"#;
    let sick = component(&[("rqh", "FORWARD_")], traps);
    let mut bench = Bench::new(&[sick, component(&[("rqh", "FORWARD_")], FINALIZE)]);
    for context in [2, 3] {
        let (_, trace) = bench.run("rqh!");
        assert_eq!(trace, format!("rqh! rqh! ={}", 1000 + context));
        assert_eq!(bench.host.streams(), 0);
    }
}

#[test]
fn what_was_asked_for_before_a_trap() {
    // The stream that is closed or answered: the one whose callback traps, or the one before.
    let close = "(drop (call $close_request (local.get $ctx))) (unreachable)";
    let answer = "(drop (call $respond (local.get $ctx))) (unreachable)";
    let first = |call: &str| {
        format!(
            "(if (i32.eqz (global.get $other)) (then (global.set $other (local.get $ctx)) (return PAUSE_)))
             (drop (call {call} (global.get $other))) (unreachable)"
        )
    };
    let (close_first, answer_first) = (first("$close_request"), first("$respond"));
    let own = [
        (close, FailurePolicy::Closed, "reset:Closed"),
        (close, FailurePolicy::Open, "reset:Closed"),
        (answer, FailurePolicy::Closed, UNAVAILABLE),
        (answer, FailurePolicy::Open, "rqh! rsh!"),
    ];
    for (body, failure, expected) in own {
        let mut bench = Bench::with(&[component(&[("rqh", body)], "")], |config| {
            config.failure = failure;
        });
        assert_eq!(bench.run("rqh! rsh!").0, expected, "{failure:?}: {body}");
    }
    let other = [
        (&close_first, FailurePolicy::Closed, "reset:Closed"),
        (&close_first, FailurePolicy::Open, "reset:Closed"),
        (&answer_first, FailurePolicy::Closed, UNAVAILABLE),
        (&answer_first, FailurePolicy::Open, "rqh! rsh!"),
    ];
    for (body, failure, expected) in other {
        let mut bench = Bench::with(&[component(&[("rqh", body)], "")], |config| {
            config.failure = failure;
        });
        let (first, second) = (bench.open(), bench.open());
        assert_eq!(bench.feed(first, "rqh!"), "");
        bench.feed(second, "rqh!");
        assert_eq!(bench.host.next_ready(), Some(first), "{failure:?}: {body}");
        assert_eq!(bench.feed(first, "rsh!"), expected, "{failure:?}: {body}");
    }
}

#[test]
fn order_is_kept_where_several_plugins_of_a_chain_fail_at_once() {
    // The second plugin pauses with a piece that it has not seen, when the first one traps with a later one; both are in one
    // instance.
    let body = "(if (i32.eq (local.get $size) (i32.const 2)) (then (unreachable))) FORWARD_";
    let headers = "(if (result i32) (i32.eq (local.get $ctx) (i32.const 4)) (then PAUSE_) (else FORWARD_))";
    let guest = component(&[("rqh", headers), ("rqb", body)], "");
    let mut bench = Bench::with(&[guest.clone(), guest], |config| {
        config.failure = FailurePolicy::Open
    });
    let id = bench.open();
    assert_eq!(bench.feed(id, "rqh rqb:a rqb:bb"), "rqh rqb:a rqb:bb");
    assert_eq!(bench.trace(), "rqh rqh rqb1 rqb2");
    assert_eq!(bench.feed(id, "rqb:c!"), "rqb:c!");
}

#[test]
fn a_resume_in_a_metadata_callback_is_heeded() {
    let metadata = "(call $say (call $resume_request (local.get $ctx))) FORWARD_";
    let bodies = [("rqh", "FORWARD_"), ("rqb", "MORE_"), ("rqm", metadata)];
    let mut bench = Bench::new(&[component(&bodies, "")]);
    let id = bench.open();
    assert_eq!(bench.feed(id, "rqh rqb:a"), "rqh");
    assert_eq!(bench.feed(id, "rqm"), "rqm rqb:a");
    assert!(bench.trace().ends_with("rqm =0"));
}

#[test]
fn metadata_that_is_held_counts() {
    for bodies in [&[("rqh", "MORE_"), ("rqm", "FORWARD_")][..], &[("rqh", "MORE_")]] {
        let mut bench = Bench::with(&[component(bodies, "")], |config| {
            config.limits.held_body_bytes = 4096;
        });
        let id = bench.open();
        assert_eq!(bench.feed(id, "rqh"), "");
        let out = bench.feed(id, &"rqm ".repeat(4096));
        assert_eq!(out, "abandoned rsh:413 rsb:Payload Too Large\n!", "{bodies:?}");
    }
}

#[test]
fn a_body_that_is_written_where_none_came() {
    let write = "(call $say (call $set_buffer (local.get $ctx) (i32.const 3) (i32.const 0) (i32.const 0)
        (i32.const 64) (i32.const 1))) FORWARD_";
    let mut bench = Bench::new(&[component(&[("rqh", "FULL_"), ("rqb", write)], "")]);
    assert_eq!(
        bench.run("rqh rqt rsh!"),
        ("rqh rqb:no rqt rsh!".into(), "rqh rqb0! =0".into())
    );
}

#[test]
fn what_has_passed_a_plugin_that_was_not_called_is_readable() {
    // 8 is `buffer_too_small`: it may read; 6 that it may not.
    let finalize = r#"(func $ask (param $ctx i32) (param $map i32)
            (call $say (call $get_map (local.get $ctx) (local.get $map)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))))
        (func (export "proxy_on_context_finalize") (param $ctx i32)
            (call $ask (local.get $ctx) (i32.const 0)) (call $ask (local.get $ctx) (i32.const 1))
            (call $ask (local.get $ctx) (i32.const 3)) (call $ask (local.get $ctx) (i32.const 4)))"#;
    let mut bench = Bench::new(&[component(&[], finalize)]);
    assert_eq!(bench.run("rqh rqt rsh rst").1, "=8 =8 =8 =8");
    assert_eq!(bench.run("rqh! rsh!").1, "=8 =6 =8 =6");
}

#[test]
fn a_shutdown_with_streams_that_are_open() {
    for failure in [FailurePolicy::Closed, FailurePolicy::Open] {
        let mut bench = Bench::with(&[component(&[("rqh", "PAUSE_")], "")], |config| {
            config.failure = failure;
        });
        let (held, new) = (bench.open(), bench.open());
        assert_eq!(bench.feed(held, "rqh!"), "");
        bench.host.shut_all_down();
        let expected = match failure {
            FailurePolicy::Open => "rqh!",
            _ => UNAVAILABLE,
        };
        assert_eq!(bench.host.next_ready(), Some(held), "{failure:?}");
        assert_eq!(bench.feed(held, ""), expected, "{failure:?}");
        assert_eq!(bench.feed(new, "rqh!"), expected, "{failure:?}");
        bench.host.finish(held);
        bench.host.finish(new);
        assert_eq!(bench.host.streams(), 0);
    }
}

#[test]
fn what_is_asked_for_before_an_id_is_chosen() {
    let create = |call: &str| {
        format!(
            r#"(func (export "proxy_on_context_create") (param $ctx i32) (param i32 i32) (result i32)
                (call $say (call {call} (local.get $ctx))) (i32.add (local.get $ctx) (i32.const 500)))"#
        )
    };
    let table = [
        ("$close_request", "reset:Closed"),
        ("$respond", "abandoned rsh:403 rsb:no!"),
    ];
    for (call, expected) in table {
        let mut bench = Bench::new(&[component(&[("rqh", "FORWARD_")], &create(call))]);
        assert_eq!(bench.run("rqh! rsh!"), (expected.into(), "=0".into()), "{call}");
    }
}

#[test]
fn more_headers_than_a_message_can_have() {
    // 30,000 pairs of an empty value, where the configuration would let the plugin have them.
    let fill = r#"(func $fill (local $at i32)
        (drop (memory.grow (i32.const 4)))
        (i32.store (i32.const 4096) (i32.const 30000))
        (loop $more
            (i64.store (i32.add (i32.const 4100) (i32.mul (local.get $at) (i32.const 8))) (i64.const 1))
            (i32.store8 (i32.add (i32.const 244100) (local.get $at)) (i32.const 97))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $at) (i32.const 30000))))
        (i32.store (i32.const 1024) (i32.const 4096))
        (i32.store (i32.const 1028) (i32.const 270004))
        (i32.store (i32.const 1032) (i32.const 64))
        (i32.store (i32.const 1036) (i32.const 1)))"#;
    for removed in [0, 1] {
        let body = format!(
            "(call $fill) (call $say (call $set_map (local.get $ctx) (i32.const 0)
                (i32.const 1032) (i32.const {removed}) (i32.const 1024) (i32.const 1))) FORWARD_"
        );
        let mut bench = Bench::with(&[component(&[("rqh", &body)], fill)], |config| {
            config.limits.map.pairs = 50_000;
        });
        let (out, trace) = bench.run("rqh!");
        assert_eq!(trace, "rqh! =0");
        assert!(
            out == "rqh!" || out == "abandoned rsh:400 rsb:Bad Request\n!",
            "{out}"
        );
    }
}

#[test]
fn one_key_many_times() {
    // 4096 regions, each of which asks for all headers.
    let fill = r#"(func $fill (local $at i32)
        (i32.store8 (i32.const 512) (i32.const 42))
        (loop $more
            (i32.store (i32.add (i32.const 4096) (i32.mul (local.get $at) (i32.const 8))) (i32.const 512))
            (i32.store (i32.add (i32.const 4100) (i32.mul (local.get $at) (i32.const 8))) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $at) (i32.const 4096)))))"#;
    let ask = |count: u32| {
        format!(
            "(call $say (call $get_map (local.get $ctx) (i32.const 0) (i32.const 4096) (i32.const {count})
                (i32.const 0) (i32.const 0) (i32.const 520)))"
        )
    };
    let body = format!("(call $fill) {} {} FORWARD_", ask(2), ask(4096));
    let guest = component(&[("rqh", &body)], fill);
    for (pairs, bytes) in [(16, 1 << 20), (16_384, 64)] {
        let mut bench = Bench::with(std::slice::from_ref(&guest), |config| {
            (config.limits.map.pairs, config.limits.map.bytes) = (pairs, bytes);
        });
        assert_eq!(bench.run("rqh!").1, "rqh! =8 =10", "{pairs} {bytes}");
    }
}

#[test]
fn lengths_that_are_none() {
    // What a plugin leaves as content-length; whether it can be sent.
    let table: &[(&[&str], bool)] = &[
        (&["3"], true),
        (&["3", "3"], true),
        (&["3", "4"], false),
        (&["+3"], false),
        (&["3, 4"], false),
        (&["-1"], false),
        (&["x"], false),
        (&[""], false),
        (&["99999999999999999999"], false),
    ];
    for (values, sent) in table {
        let mut pairs = Vec::new();
        for value in *values {
            pairs.push((&b"content-length"[..], value.as_bytes()));
        }
        for replaces in [false, true] {
            let guest = crate::maps::changing(if replaces { &["content-length"] } else { &[] }, &pairs);
            let mut bench = Bench::new(&[guest]);
            let id = bench.open();
            let out = bench.feed(id, "rqh rqb:abc!");
            let expected = match sent {
                true => "rqh rqb:abc!",
                false => "abandoned rsh:400 rsb:Bad Request\n!",
            };
            assert_eq!(out, expected, "{values:?}, replaced: {replaces}");
        }
    }
}

#[test]
fn the_host_header_is_never_sent_twice() {
    for remove in [&[][..], &["x"]] {
        let mut bench = Bench::new(&[crate::maps::changing(remove, &[(b"host", b"other.test")])]);
        let id = bench.open();
        bench.host.request_headers(id, request(), true);
        let Some(Output::RequestHeaders { head, .. }) = bench.host.next_output(id) else {
            panic!("the head goes on");
        };
        let hosts: Vec<_> = head.headers.get_all("host").iter().collect();
        assert_eq!(hosts, [&HeaderValue::from_static("example.test")], "{remove:?}");
    }
}

/// A plugin of ABI 0.2.1 that puts the end of each stream off.
fn puts_off(log: &str) -> String {
    // Contexts get odd and even ids; the plugin itself is 1 and ends at once.
    let done = "(i32.eq (local.get $ctx) (i32.const 1))";
    legacy(&[("qh", "(i32.const 0)"), ("do", done), ("lo", log)])
}

#[test]
fn ends_that_are_put_off_are_bounded() {
    let mut bench = Bench::of_modules(&[wat::parse_str(puts_off("")).unwrap()], |_| ());
    for _ in 0..5000 {
        let id = bench.open();
        bench.host.finish(id);
    }
    assert!(bench.host.streams() <= 1024, "{}", bench.host.streams());
    // In turns of 64.
    let late = Instant::now() + Duration::from_secs(60);
    (0..16).for_each(|_| bench.host.handle_deadline(late));
    assert_eq!((bench.host.streams(), bench.host.is_ending()), (0, false));
    let ended = bench.trace().matches("lo").count();
    assert_eq!(ended, 5000, "each ends once");
}

#[test]
fn ends_that_were_put_off_go_with_their_instance() {
    // The first plugin of the chain puts off; then it is shut down, or the second, in the same instance, traps in its last callback.
    let mut bench = Bench::of_modules(&[wat::parse_str(puts_off("")).unwrap()], |_| ());
    let id = bench.open();
    bench.host.finish(id);
    assert!(bench.host.is_ending());
    bench.host.shut_all_down();
    assert!(!bench.host.is_ending());
    assert_eq!(bench.host.streams(), 0);

    let traps = "(if (i32.eq (local.get $ctx) (i32.const 4)) (then (unreachable))) (i32.const 0)";
    let guest = wat::parse_str(legacy(&[("do", traps)])).unwrap();
    let other = wat::parse_str(component(&[], FINALIZE)).unwrap();
    let mut bench = Bench::of_modules(&[guest.clone(), guest, other], |_| ());
    let id = bench.open();
    bench.host.finish(id);
    assert_eq!(
        bench.trace(),
        "do do =1002",
        "the third has an instance of its own"
    );
    assert!(!bench.host.is_ending());
    assert_eq!(bench.host.streams(), 0);
}

#[test]
fn what_comes_after_an_end_is_dropped_also_where_it_is_held_behind_it() {
    // The first plugin ends the request in its body; the second holds what there is until a later stream comes.
    let ends = component(&[("rqb", "END_")], "");
    let resume = "(if (i32.eqz (global.get $other)) (then (global.set $other (local.get $ctx)))
        (else (call $say (call $resume_request (global.get $other))))) FORWARD_";
    let holds = component(&[("rqh", resume), ("rqb", "PAUSE_")], "");
    let mut bench = Bench::new(&[ends, holds]);
    let id = bench.open();
    assert_eq!(bench.feed(id, "rqh rqb:a rqt"), "rqh");
    let other = bench.open();
    bench.feed(other, "rqh!");
    assert_eq!(bench.feed(id, ""), "rqb:a!");
}

#[test]
fn a_head_that_ends_a_message_promises_no_body() {
    let (length, zero) = (
        [(&b"content-length"[..], &b"5"[..])],
        [(&b"content-length"[..], &b"0"[..])],
    );
    let table = [
        (&length, "rqh!", None),
        (&zero, "rqh!", Some("0")),
        (&length, "rqh", Some("5")),
    ];
    for (pairs, event, expected) in table {
        let mut bench = Bench::new(&[crate::maps::changing(&[], pairs)]);
        let id = bench.open();
        bench.host.request_headers(id, request(), event.ends_with('!'));
        let Some(Output::RequestHeaders { head, .. }) = bench.host.next_output(id) else {
            panic!("the head goes on");
        };
        let length = head.headers.get("content-length");
        assert_eq!(
            length.map(HeaderValue::as_bytes),
            expected.map(str::as_bytes),
            "{event}"
        );
    }
    // The upstream of a request that a plugin has made a HEAD request answers without a body; so does one asked by HEAD.
    for (method, status, expected) in [
        ("GET", 200, None),
        ("HEAD", 200, Some("5")),
        ("GET", 304, Some("5")),
    ] {
        let mut bench = Bench::new(&[]);
        let id = bench.open();
        let mut head = request();
        head.method = method.parse().unwrap();
        bench.host.request_headers(id, head, true);
        let response = Response::builder().status(status).header("content-length", "5");
        let (head, ()) = response.body(()).unwrap().into_parts();
        bench.host.response_headers(id, head, true);
        let outputs = std::iter::from_fn(|| bench.host.next_output(id));
        let length = outputs.filter_map(|output| match output {
            Output::ResponseHeaders { head, .. } => Some(head.headers.get("content-length").cloned()),
            _ => None,
        });
        let length = length.last().unwrap();
        let length = length.as_ref().map(HeaderValue::as_bytes);
        assert_eq!(length, expected.map(str::as_bytes), "{method} {status}");
    }
}

#[test]
fn the_log_level_holds_for_later_instances() {
    for instances in [InstanceStrategy::Shared, InstanceStrategy::FreshPerStream] {
        let mut bench = Bench::with(&[component(&[("rqh", "FORWARD_")], "")], |config| {
            config.instances = instances;
        });
        bench.host.set_log_level(LogLevel::Error);
        assert_eq!(bench.run("rqh!").1, "", "{instances:?}");
        bench.host.set_log_level(LogLevel::Trace);
        assert_eq!(bench.run("rqh!").1, "rqh!", "{instances:?}");
    }
}

#[test]
fn nothing_is_called_after_a_reset_that_a_resume_led_to() {
    // What is held has another length than the head gave; more came meanwhile.
    let resume = "(if (i32.eqz (global.get $other)) (then (global.set $other (local.get $ctx)))
        (else (call $say (call $resume_request (global.get $other))))) FORWARD_";
    let write = "(drop (call $set_buffer (local.get $ctx) (i32.const 3) (i32.const 0) (i32.const 9)
        (i32.const 64) (i32.const 1))) PAUSE_";
    let bodies = [("rqh", resume), ("rqb", write), ("rqt", "FORWARD_")];
    let mut bench = Bench::new(&[component(&bodies, "")]);
    let id = bench.open();
    let mut head = request();
    head.headers
        .insert("content-length", HeaderValue::from_static("1"));
    bench.host.request_headers(id, head, false);
    assert_eq!(bench.feed(id, "rqb:a rqt"), "rqh");
    bench.trace();
    let other = bench.open();
    bench.feed(other, "rqh!");
    let trace = bench.trace();
    assert_eq!(bench.feed(id, ""), "reset:LengthChanged");
    bench.host.finish(id);
    assert!(trace == "rqh! =0" || trace == "rqh! =0 rqt", "{trace}");
}
