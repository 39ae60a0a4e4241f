//! Local responses and closes from every phase, twice, late, and through a chain.

use crate::common::{Bench, component, show};

const RESPOND: &str = "(call $say (call $respond (local.get $ctx)))";

#[test]
fn in_every_phase() {
    let table = [
        ("rqh", "rqh rqb:a!", "abandoned rsh:403 rsb:no!", "=0"),
        (
            "rqb",
            "rqh rqb:a rqb:b! rsh!",
            "rqh abandoned rsh:403 rsb:no!",
            "=0",
        ),
        (
            "rqt",
            "rqh rqb:a rqt rsh!",
            "rqh rqb:a abandoned rsh:403 rsb:no!",
            "=0",
        ),
        ("rqm", "rqh rqm rqb:a!", "rqh abandoned rsh:403 rsb:no!", "=0"),
        ("rsh", "rqh! rsh rsb:a!", "rqh! abandoned rsh:403 rsb:no!", "=0"),
        // Once the response head is out it is too late.
        ("rsb", "rqh! rsh rsb:a!", "rqh! rsh rsb:a!", "=6"),
        ("rst", "rqh! rsh rsb:a rst", "rqh! rsh rsb:a rst", "=6"),
        ("rsm", "rqh! rsh rsm rsb:a!", "rqh! rsh rsm rsb:a!", "=6"),
    ];
    // The response takes precedence over whatever the callback returns.
    for action in ["FORWARD_", "PAUSE_", "END_", "DONE_"] {
        for (phase, script, expected, status) in table {
            if status == "=6" && action != "FORWARD_" {
                continue;
            }
            let body = format!("{RESPOND} {action}");
            let (out, trace) = Bench::new(&[component(&[(phase, &body)], "")]).run(script);
            assert_eq!(out, expected, "{action} in {phase}");
            assert!(
                trace.ends_with(status) && trace.starts_with(phase),
                "{action} in {phase}: {trace}"
            );
        }
    }
}

#[test]
fn while_the_head_is_held_a_body_callback_can_answer() {
    let body = format!("{RESPOND} FORWARD_");
    let bodies = [("rsh", "MORE_"), ("rsb", body.as_str())];
    let (out, trace) = Bench::new(&[component(&bodies, "")]).run("rqh! rsh rsb:a rsb:b!");
    assert_eq!(
        (out.as_str(), trace.as_str()),
        ("rqh! abandoned rsh:403 rsb:no!", "rsh rsb1 =0")
    );
}

#[test]
fn twice() {
    let twice = format!("{RESPOND} {RESPOND} FORWARD_");
    let (out, trace) = Bench::new(&[component(&[("rqh", &twice)], "")]).run("rqh! rsh!");
    assert_eq!(
        (out.as_str(), trace.as_str()),
        ("abandoned rsh:403 rsb:no!", "rqh! =0 =6")
    );
}

#[test]
fn closing() {
    let close = |function: &str| format!("(call $say (call {function} (local.get $ctx)))");
    let (request, response) = (close("$close_request"), close("$close_response"));
    let table = [
        (format!("{request} FORWARD_"), "reset:Closed", "=0"),
        (format!("{response} PAUSE_"), "reset:Closed", "=0"),
        (format!("{request} {request} FORWARD_"), "reset:Closed", "=0 =6"),
        // What was asked for first happens; the rest has nothing to act on.
        (format!("{request} {RESPOND} FORWARD_"), "reset:Closed", "=0 =6"),
        (format!("{RESPOND} {request} FORWARD_"), "reset:Closed", "=0 =0"),
    ];
    for (body, expected, status) in table {
        let (out, trace) = Bench::new(&[component(&[("rqh", &body)], "")]).run("rqh! rsh!");
        assert_eq!(out, expected, "{body}");
        assert_eq!(trace, format!("rqh! {status}"), "{body}");
    }
}

#[test]
fn in_the_last_callback_nothing_can_be_asked() {
    let finalize = r#"(func (export "proxy_on_context_finalize") (param $ctx i32)
        (call $say (call $respond (local.get $ctx)))
        (call $say (call $close_request (local.get $ctx)))
        (call $say (call $close_response (local.get $ctx)))
        (call $say (call $resume_request (local.get $ctx)))
        (call $say (call $resume_response (local.get $ctx))))"#;
    let (out, trace) = Bench::new(&[component(&[], finalize)]).run("rqh! rsh!");
    assert_eq!((out.as_str(), trace.as_str()), ("rqh! rsh!", "=6 =6 =6 =6 =6"));
}

/// Who sees a local response: the plugins before the one that gave it, in the order of a request, and of those only the ones no
/// response has come to.
#[test]
fn through_a_chain() {
    let all = |first: &str, body: &str| {
        let named: Vec<(&str, String)> = ["rqh", "rqb", "rsh", "rsb"]
            .into_iter()
            .map(|phase| {
                (
                    phase,
                    if phase == first {
                        body.to_owned()
                    } else {
                        "FORWARD_".to_owned()
                    },
                )
            })
            .collect();
        let bodies: Vec<(&str, &str)> = named
            .iter()
            .map(|(phase, body)| (*phase, body.as_str()))
            .collect();
        component(&bodies, "")
    };
    let answer = format!("{RESPOND} FORWARD_");
    let plain = all("", "");
    let table = [
        (
            "the middle one answers a request",
            "rqh",
            "rqh!",
            "abandoned rsh:403 rsb:no!",
            "rqh! rqh! =0 rsh rsb2!",
        ),
        (
            "the middle one answers a response",
            "rsh",
            "rqh! rsh rsb:a!",
            "rqh! abandoned rsh:403 rsb:no!",
            "rqh! rqh! rqh! rsh rsh =0 rsh rsb2!",
        ),
    ];
    for (name, phase, script, expected, trace) in table {
        let mut bench = Bench::new(&[plain.clone(), all(phase, &answer), plain.clone()]);
        let (out, ran) = bench.run(script);
        assert_eq!((out.as_str(), ran.as_str()), (expected, trace), "{name}");
    }
    // A lower filter that holds the upstream's response does not see another one.
    let mut bench = Bench::new(&[all("rsh", "PAUSE_"), plain]);
    let id = bench.open();
    assert_eq!(
        bench.feed(id, "rqh! rsh failed"),
        "rqh! abandoned rsh:502 rsb:upstream!"
    );
    assert_eq!(bench.trace(), "rqh! rqh! rsh rsh");
}

#[test]
fn upstream_failures_pass_all_plugins_while_they_can() {
    let guest = component(&[("rsh", "FORWARD_"), ("rsb", "FORWARD_")], "");
    let (out, trace) = Bench::new(std::slice::from_ref(&guest)).run("rqh! failed failed");
    assert_eq!(
        (out.as_str(), trace.as_str()),
        ("rqh! abandoned rsh:502 rsb:upstream!", "rsh rsb8!")
    );
    let (out, _) = Bench::new(&[guest]).run("rqh! rsh rsb:a failed");
    assert_eq!(out, "rqh! rsh rsb:a reset:UpstreamFailed");
}

#[test]
fn the_head_of_a_local_response() {
    let body = format!("{RESPOND} FORWARD_");
    let mut bench = Bench::new(&[component(&[("rqh", &body)], "")]);
    let id = bench.open();
    bench.host.request_headers(id, crate::common::request(), true);
    let outputs: Vec<_> = std::iter::from_fn(|| bench.host.next_output(id)).collect();
    let heads: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            proxywasm_host::Output::ResponseHeaders { head, .. } => Some(head),
            _ => None,
        })
        .collect();
    assert_eq!(
        outputs.iter().map(show).collect::<Vec<_>>().join(" "),
        "abandoned rsh:403 rsb:no!"
    );
    assert_eq!(heads[0].headers["content-length"], "2");
    assert_eq!(heads[0].headers["content-type"], "text/plain");
}
