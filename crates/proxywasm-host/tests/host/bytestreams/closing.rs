//! How connections close: by peers, by plugins in order, and what a plugin is told and can still read.

use super::{acting, guest, guest_with};
use crate::common::Bench;
use proxywasm_host::{Direction, PropertyPath, PropertySource, PropertyValue};

#[test]
fn by_the_peers() {
    // What happens; what comes out; what is called. 2 is the peer, 1 the host.
    let table = [
        // Both ends, in either order, then both connections.
        (
            "con dnd:a! upd:b! upc dnc",
            "connect up:a! down:b! closedown",
            "con dnd1! upd1! upc2 dnc2",
        ),
        (
            "con upd:b! dnd:a! dnc upc",
            "connect down:b! up:a! closeup",
            "con upd1! dnd1! dnc2 upc2",
        ),
        // Where one is gone, the driver closes the other, of which plugins are told with the end of the stream.
        (
            "con upd:b! dnd:a! dnc",
            "connect down:b! up:a! closeup",
            "con upd1! dnd1! dnc2 upc1",
        ),
        // One end is half of it: the other direction goes on.
        (
            "con dnd! upd:b upd:c",
            "connect up! down:b down:c",
            "con dnd0! upd1 upd1 upc1 dnc1",
        ),
        (
            "con upd! dnd:b dnd:c",
            "connect down! up:b up:c",
            "con upd0! dnd1 dnd1 upc1 dnc1",
        ),
        // A connection that breaks off is no end.
        (
            "con dnd:a dnc",
            "connect up:a reset:Disconnected",
            "con dnd1 dnc2 upc1",
        ),
        (
            "con dnd:a upc",
            "connect up:a reset:Disconnected",
            "con dnd1 upc2 dnc1",
        ),
        (
            "con dnd:a! upc",
            "connect up:a! reset:Disconnected",
            "con dnd1! upc2 dnc1",
        ),
        ("dnc con", "reset:Disconnected", "dnc2"),
        // The upstream that cannot be reached.
        ("con upc", "connect reset:Disconnected", "con upc2 dnc1"),
        // A client that has said all and goes: what it said arrives, and what it does not wait for is dropped.
        (
            "con dnd:a! dnc upd:b",
            "connect up:a! closeup",
            "con dnd1! dnc2 upc1",
        ),
        // A server that has said all and goes, while the client still talks.
        (
            "con upd:a! upc dnd:b",
            "connect down:a! closedown",
            "con upd1! upc2 dnc1",
        ),
        // Nothing comes after an end, and nothing closes twice.
        ("con dnd:a! dnd:b dnd!", "connect up:a!", "con dnd1! upc1 dnc1"),
        ("con dnc dnc upc", "connect reset:Disconnected", "con dnc2 upc2"),
    ];
    for (script, out, trace) in table {
        let mut bench = Bench::new(&[guest(&[])]);
        assert_eq!(
            bench.run_bytestream(script),
            (out.to_owned(), trace.to_owned()),
            "{script}"
        );
    }
}

#[test]
fn an_end_that_is_held_is_not_lost_with_its_connection() {
    // The client has said all and is gone while the plugin pauses; resumed, it goes to the upstream, which is closed then.
    let mut bench = Bench::new(&[acting("$resume_downstream", &[("dnd", "PAUSE_")])]);
    let held = bench.open_bytestream();
    assert_eq!(bench.feed(held, "con dnd:ab dnd:c! dnc upd:x"), "connect");
    let other = bench.open_bytestream();
    bench.feed(other, "con");
    assert_eq!(bench.feed(held, ""), "up:ab", "the second piece pauses again");
    bench.feed(other, "");
    let other = bench.open_bytestream();
    bench.feed(other, "con");
    assert_eq!(bench.feed(held, ""), "up:c! closeup");
    bench.trace();
    bench.host.finish(held);
    assert_eq!(bench.trace(), "upc1 dnc2");
}

#[test]
fn by_a_plugin_in_order() {
    let close = |side: &str, action: &str| {
        format!(
            "(call $say (call $close_{side} (local.get $ctx))) (call $say (call $close_{side} (local.get $ctx))) {action}"
        )
    };
    // Where it is called, with which action; what happens; what comes out. The action counts, what is held goes no further.
    let table = [
        (
            "con",
            "FORWARD_",
            "con dnd:a",
            "connect up! closeup down! closedown",
        ),
        ("con", "PAUSE_", "con dnd:a", "closedown"),
        ("con", "DONE_", "con dnd:a", "connect up! closeup down! closedown"),
        ("con", "CLOSE_", "con dnd:a", "reset:Closed"),
        (
            "dnd",
            "FORWARD_",
            "con dnd:a dnd:b upd:c",
            "connect up:a up! closeup down! closedown",
        ),
        (
            "dnd",
            "FORWARD_",
            "con dnd:a! upd:c",
            "connect up:a! closeup down! closedown",
        ),
        (
            "dnd",
            "PAUSE_",
            "con dnd:a dnd:b upd:c",
            "connect up! closeup down! closedown",
        ),
        (
            "dnd",
            "MORE_",
            "con dnd:a dnd:b upd:c",
            "connect up! closeup down! closedown",
        ),
        (
            "dnd",
            "END_",
            "con dnd:a dnd:b upd:c",
            "connect up:a! closeup down! closedown",
        ),
        (
            "dnd",
            "DONE_",
            "con dnd:a dnd:b upd:c",
            "connect up:a up! closeup down! closedown",
        ),
        ("dnd", "CLOSE_", "con dnd:a", "connect reset:Closed"),
        (
            "upd",
            "FORWARD_",
            "con dnd:x upd:a upd:b dnd:c",
            "connect up:x down:a up! closeup down! closedown",
        ),
        (
            "upd",
            "PAUSE_",
            "con dnd:x upd:a upd:b dnd:c",
            "connect up:x up! closeup down! closedown",
        ),
        (
            "upd",
            "FORWARD_",
            "con dnd:x! upd:a upd:b",
            "connect up:x! down:a closeup down! closedown",
        ),
        (
            "upd",
            "FORWARD_",
            "con dnd:x! upd:a!",
            "connect up:x! down:a! closeup closedown",
        ),
        (
            "dnc",
            "",
            "con dnd:a! upd:b! dnc upc",
            "connect up:a! down:b! closeup",
        ),
        (
            "upc",
            "",
            "con dnd:a! upd:b! upc dnc",
            "connect up:a! down:b! closedown",
        ),
    ];
    for side in ["downstream", "upstream"] {
        for (phase, action, script, out) in table {
            let mut bench = Bench::new(&[guest(&[(phase, &close(side, action))])]);
            let (ran, trace) = bench.run_bytestream(script);
            assert_eq!(ran, out, "{side} in {phase}, {action}: {script}");
            // A side that is closed already: the one whose end the callback tells of.
            let gone = matches!((phase, side), ("dnc", "downstream") | ("upc", "upstream"));
            let answers = if gone { "=6 =6" } else { "=0 =6" };
            assert!(trace.contains(answers), "{side} in {phase}, {action}: {trace}");
            let told = trace.matches("dnc").count();
            assert_eq!(told, usize::from(action != "DONE_"), "{trace}");
        }
    }
}

#[test]
fn both_sides_can_be_closed_and_nothing_is_resumed_then() {
    let body = "(call $say (call $close_downstream (local.get $ctx)))
        (call $say (call $close_upstream (local.get $ctx)))
        (call $say (call $resume_downstream (local.get $ctx))) FORWARD_";
    let mut bench = Bench::new(&[guest(&[("dnd", body)])]);
    let (out, trace) = bench.run_bytestream("con dnd:a");
    assert_eq!(out, "connect up:a up! closeup down! closedown");
    assert_eq!(trace, "con dnd1 =0 =0 =6 upc1 dnc1");
}

#[test]
fn from_another_stream() {
    for call in ["$close_downstream", "$close_upstream"] {
        // What the stream holds is dropped; what it has forwarded has its end.
        for (script, before, after) in [
            ("con dnd:a", "connect up:a", "up! closeup down! closedown"),
            ("con dnd:a! upd:b!", "connect up:a! down:b!", "closeup closedown"),
            ("con dnd:a!", "connect up:a!", "closeup down! closedown"),
        ] {
            let mut bench = Bench::new(&[acting(call, &[])]);
            let id = bench.open_bytestream();
            assert_eq!(bench.feed(id, script), before);
            let other = bench.open_bytestream();
            bench.feed(other, "con");
            assert_eq!(bench.host.next_ready(), Some(id), "{call}: its driver is woken");
            assert_eq!(bench.feed(id, "dnd:x upd:y"), after, "{call}: {script}");
            assert!(!bench.host.wants(id, Direction::Request) && !bench.host.wants(id, Direction::Response));
            assert!(!bench.host.is_bypassed(id));
            // The driver has closed both.
            assert_eq!(bench.feed(id, "dnc upc"), "");
        }
    }
}

#[test]
fn others_of_the_chain_get_what_was_forwarded_to_them() {
    // The plugin at the other end of the chain waits for the end, and gets it.
    let closing = guest(&[("upd", "(drop (call $close_upstream (local.get $ctx))) FORWARD_")]);
    let waiting = guest(&[("upd", "FULL_"), ("dnd", "FULL_")]);
    let mut bench = Bench::new(&[waiting.clone(), closing.clone()]);
    let id = bench.open_bytestream();
    // What the first one holds of the client was not forwarded to the second one, which closes.
    assert_eq!(
        bench.feed(id, "con dnd:a upd:b"),
        "connect up! closeup down:b! closedown"
    );
    let closing = guest(&[("dnd", "(drop (call $close_downstream (local.get $ctx))) FORWARD_")]);
    let mut bench = Bench::new(&[closing, waiting]);
    let id = bench.open_bytestream();
    assert_eq!(
        bench.feed(id, "con upd:b dnd:a"),
        "connect down! closedown up:a! closeup"
    );
}

#[test]
fn what_others_hold_when_a_plugin_closes_is_theirs_to_decide() {
    // The first plugin closes in order while the second one holds what the first one had forwarded to it. The second one then lets
    // it go, or closes too; either way each direction gets its end, and both connections are closed once.
    for closes in ["$close_downstream", "$close_upstream"] {
        let body = format!("(drop (call {closes} (local.get $ctx))) FORWARD_");
        let closing = guest(&[("upd", &body)]);
        let until_end = "(if (result i32) (local.get $eos) (then FORWARD_) (else PAUSE_))";
        for (then, trace, rest) in [
            ("$resume_downstream", "con con =0 dnd0!", "up:a up! closeup"),
            ("$close_downstream", "con con =0", "up! closeup"),
            ("$close_upstream", "con con =0", "up! closeup"),
        ] {
            let mut bench = Bench::new(&[closing.clone(), acting(then, &[("dnd", until_end)])]);
            let id = bench.open_bytestream();
            assert_eq!(
                bench.feed(id, "con dnd:a upd:b"),
                "connect down:b down! closedown",
                "{closes}"
            );
            bench.trace();
            let other = bench.open_bytestream();
            bench.feed(other, "con");
            assert_eq!(bench.trace(), trace, "{closes}, then {then}");
            assert_eq!(bench.feed(id, "dnc"), rest, "{closes}, then {then}");
        }
    }
}

#[test]
fn several_plugins_close_before_there_is_an_upstream() {
    // The first plugin closes and pauses. The second one, whose context of that stream has the first id after its own, was not asked yet.
    let first = acting(
        "$close_downstream",
        &[("con", "(drop (call $close_downstream (local.get $ctx))) PAUSE_")],
    );
    let second = guest(&[("con", "(call $say (call $close_upstream (i32.const 2))) FORWARD_")]);
    let mut bench = Bench::new(&[first, second]);
    let id = bench.open_bytestream();
    assert_eq!(bench.feed(id, "con"), "closedown");
    let other = bench.open_bytestream();
    assert_eq!(bench.feed(other, "con"), "connect");
    assert_eq!(bench.trace(), "con con =6 con =0");
    assert_eq!(bench.feed(id, "dnc"), "", "the client is let go once");
}

struct Known;

impl PropertySource for Known {
    fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        (path.as_bytes() == b"source\0port").then_some(PropertyValue::Int(77))
    }
}

#[test]
fn the_last_callbacks_can_read() {
    // Says how many bytes of both buffers can be read, what port the client has, and what changing answers.
    const READ: &str = r#"
        (import "wasi-common" "get_property" (func $get_property (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    const LOG: &str = r#"
        (data (i32.const 512) "\20\02\00\00\0b\00\00\00")        ;; 512: an iovec of the path at 544
        (data (i32.const 520) "\60\02\00\00\08\00\00\00")        ;; 520: an iovec of 8 bytes at 608
        (data (i32.const 544) "source\00port")
        (func $size (param $ctx i32) (param $buffer i32) (result i32)
            (i32.store (i32.const 640) (i32.const 9999))
            (drop (call $get_buffer (local.get $ctx) (local.get $buffer) (i32.const 0) (i32.const -1)
                (i32.const 0) (i32.const 0) (i32.const 640)))
            (i32.load (i32.const 640)))
        (func $read (param $ctx i32)
            (call $say (call $size (local.get $ctx) (i32.const 1)))
            (call $say (call $size (local.get $ctx) (i32.const 2)))
            (drop (call $get_property (local.get $ctx) (i32.const 512) (i32.const 1) (i32.const 520) (i32.const 1) (i32.const 648)))
            (call $say (i32.load (i32.const 608)))
            (call $say (call $set_buffer (local.get $ctx) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 1))))
        (func (export "proxy_on_context_finalize") (param $ctx i32)
            (call $say (i32.const 1000))
            (call $read (local.get $ctx)))"#;
    let read = |phase| (phase, "(call $read (local.get $ctx))");
    // What happens, and what the callbacks of closing and the last one can read: what the plugin still holds.
    let table = [
        (
            "con dnd:abc upd:de dnc",
            "dnc2 =3 =2 =77 =6 upc1 =3 =2 =77 =6 =1000 =3 =2 =77 =6",
        ),
        (
            "con dnd:abc",
            "upc1 =3 =9999 =77 =6 dnc1 =3 =9999 =77 =6 =1000 =3 =9999 =77 =6",
        ),
    ];
    for (script, expected) in table {
        let bodies = [("dnd", "FULL_"), ("upd", "PAUSE_"), read("dnc"), read("upc")];
        let text = guest_with(&bodies, LOG).replacen("(module", &format!("(module {READ}"), 1);
        let mut bench = Bench::new(&[text]);
        let id = bench.host.open_bytestream(&bench.chain, Some(Box::new(Known)));
        bench.feed(id, script);
        bench.host.finish(id);
        let trace = bench.trace();
        assert!(trace.ends_with(expected), "{script}: {trace}");
    }
}

#[test]
fn a_context_of_its_own_choice_can_be_closed() {
    // An id of the plugin's choice, and a call before the host knows it.
    let create = r#"(func (export "proxy_on_context_create") (param $ctx i32) (param i32) (param $kind i32) (result i32)
        (call $say (local.get $kind))
        (drop (call $close_downstream (local.get $ctx)))
        (i32.const 4711))"#;
    let mut bench = Bench::new(&[guest_with(&[], create)]);
    let (out, trace) = bench.run_bytestream("con dnd:a");
    assert_eq!(out, "closedown");
    assert!(
        trace.starts_with("=1"),
        "it is told what kind of stream it is: {trace}"
    );
}
