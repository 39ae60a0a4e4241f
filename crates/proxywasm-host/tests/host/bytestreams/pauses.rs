//! Pause, and every way and time to resume.

use super::{acting, guest};
use crate::common::Bench;
use proxywasm_host::Direction::{Request, Response};

#[test]
fn until_another_stream_resumes() {
    // The callback that pauses; what happens; what has come out until it is resumed; the resuming call; what comes out then.
    let table = [
        (
            "con",
            Request,
            "con dnd:a dnd:b!",
            "",
            "$resume_downstream",
            "connect up:a up:b!",
        ),
        ("con", Request, "con", "", "$resume_downstream", "connect"),
        (
            "dnd",
            Request,
            "con dnd:a",
            "connect",
            "$resume_downstream",
            "up:a",
        ),
        (
            "dnd",
            Request,
            "con dnd:a!",
            "connect",
            "$resume_downstream",
            "up:a!",
        ),
        ("dnd", Request, "con dnd!", "connect", "$resume_downstream", "up!"),
        (
            "upd",
            Response,
            "con upd:a",
            "connect",
            "$resume_upstream",
            "down:a",
        ),
        (
            "upd",
            Response,
            "con upd:a!",
            "connect",
            "$resume_upstream",
            "down:a!",
        ),
    ];
    for (phase, direction, script, before, resume, after) in table {
        let mut bench = Bench::new(&[acting(resume, &[(phase, "PAUSE_")])]);
        let paused = bench.open_bytestream();
        assert_eq!(bench.feed(paused, script), before, "{phase}: {script}");
        assert!(
            !bench.host.wants(paused, direction),
            "{phase}: a pause stops reading"
        );
        assert_eq!(bench.host.next_ready(), None);

        for (answer, woken, out) in [("=0", Some(paused), after), ("=6", None, "")] {
            let other = bench.open_bytestream();
            bench.feed(other, "con");
            let trace = bench.trace();
            assert!(trace.contains(answer), "{phase}: {script}: {trace}");
            assert_eq!(bench.host.next_ready(), woken, "{phase}: its driver is woken");
            assert_eq!(bench.feed(paused, ""), out, "{phase}: {script}");
        }
        let ended = script.ends_with('!');
        assert_eq!(
            bench.host.wants(paused, direction),
            !ended,
            "{phase}: reading goes on"
        );
    }
}

#[test]
fn what_came_during_a_pause_is_seen_after_it() {
    let mut bench = Bench::new(&[acting(
        "$resume_downstream",
        &[("con", "PAUSE_"), ("dnd", "FULL_")],
    )]);
    let paused = bench.open_bytestream();
    assert_eq!(bench.feed(paused, "con dnd:ab dnd:c"), "");
    assert_eq!(bench.trace(), "con", "nothing is called while it pauses");
    let other = bench.open_bytestream();
    bench.feed(other, "con");
    assert_eq!(bench.trace(), "con =0 dnd2", "the wait holds what came second");
    assert_eq!(bench.feed(paused, "dnd:d!"), "connect up:ab up:c up:d!");
    assert_eq!(bench.trace(), "dnd4!");
}

#[test]
fn one_direction_does_not_hold_the_other() {
    let mut bench = Bench::new(&[guest(&[("dnd", "PAUSE_")])]);
    let id = bench.open_bytestream();
    assert_eq!(bench.feed(id, "con dnd:a upd:b upd:c!"), "connect down:b down:c!");
    assert!(!bench.host.wants(id, Request));
    assert!(!bench.host.wants(id, Response), "it has ended");
}

#[test]
fn a_wait_can_be_resumed_too() {
    for wait in ["MORE_", "FULL_"] {
        let mut bench = Bench::new(&[acting("$resume_upstream", &[("upd", wait)])]);
        let waiting = bench.open_bytestream();
        assert_eq!(bench.feed(waiting, "con upd:a upd:b"), "connect");
        assert!(bench.host.wants(waiting, Response), "{wait}: reading goes on");
        let other = bench.open_bytestream();
        bench.feed(other, "con");
        assert_eq!(bench.feed(waiting, ""), "down:a down:b", "{wait}");
    }
}

#[test]
fn resume_in_the_same_callback() {
    for (phase, resume, script, out) in [
        ("con", "$resume_downstream", "con dnd:a!", "connect up:a!"),
        (
            "dnd",
            "$resume_downstream",
            "con dnd:a dnd:b!",
            "connect up:a up:b!",
        ),
        (
            "upd",
            "$resume_upstream",
            "con upd:a upd:b!",
            "connect down:a down:b!",
        ),
    ] {
        for action in ["PAUSE_", "MORE_", "FULL_", "FORWARD_"] {
            if phase == "con" && matches!(action, "MORE_" | "FULL_") {
                continue;
            }
            let body = format!(
                "(call $say (call {resume} (local.get $ctx))) (call $say (call {resume} (local.get $ctx))) {action}"
            );
            let mut bench = Bench::new(&[guest(&[(phase, &body)])]);
            let (ran, trace) = bench.run_bytestream(script);
            assert_eq!(ran, out, "{action} in {phase}");
            assert!(trace.contains("=0 =6"), "once: {trace}");
        }
    }
}

#[test]
fn resume_of_the_other_direction_or_kind() {
    // Nothing is held there; and an HTTP stream has no such directions, nor a byte stream those of HTTP.
    for (phase, call, script) in [
        ("con", "$resume_upstream", "con"),
        ("dnd", "$resume_upstream", "con dnd:a"),
        ("upd", "$resume_downstream", "con upd:a"),
        ("dnd", "$resume_request", "con dnd:a"),
        ("dnd", "$resume_response", "con dnd:a"),
        ("dnd", "$close_request", "con dnd:a"),
        ("dnd", "$close_response", "con dnd:a"),
        ("dnd", "$respond", "con dnd:a"),
        ("upd", "$respond", "con upd:a"),
    ] {
        let body = format!("(call $say (call {call} (local.get $ctx))) FORWARD_");
        let mut bench = Bench::new(&[guest(&[(phase, &body)])]);
        let id = bench.open_bytestream();
        let out = bench.feed(id, script);
        assert!(
            !out.contains("reset") && !out.contains("rsh"),
            "{call} in {phase}: {out}"
        );
        assert!(bench.trace().contains("=6"), "{call} in {phase}");
    }
    for call in [
        "$resume_downstream",
        "$resume_upstream",
        "$close_downstream",
        "$close_upstream",
    ] {
        let body = format!("(call $say (call {call} (local.get $ctx))) FORWARD_");
        let mut bench = Bench::new(&[crate::common::component(&[("rqh", &body)], "")]);
        assert_eq!(bench.run("rqh!"), ("rqh!".into(), "rqh! =6".into()), "{call}");
    }
}

#[test]
fn events_of_the_other_kind_are_nothing() {
    let mut bench = Bench::new(&[guest(&[])]);
    let id = bench.open_bytestream();
    assert_eq!(
        bench.feed(id, "rqh rqb:a rqt rqm rsh rsb:a rst rsm con dnd:a"),
        "connect up:a"
    );
    let id = bench.open();
    assert_eq!(bench.feed(id, "con dnd:a upd:b dnc upc rqh!"), "rqh!");
    assert_eq!(bench.trace(), "con dnd1");
}
