//! Traps in every callback under every policy.

use super::{WHOLE, guest, guest_with};
use crate::common::Bench;
use proxywasm_host::FailurePolicy;

#[test]
fn in_every_callback_and_under_every_policy() {
    const OPEN: &str = "connect up:ab down:ef up:cd! down:gh! closedown";
    // Where it traps; what comes out where that resets the stream, or where the stream goes on without the plugin.
    let table = [
        ("con", "(unreachable)", "reset:PluginFailed", OPEN),
        ("dnd", "(unreachable)", "connect reset:PluginFailed", OPEN),
        ("upd", "(unreachable)", "connect up:ab reset:PluginFailed", OPEN),
        (
            "upc",
            "(unreachable)",
            "connect up:ab down:ef up:cd! down:gh! reset:PluginFailed",
            OPEN,
        ),
    ];
    for failure in [FailurePolicy::Closed, FailurePolicy::Open, FailurePolicy::Reload] {
        for (phase, body, closed, open) in table {
            let mut bench = Bench::with(&[guest(&[(phase, body)])], |config| config.failure = failure);
            let (out, trace) = bench.run_bytestream(WHOLE);
            let expected = if failure == FailurePolicy::Open {
                open
            } else {
                closed
            };
            assert_eq!(out, expected, "{failure:?} in {phase}");
            assert_eq!(
                trace.matches(phase).count(),
                1,
                "{failure:?} in {phase}: it runs once"
            );
            // What comes after has a fresh instance, at once or after the back-off.
            let again = bench.run_bytestream("con");
            let refused = failure == FailurePolicy::Reload;
            assert_eq!(
                again.0 == "reset:PluginFailed" && again.1.is_empty(),
                refused,
                "{phase}: {again:?}"
            );
        }
        // What was held goes on where the stream does.
        let bodies = [("dnd", "MORE_"), ("upd", "(unreachable)")];
        let mut bench = Bench::with(&[guest(&bodies)], |config| config.failure = failure);
        let (out, _) = bench.run_bytestream("con dnd:a upd:b dnd:c!");
        let expected = match failure {
            FailurePolicy::Open => "connect up:a down:b up:c!",
            _ => "connect reset:PluginFailed",
        };
        assert_eq!(out, expected, "{failure:?}");
    }
}

#[test]
fn what_was_asked_for_before_a_trap() {
    // A close that went with the instance is a reset, whatever the policy; a resume is nothing.
    let table = [
        (
            "(drop (call $close_downstream (local.get $ctx))) (unreachable)",
            "connect reset:Closed",
        ),
        (
            "(drop (call $close_upstream (local.get $ctx))) (unreachable)",
            "connect reset:Closed",
        ),
        (
            "(drop (call $resume_downstream (local.get $ctx))) (unreachable)",
            "connect up:a",
        ),
    ];
    for (body, out) in table {
        let mut bench = Bench::with(&[guest(&[("dnd", body)])], |config| {
            config.failure = FailurePolicy::Open;
        });
        assert_eq!(bench.run_bytestream("con dnd:a").0, out, "{body}");
    }
}

#[test]
fn a_close_outlives_the_trap_of_another_plugin() {
    // The second plugin traps on what the first one has just forwarded; the close of the first one is still in order.
    let closing = guest(&[("dnd", "(drop (call $close_downstream (local.get $ctx))) FORWARD_")]);
    let trapping = guest(&[("dnd", "(unreachable)")]);
    let mut bench = Bench::with(&[closing, trapping], |config| {
        config.failure = FailurePolicy::Open
    });
    assert_eq!(
        bench.run_bytestream("con dnd:a").0,
        "connect up:a down! closedown up! closeup"
    );
}

#[test]
fn in_the_first_and_the_last_callback() {
    let create =
        r#"(func (export "proxy_on_context_create") (param i32 i32 i32) (result i32) (unreachable))"#;
    let mut bench = Bench::new(&[guest_with(&[], create)]);
    assert_eq!(bench.run_bytestream("con dnd:a").0, "reset:PluginFailed");
    let finalize = r#"(func (export "proxy_on_context_finalize") (param i32) (unreachable))"#;
    let mut bench = Bench::new(&[guest_with(&[("dnc", "(unreachable)")], finalize)]);
    for _ in 0..2 {
        assert_eq!(bench.run_bytestream("con dnd:a").0, "connect up:a");
    }
    assert_eq!(bench.host.streams(), 0);
}

#[test]
fn streams_of_both_kinds_share_an_instance_and_its_end() {
    let mut bench = Bench::with(&[guest(&[("upd", "(unreachable)")])], |config| {
        config.failure = FailurePolicy::Closed;
    });
    let (http, tcp, sick) = (bench.open(), bench.open_bytestream(), bench.open_bytestream());
    assert_eq!(bench.feed(http, "rqh"), "rqh");
    assert_eq!(bench.feed(tcp, "con dnd:a"), "connect up:a");
    assert_eq!(bench.feed(sick, "con upd:b"), "connect reset:PluginFailed");
    let mut woken: Vec<_> = std::iter::from_fn(|| bench.host.next_ready()).collect();
    woken.sort_by_key(|id| id.index());
    assert_eq!(woken, [http, tcp]);
    assert_eq!(bench.feed(tcp, "dnd:c"), "reset:PluginFailed");
    assert!(bench.feed(http, "").starts_with("abandoned rsh:503"));
}
