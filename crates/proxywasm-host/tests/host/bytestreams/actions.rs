//! What each action does in each callback; done, and bypassing; bounds; chains.

use super::{FORWARD, TRACE, WHOLE, guest};
use crate::common::{Bench, component};
use proxywasm_host::{BytestreamPhase, PhaseSet};

const RESET: &str = "reset:Closed";

#[test]
fn every_action_in_every_callback() {
    // The callback and its action, the script, what comes out, what is called.
    let table = [
        (
            "con",
            "FORWARD_",
            WHOLE,
            "connect up:ab down:ef up:cd! down:gh! closedown",
            TRACE,
        ),
        ("con", "END_", WHOLE, RESET, "con dnc2"),
        (
            "con",
            "DONE_",
            WHOLE,
            "connect up:ab down:ef up:cd! down:gh! closedown",
            "con",
        ),
        ("con", "PAUSE_", "con dnd:ab dnd:cd!", "", "con dnc1"),
        ("con", "MORE_", WHOLE, RESET, "con dnc2"),
        ("con", "FULL_", WHOLE, RESET, "con dnc2"),
        ("con", "CLOSE_", WHOLE, RESET, "con dnc2"),
        ("con", "(i32.const 7)", WHOLE, RESET, "con dnc2"),
        (
            "dnd",
            "END_",
            WHOLE,
            "connect up:ab! down:ef down:gh! closedown",
            "con dnd2 upd2 upd2! upc2 dnc2",
        ),
        (
            "dnd",
            "DONE_",
            WHOLE,
            "connect up:ab down:ef up:cd! down:gh! closedown",
            "con dnd2",
        ),
        (
            "dnd",
            "PAUSE_",
            "con dnd:ab dnd:cd! upd:e!",
            "connect down:e!",
            "con dnd2 upd1! upc1 dnc1",
        ),
        (
            "dnd",
            "MORE_",
            WHOLE,
            "connect down:ef up:abcd! down:gh! closedown",
            "con dnd2 upd2 dnd4! upd2! upc2 dnc2",
        ),
        (
            "dnd",
            "FULL_",
            WHOLE,
            "connect down:ef up:abcd! down:gh! closedown",
            "con dnd2 upd2 dnd4! upd2! upc2 dnc2",
        ),
        (
            "dnd",
            "CLOSE_",
            WHOLE,
            "connect reset:Closed",
            "con dnd2 upc2 dnc2",
        ),
        (
            "dnd",
            "(i32.const 7)",
            WHOLE,
            "connect reset:Closed",
            "con dnd2 upc2 dnc2",
        ),
        (
            "upd",
            "END_",
            WHOLE,
            "connect up:ab down:ef! up:cd! closedown",
            "con dnd2 upd2 dnd2! upc2 dnc2",
        ),
        (
            "upd",
            "DONE_",
            WHOLE,
            "connect up:ab down:ef up:cd! down:gh! closedown",
            "con dnd2 upd2",
        ),
        (
            "upd",
            "PAUSE_",
            "con dnd:ab! upd:e upd:f!",
            "connect up:ab!",
            "con dnd2! upd1 upc1 dnc1",
        ),
        (
            "upd",
            "MORE_",
            WHOLE,
            "connect up:ab up:cd! down:efgh! closedown",
            "con dnd2 upd2 dnd2! upd4! upc2 dnc2",
        ),
        (
            "upd",
            "FULL_",
            WHOLE,
            "connect up:ab up:cd! down:efgh! closedown",
            "con dnd2 upd2 dnd2! upd4! upc2 dnc2",
        ),
        (
            "upd",
            "CLOSE_",
            WHOLE,
            "connect up:ab reset:Closed",
            "con dnd2 upd2 upc2 dnc2",
        ),
    ];
    for (phase, action, script, out, trace) in table {
        let mut bench = Bench::new(&[guest(&[(phase, action)])]);
        let ran = bench.run_bytestream(script);
        // Pieces that were held leave as they came.
        let joined = ran
            .0
            .replace("up:ab up:cd!", "up:abcd!")
            .replace("down:ef down:gh!", "down:efgh!");
        let expected = out
            .replace("up:ab up:cd!", "up:abcd!")
            .replace("down:ef down:gh!", "down:efgh!");
        assert_eq!((joined, ran.1.as_str()), (expected, trace), "{action} in {phase}");
        assert_eq!(bench.host.streams(), 0);
    }
}

#[test]
fn a_plugin_without_callbacks_is_not_in_the_way() {
    for absent in FORWARD {
        let bodies: Vec<_> = FORWARD
            .into_iter()
            .filter(|(name, _)| *name != absent.0)
            .collect();
        let mut bench = Bench::new(&[component(&bodies, "")]);
        let (out, trace) = bench.run_bytestream(WHOLE);
        assert_eq!(
            out, "connect up:ab down:ef up:cd! down:gh! closedown",
            "without {}",
            absent.0
        );
        let called = |entry: &&str| !entry.starts_with(absent.0);
        let expected: Vec<&str> = TRACE.split(' ').filter(called).collect();
        assert_eq!(trace, expected.join(" "));
    }
    let mut bench = Bench::new(&[]);
    assert_eq!(
        bench.run_bytestream(WHOLE).0,
        "connect up:ab down:ef up:cd! down:gh! closedown"
    );
}

#[test]
fn callbacks_that_are_switched_off() {
    for phase in BytestreamPhase::ALL {
        let mut bench = Bench::with(&[guest(&[])], |config| {
            config.callbacks_off = PhaseSet::from_iter([phase]);
        });
        let (_, trace) = bench.run_bytestream(WHOLE);
        assert_eq!(
            trace.split(' ').count(),
            TRACE.split(' ').count() - called(phase),
            "{phase:?}: {trace}"
        );
        // HTTP is another matter.
        assert!(
            !bench.chain.plugins()[0]
                .config()
                .callbacks_off
                .contains(proxywasm_host::Phase::ALL[0])
        );
    }
    fn called(phase: BytestreamPhase) -> usize {
        match phase {
            BytestreamPhase::DownstreamData | BytestreamPhase::UpstreamData => 2,
            _ => 1,
        }
    }
}

#[test]
fn done_lets_go_and_is_the_last() {
    // What is held of the other direction goes on too, and what waited behind a pause.
    let upd = "(if (result i32) (local.get $eos) (then DONE_) (else FORWARD_))";
    for (hold, script, out) in [
        ("MORE_", "con dnd:ab dnd:cd upd:e!", "connect down:e! up:ab up:cd"),
        (
            "FULL_",
            "con dnd:ab dnd:cd! upd:e!",
            "connect up:ab up:cd! down:e!",
        ),
        (
            "PAUSE_",
            "con dnd:ab dnd:cd! upd:e!",
            "connect down:e! up:ab up:cd!",
        ),
    ] {
        let mut bench = Bench::new(&[guest(&[("dnd", hold), ("upd", upd)])]);
        assert_eq!(bench.run_bytestream(script).0, out, "{hold}");
    }
    // The last callback comes all the same, and the context is alive until then.
    let finalize =
        r#"(func (export "proxy_on_context_finalize") (param $ctx i32) (call $say (i32.const 1000)))"#;
    let mut bench = Bench::new(&[super::guest_with(&[("con", "DONE_")], finalize)]);
    assert_eq!(bench.run_bytestream("con dnd:a dnc").1, "con =1000");
}

#[test]
fn bypassed_when_nobody_wants_any_more_and_nothing_is_held() {
    // The plugins; what happened; whether the driver may move the rest by itself.
    let done = guest(&[("dnd", "DONE_")]);
    let never = component(&[], "");
    let holding = guest(&[("dnd", "MORE_"), ("upd", "DONE_")]);
    let ending = guest(&[("dnd", "END_"), ("upd", "DONE_")]);
    let table: [(&[&String], &str, bool); 14] = [
        (&[], "con", true),
        (&[&never], "", false),
        (&[&never], "con", true),
        (&[&never], "con dnd:a!", true),
        (&[&never], "con dnd:a! upd:b!", true),
        (&[&never], "con dnc", false),
        (&[&done], "con", false),
        (&[&done], "con upd:a", false),
        (&[&done], "con dnd:a", true),
        (&[&done, &never], "con dnd:a", true),
        (&[&done, &guest(&[])], "con dnd:a", false),
        (&[&holding], "con dnd:a", false),
        (&[&holding], "con dnd:a upd:b", true),
        (&[&ending], "con dnd:a upd:b", true),
    ];
    for (guests, script, expected) in table {
        let guests: Vec<String> = guests.iter().map(|guest| (*guest).clone()).collect();
        let mut bench = Bench::new(&guests);
        let id = bench.open_bytestream();
        bench.feed(id, script);
        assert_eq!(
            bench.host.is_bypassed(id),
            expected,
            "{} plugins, {script}",
            guests.len()
        );
        if expected {
            // What has not been taken is still the host's.
            bench.host.upstream_data(id, "late".into(), false);
            assert_eq!(bench.host.is_bypassed(id), bench.outputs(id).is_empty());
        }
        bench.host.finish(id);
        assert!(!bench.host.is_bypassed(id));
    }
    let mut bench = Bench::new(&[]);
    let id = bench.open();
    bench.feed(id, "rqh");
    assert!(!bench.host.is_bypassed(id), "not for HTTP");
}

#[test]
fn no_more_is_held_than_may_be() {
    // At most 4 bytes. The action, what comes, what goes on, what is called.
    let table = [
        ("MORE_", "dnd:ab dnd:cd", "reset:HeldTooMuch", "dnd2 dnd4"),
        ("MORE_", "dnd:abcdef", "reset:HeldTooMuch", "dnd6"),
        ("MORE_", "dnd:ab dnd:c!", "up:ab up:c!", "dnd2 dnd3!"),
        ("FULL_", "dnd:ab dnd:c", "", "dnd2"),
        ("FULL_", "dnd:ab dnd:cd", "reset:HeldTooMuch", "dnd2 dnd4"),
        ("FULL_", "dnd:ab dnd:cde!", "up:ab up:cde!", "dnd2 dnd5!"),
        ("PAUSE_", "dnd:abcdef dnd:gh", "", "dnd6"),
        (
            "(if (result i32) (i32.ge_u (local.get $size) (i32.const 4)) (then FORWARD_) (else FULL_))",
            "dnd:ab dnd:cd dnd:ef",
            "up:ab up:cd",
            "dnd2 dnd4 dnd2",
        ),
    ];
    for (action, script, out, trace) in table {
        for (from, to) in [("dnd", "up:"), ("upd", "down:")] {
            let mut bench = Bench::with(&[guest(&[(from, action)])], |config| {
                config.limits.held_body_bytes = 4;
            });
            let id = bench.open_bytestream();
            bench.feed(id, "con");
            bench.trace();
            let direction = |text: &str| text.replace("dnd", from).replace("up:", to);
            assert_eq!(
                bench.feed(id, &direction(script)),
                direction(out),
                "{action}, {script}"
            );
            assert_eq!(bench.trace(), direction(trace), "{action}, {script}");
        }
    }
}

#[test]
fn a_chain_is_passed_in_both_orders() {
    let numbered = |number: u32, bodies: &[(&str, &str)]| {
        let bodies = FORWARD.map(|(name, default)| {
            let action = bodies
                .iter()
                .find(|(of, _)| *of == name)
                .map_or(default, |(_, action)| *action);
            (name, format!("(call $say (i32.const {number})) {action}"))
        });
        guest(&bodies.each_ref().map(|(name, body)| (*name, body.as_str())))
    };
    // The actions of the first and the second plugin; what comes out; what is called.
    let table: [(&[(&str, &str)], &[(&str, &str)], &str, &str, &str); 6] = [
        (
            &[],
            &[],
            "con dnd:a! upd:b! upc dnc",
            "connect up:a! down:b! closedown",
            "con =1 con =2 dnd1! =1 dnd1! =2 upd1! =2 upd1! =1 upc2 =2 upc2 =1 dnc2 =1 dnc2 =2",
        ),
        // The second one does not know of the connection while the first one pauses, and the upstream does not while the second one does.
        (&[("con", "PAUSE_")], &[], "con dnd:a", "", "con =1"),
        (
            &[],
            &[("con", "PAUSE_")],
            "con dnd:a",
            "",
            "con =1 con =2 dnd1 =1",
        ),
        // Each holds for itself.
        (
            &[("dnd", "MORE_")],
            &[("dnd", "FULL_")],
            "con dnd:a dnd:b!",
            "connect up:a up:b!",
            "con =1 con =2 dnd1 =1 dnd2! =1 dnd2! =2",
        ),
        // One that is done is passed by.
        (
            &[("dnd", "DONE_")],
            &[],
            "con dnd:a dnd:b upd:c",
            "connect up:a up:b down:c",
            "con =1 con =2 dnd1 =1 dnd1 =2 dnd1 =2 upd1 =2",
        ),
        // What one ends, ends for the other.
        (
            &[("dnd", "END_")],
            &[("upd", "END_")],
            "con dnd:a dnd:b upd:c upd:d",
            "connect up:a! down:c!",
            "con =1 con =2 dnd1 =1 dnd1! =2 upd1 =2 upd1! =1",
        ),
    ];
    for (first, second, script, out, trace) in table {
        let mut bench = Bench::new(&[numbered(1, first), numbered(2, second)]);
        let id = bench.open_bytestream();
        assert_eq!(bench.feed(id, script), out, "{first:?} {second:?}");
        assert_eq!(bench.trace(), trace, "{first:?} {second:?}");
    }
}

#[test]
fn data_can_be_changed_in_both_directions() {
    // "no" is put before what came from the downstream, and replaces what came from the upstream.
    let set = |buffer: u32, size: i32| {
        format!(
            "(call $say (call $set_buffer (local.get $ctx) (i32.const {buffer}) (i32.const 0) (i32.const {size})
                (i32.const 64) (i32.const 1))) FORWARD_"
        )
    };
    let mut bench = Bench::new(&[guest(&[("dnd", &set(1, 0)), ("upd", &set(2, -1))])]);
    assert_eq!(
        bench.run_bytestream("con dnd:abc upd:def dnd! upd!").0,
        "connect up:no up:abc down:no up:no! down:no!",
        "also where only the end came"
    );
    // Buffers of the other direction, of HTTP, and what has gone on are not there to change.
    for (phase, buffer) in [
        ("dnd", 2),
        ("upd", 1),
        ("dnd", 3),
        ("upd", 4),
        ("con", 1),
        ("dnc", 1),
    ] {
        let action = if phase == "dnc" { "" } else { "FORWARD_" };
        let body = set(buffer, 0).replace("FORWARD_", action);
        let mut bench = Bench::new(&[guest(&[(phase, &body)])]);
        let (_, trace) = bench.run_bytestream("con dnd:a upd:b dnd! upd! upc dnc");
        assert!(
            trace.contains("=6") && !trace.contains("=0"),
            "{phase} {buffer}: {trace}"
        );
    }
}
