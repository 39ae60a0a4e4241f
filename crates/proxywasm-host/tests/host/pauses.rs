//! Pause in every phase, and every way and time to resume.

use crate::common::{Bench, component};
use proxywasm_host::Direction;

/// A plugin that pauses in one phase, and that resumes the stream of `$other` when the headers of another stream come: `$other` is
/// the first stream it saw.
fn pausing(phase: &str, others: &[(&str, &str)], resume: &str) -> String {
    // The first stream is remembered; a later one acts on it.
    let act = format!(
        "(if (i32.eqz (global.get $other)) (then (global.set $other (local.get $ctx)))
         (else (if (i32.ne (global.get $other) (local.get $ctx))
            (then (call $say (call {resume} (global.get $other)))))))"
    );
    let headers = match phase {
        "rqh" => format!(
            "{act} (if (result i32) (i32.eq (global.get $other) (local.get $ctx)) (then PAUSE_) (else FORWARD_))"
        ),
        _ => format!("{act} FORWARD_"),
    };
    let mut bodies = vec![("rqh", headers.as_str())];
    if phase != "rqh" {
        bodies.push((phase, "PAUSE_"));
    }
    bodies.extend(others);
    component(&bodies, "")
}

#[test]
fn in_every_phase_until_another_stream_resumes() {
    const REQUEST: &str = "$resume_request";
    const RESPONSE: &str = "$resume_response";
    // The phase that pauses; what happens; what has come out until it is resumed; the resuming call; what comes out then.
    let table = [
        ("rqh", "rqh rqb:a rqb:b!", "", REQUEST, "rqh rqb:a rqb:b!"),
        ("rqh", "rqh!", "", REQUEST, "rqh!"),
        ("rqh", "rqh rqb:a rqt", "", REQUEST, "rqh rqb:a rqt"),
        ("rqb", "rqh rqb:a", "rqh", REQUEST, "rqb:a"),
        ("rqb", "rqh rqb:a!", "rqh", REQUEST, "rqb:a!"),
        ("rqb", "rqh rqb:a rqt", "rqh", REQUEST, "rqb:a rqt"),
        ("rqt", "rqh rqb:a rqt", "rqh rqb:a", REQUEST, "rqt"),
        ("rqm", "rqh rqm rqb:a!", "rqh", REQUEST, "rqm rqb:a!"),
        ("rsh", "rqh! rsh rsb:a!", "rqh!", RESPONSE, "rsh rsb:a!"),
        ("rsb", "rqh! rsh rsb:a!", "rqh! rsh", RESPONSE, "rsb:a!"),
        ("rst", "rqh! rsh rsb:a rst", "rqh! rsh rsb:a", RESPONSE, "rst"),
        ("rsm", "rqh! rsh rsm rsb:a!", "rqh! rsh", RESPONSE, "rsm rsb:a!"),
    ];
    for (phase, script, before, resume, after) in table {
        let mut bench = Bench::new(&[pausing(phase, &[], resume)]);
        let direction = if resume == REQUEST {
            Direction::Request
        } else {
            Direction::Response
        };
        let paused = bench.open();
        assert_eq!(bench.feed(paused, script), before, "{phase}: {script}");
        assert!(
            !bench.host.wants(paused, direction),
            "{phase}: a pause stops reading"
        );
        assert_eq!(bench.host.next_ready(), None);
        bench.trace();

        let other = bench.open();
        bench.feed(other, "rqh");
        assert!(
            bench.trace().ends_with("=0"),
            "{phase}: resuming another stream is ok"
        );
        assert_eq!(
            bench.host.next_ready(),
            Some(paused),
            "{phase}: its driver is woken"
        );
        assert_eq!(bench.feed(paused, ""), after, "{phase}: {script}");
        assert!(bench.host.wants(paused, direction), "{phase}: reading goes on");
        // Resuming once more finds nothing that is held.
        let third = bench.open();
        bench.feed(third, "rqh");
        assert!(
            bench.trace().ends_with("=6"),
            "{phase}: a second resume is an invalid operation"
        );
        assert_eq!(bench.feed(paused, ""), "", "{phase}");
    }
}

#[test]
fn what_came_during_a_pause_is_seen_after_it() {
    let guest = pausing(
        "rqh",
        &[("rqb", "FORWARD_"), ("rqt", "FORWARD_")],
        "$resume_request",
    );
    let mut bench = Bench::new(&[guest]);
    let paused = bench.open();
    assert_eq!(bench.feed(paused, "rqh rqb:ab rqb:c rqt"), "");
    assert_eq!(bench.trace(), "rqh", "nothing is called while it pauses");
    let other = bench.open();
    bench.feed(other, "rqh!");
    assert_eq!(bench.trace(), "rqh! =0 rqb2 rqb1 rqt");
    assert_eq!(bench.feed(paused, ""), "rqh rqb:ab rqb:c rqt");
}

#[test]
fn resume_in_the_same_callback() {
    // The resume wins over the hold; a second resume has nothing to do.
    let table = [
        ("rqh", "PAUSE_", "rqh!", "rqh!"),
        ("rqh", "FULL_", "rqh rqb:a!", "rqh rqb:a!"),
        ("rqh", "FORWARD_", "rqh!", "rqh!"),
        ("rqb", "PAUSE_", "rqh rqb:a rqb:b!", "rqh rqb:a rqb:b!"),
        ("rqb", "MORE_", "rqh rqb:a rqb:b!", "rqh rqb:a rqb:b!"),
        ("rqt", "PAUSE_", "rqh rqb:a rqt", "rqh rqb:a rqt"),
        ("rqm", "PAUSE_", "rqh rqm rqb:a!", "rqh rqm rqb:a!"),
    ];
    for (phase, action, script, expected) in table {
        let body = format!(
            "(call $say (call $resume_request (local.get $ctx)))
             (call $say (call $resume_request (local.get $ctx))) {action}"
        );
        let mut bench = Bench::new(&[component(&[(phase, &body)], "")]);
        let (out, trace) = bench.run(script);
        assert_eq!(out, expected, "{action} in {phase}");
        assert!(
            trace.contains("=0 =6"),
            "the first is ok, the second an invalid operation: {trace}"
        );
    }
}

#[test]
fn resume_of_the_other_direction() {
    // Resuming a response from a request callback, or before there is one, finds nothing: it must be harmless.
    let body = "(call $say (call $resume_response (local.get $ctx))) FORWARD_";
    let mut bench = Bench::new(&[component(&[("rqh", body)], "")]);
    assert_eq!(bench.run("rqh! rsh!"), ("rqh! rsh!".into(), "rqh! =6".into()));
    // A held request is let go from a response callback of the same stream.
    let bodies = [
        ("rqb", "MORE_"),
        (
            "rsh",
            "(call $say (call $resume_request (local.get $ctx))) FORWARD_",
        ),
    ];
    let mut bench = Bench::new(&[component(&bodies, "")]);
    assert_eq!(
        bench.run("rqh rqb:a rsh!"),
        ("rqh rsh! rqb:a".into(), "rqb1 rsh! =0".into())
    );
}

#[test]
fn a_second_pause_works() {
    let body = "(call $say (i32.const 1)) PAUSE_";
    let act = "(if (i32.eqz (global.get $other)) (then (global.set $other (local.get $ctx)))
        (else (drop (call $resume_request (global.get $other))))) FORWARD_";
    let mut bench = Bench::new(&[component(&[("rqh", act), ("rqb", body)], "")]);
    let paused = bench.open();
    assert_eq!(bench.feed(paused, "rqh rqb:a rqb:b rqb:c!"), "rqh");
    for expected in ["rqb:a", "rqb:b", "rqb:c!", ""] {
        let other = bench.open();
        bench.feed(other, "rqh!");
        bench.host.finish(other);
        assert_eq!(bench.feed(paused, ""), expected);
    }
}

#[test]
fn the_end_of_a_stream_that_is_held() {
    for (phase, action, script) in [
        ("rqh", "PAUSE_", "rqh rqb:a"),
        ("rqb", "PAUSE_", "rqh rqb:a rqb:b"),
        ("rqb", "FULL_", "rqh rqb:a"),
        ("rqt", "PAUSE_", "rqh rqb:a rqt"),
        ("rsb", "MORE_", "rqh! rsh rsb:a"),
    ] {
        // The stream ends while its plugin holds it; the plugin says goodbye once, and a late resume is a bad argument.
        let late = "(if (i32.eqz (global.get $other)) (then (global.set $other (local.get $ctx)))
            (else (call $say (call $resume_request (global.get $other))))) FORWARD_";
        let finalize = r#"(func (export "proxy_on_context_finalize") (param $ctx i32)
            (call $say (i32.const 1000))
            (call $say (call $resume_request (local.get $ctx))))"#;
        let headers = if phase == "rqh" {
            format!("{} PAUSE_", late.trim_end_matches("FORWARD_"))
        } else {
            late.to_owned()
        };
        let mut bodies = vec![("rqh", headers.as_str())];
        if phase != "rqh" {
            bodies.push((phase, action));
        }
        let mut bench = Bench::new(&[component(&bodies, finalize)]);
        let id = bench.open();
        bench.feed(id, script);
        bench.trace();
        bench.host.finish(id);
        assert_eq!(bench.trace(), "=1000 =6", "{phase}");
        assert!(bench.host.next_output(id).is_none());
        bench.host.finish(id);
        assert_eq!(bench.trace(), "", "{phase}: once");
        let other = bench.open();
        bench.feed(other, "rqh!");
        assert!(bench.trace().ends_with("=4"), "{phase}: the id is void");
    }
}
