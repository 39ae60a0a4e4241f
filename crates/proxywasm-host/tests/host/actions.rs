//! Every action in every phase, and every way to hold and to go on: what comes out, and which callbacks run.

use crate::common::{Bench, component};

/// A row: what it shows; what callbacks return; the events; what comes out; what callbacks ran.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
    &'static str,
);

const FORWARD_ALL: &[(&str, &str)] = &[
    ("rqh", "FORWARD_"),
    ("rqb", "FORWARD_"),
    ("rqt", "FORWARD_"),
    ("rqm", "FORWARD_"),
    ("rsh", "FORWARD_"),
    ("rsb", "FORWARD_"),
    ("rst", "FORWARD_"),
    ("rsm", "FORWARD_"),
];

fn check(table: &[Row]) {
    for (name, bodies, script, expected, trace) in table {
        let mut bench = Bench::with(&[component(bodies, "")], |config| {
            config.limits.held_body_bytes = 10
        });
        let (out, ran) = bench.run(script);
        assert_eq!(first_words(&out), *expected, "what comes out: {name}");
        assert_eq!(ran, *trace, "what runs: {name}");
        assert_eq!(bench.host.streams(), 0, "{name}");
    }
}

#[test]
fn forward() {
    let all = "rqh rqm rqb:ab rqb:c rqt rsh rsm rsb:x rst";
    check(&[
        (
            "everything",
            FORWARD_ALL,
            all,
            all,
            "rqh rqm rqb2 rqb1 rqt rsh rsm rsb1 rst",
        ),
        ("no callbacks at all", &[], all, all, ""),
        ("headers only", FORWARD_ALL, "rqh! rsh!", "rqh! rsh!", "rqh! rsh!"),
        (
            "an empty last piece",
            FORWARD_ALL,
            "rqh rqb:a rqb! rsh rsb!",
            "rqh rqb:a rqb! rsh rsb!",
            "rqh rqb1 rqb0! rsh rsb0!",
        ),
        (
            "an empty piece is not sent",
            FORWARD_ALL,
            "rqh rqb rqb:a!",
            "rqh rqb:a!",
            "rqh rqb0 rqb1!",
        ),
        (
            "the response may come first",
            FORWARD_ALL,
            "rqh rsh rqb:a rsb:x! rqb:b!",
            "rqh rsh rqb:a rsb:x! rqb:b!",
            "rqh rsh rqb1 rsb1! rqb1!",
        ),
    ]);
}

#[test]
fn end_stream() {
    check(&[
        (
            "in headers",
            &[("rqh", "END_"), ("rqb", "FORWARD_")],
            "rqh rqb:a rqt rsh!",
            "rqh! rsh!",
            "rqh",
        ),
        (
            "in the body",
            &[("rqb", "END_"), ("rqt", "FORWARD_")],
            "rqh rqb:a rqb:b! rsh!",
            "rqh rqb:a! rsh!",
            "rqb1",
        ),
        (
            "in the trailers",
            &[("rqt", "END_")],
            "rqh rqb:a rqt",
            "rqh rqb:a rqt",
            "rqt",
        ),
        (
            "in metadata",
            &[("rqm", "END_")],
            "rqh rqm rqb:a!",
            "rqh rqm rqb!",
            "rqm",
        ),
        (
            "in response headers",
            &[("rsh", "END_")],
            "rqh! rsh rsb:a!",
            "rqh! rsh!",
            "rsh",
        ),
        (
            "in the response body",
            &[("rsb", "END_")],
            "rqh! rsh rsb:a rsb:b rst",
            "rqh! rsh rsb:a!",
            "rsb1",
        ),
        (
            "in response trailers",
            &[("rst", "END_")],
            "rqh! rsh rsb:a rst",
            "rqh! rsh rsb:a rst",
            "rst",
        ),
        (
            "with held headers",
            &[("rqh", "FULL_"), ("rqb", "END_")],
            "rqh rqb:abcdefghijk rqb:b!",
            "rqh rqb:abcdefghijk!",
            "rqh rqb11",
        ),
        (
            "in response metadata",
            &[("rsm", "END_")],
            "rqh! rsh rsm rsb:a!",
            "rqh! rsh rsm rsb!",
            "rsm",
        ),
    ]);
}

#[test]
fn done() {
    check(&[
        (
            "in request headers; the response is another direction",
            &[
                ("rqh", "DONE_"),
                ("rqb", "PAUSE_"),
                ("rqt", "PAUSE_"),
                ("rsh", "FORWARD_"),
            ],
            "rqh rqb:a rqt rsh!",
            "rqh rqb:a rqt rsh!",
            "rqh rsh!",
        ),
        (
            "in the request body",
            &[("rqb", "DONE_"), ("rqt", "PAUSE_")],
            "rqh rqb:a rqb:b rqt",
            "rqh rqb:a rqb:b rqt",
            "rqb1",
        ),
        (
            "in request trailers",
            &[("rqt", "DONE_")],
            "rqh rqb:a rqt",
            "rqh rqb:a rqt",
            "rqt",
        ),
        (
            "in metadata",
            &[("rqm", "DONE_"), ("rqb", "PAUSE_")],
            "rqh rqm rqm rqb:a!",
            "rqh rqm rqm rqb:a!",
            "rqm",
        ),
        (
            "in response headers",
            &[("rsh", "DONE_"), ("rsb", "PAUSE_")],
            "rqh! rsh rsb:a!",
            "rqh! rsh rsb:a!",
            "rsh",
        ),
        (
            "in the response body",
            &[("rsb", "DONE_"), ("rst", "PAUSE_")],
            "rqh! rsh rsb:a rsb:b rst",
            "rqh! rsh rsb:a rsb:b rst",
            "rsb1",
        ),
        (
            "in response trailers",
            &[("rst", "DONE_")],
            "rqh! rsh rsb:a rst",
            "rqh! rsh rsb:a rst",
            "rst",
        ),
        (
            "after a wait",
            &[("rqh", "FULL_"), ("rqb", "DONE_")],
            "rqh rqb:a rqb:b! rsh!",
            "rqh rqb:a rqb:b! rsh!",
            "rqh rqb2!",
        ),
        (
            "in response metadata",
            &[("rsm", "DONE_"), ("rsb", "PAUSE_")],
            "rqh! rsh rsm rsm rsb:a!",
            "rqh! rsh rsm rsm rsb:a!",
            "rsm",
        ),
    ]);
}

#[test]
fn close() {
    let table: Vec<(&str, &str, &str)> = vec![
        ("rqh", "rqh! rsh!", "reset:Closed"),
        ("rqb", "rqh rqb:a rqb:b!", "rqh reset:Closed"),
        ("rqt", "rqh rqb:a rqt rsh!", "rqh rqb:a reset:Closed"),
        ("rqm", "rqh rqm rqb:a!", "rqh reset:Closed"),
        ("rsh", "rqh! rsh rsb:a!", "rqh! reset:Closed"),
        ("rsb", "rqh! rsh rsb:a rsb:b!", "rqh! rsh reset:Closed"),
        ("rst", "rqh! rsh rsb:a rst", "rqh! rsh rsb:a reset:Closed"),
        ("rsm", "rqh! rsh rsm rsb:a!", "rqh! rsh reset:Closed"),
    ];
    for (callback, script, expected) in table {
        let (out, ran) = Bench::new(&[component(&[(callback, "CLOSE_")], "")]).run(script);
        assert_eq!(out, expected, "close in {callback}");
        assert!(
            ran.starts_with(callback) && !ran.contains(' '),
            "{callback} runs once: {ran}"
        );
    }
}

#[test]
fn illegal_actions_close() {
    for (callback, action, script, expected) in [
        ("rqt", "MORE_", "rqh rqb:a rqt", "rqh rqb:a reset:Closed"),
        (
            "rst",
            "FULL_",
            "rqh! rsh rsb:a rst",
            "rqh! rsh rsb:a reset:Closed",
        ),
        ("rqm", "MORE_", "rqh rqm", "rqh reset:Closed"),
        ("rqh", "(i32.const 7)", "rqh!", "reset:Closed"),
        (
            "rsb",
            "(i32.const -1)",
            "rqh! rsh rsb:a!",
            "rqh! rsh reset:Closed",
        ),
    ] {
        let (out, _) = Bench::new(&[component(&[(callback, action)], "")]).run(script);
        assert_eq!(out, expected, "{action} in {callback}");
    }
}

#[test]
fn waits() {
    const UNTIL_END: &str = "(if (result i32) (local.get $eos) (then FORWARD_) (else MORE_))";
    check(&[
        (
            "for more data: the size accumulates",
            &[("rqb", UNTIL_END)],
            "rqh rqb:ab rqb:c rqb!",
            "rqh rqb:ab rqb:c!",
            "rqb2 rqb3 rqb3!",
        ),
        (
            "for the end: one call",
            &[("rqb", "FULL_")],
            "rqh rqb:ab rqb:c rqb:d!",
            "rqh rqb:ab rqb:c rqb:d!",
            "rqb2 rqb4!",
        ),
        (
            "for more of a response",
            &[("rsb", UNTIL_END)],
            "rqh! rsh rsb:ab rsb:c!",
            "rqh! rsh rsb:ab rsb:c!",
            "rsb2 rsb3!",
        ),
        (
            "for the end of a response",
            &[("rsb", "FULL_")],
            "rqh! rsh rsb:ab rsb:c rst",
            "rqh! rsh rsb:ab rsb:c rst",
            "rsb2 rsb3!",
        ),
        (
            "in response headers, for more",
            &[("rsh", "MORE_"), ("rsb", UNTIL_END)],
            "rqh! rsh rsb:a rsb:b!",
            "rqh! rsh rsb:a rsb:b!",
            "rsh rsb1 rsb2!",
        ),
        (
            "in headers, for more",
            &[("rqh", "MORE_"), ("rqb", UNTIL_END)],
            "rqh rqb:a rqb:b! rsh!",
            "rqh rqb:a rqb:b! rsh!",
            "rqh rqb1 rqb2!",
        ),
        (
            "in headers, for the end",
            &[("rsh", "FULL_"), ("rsb", "FORWARD_")],
            "rqh! rsh rsb:a rsb:b!",
            "rqh! rsh rsb:a rsb:b!",
            "rsh rsb2!",
        ),
        (
            "in headers without a body: satisfied",
            &[("rqh", "FULL_"), ("rsh", "MORE_")],
            "rqh! rsh!",
            "rqh! rsh!",
            "rqh! rsh!",
        ),
        (
            "in headers without a body callback",
            &[("rqh", "FULL_")],
            "rqh rqb:a rqb:b!",
            "rqh rqb:a rqb:b!",
            "rqh",
        ),
        (
            "at the end: satisfied",
            &[("rqb", "MORE_")],
            "rqh rqb:a! rsh!",
            "rqh rqb:a! rsh!",
            "rqb1!",
        ),
        (
            "trailers end a wait for more",
            &[("rqb", "MORE_"), ("rqt", "FORWARD_")],
            "rqh rqb:a rqt",
            "rqh rqb:a rqt",
            "rqb1 rqt",
        ),
        (
            "trailers end it without a callback too",
            &[("rqb", "MORE_")],
            "rqh rqb:a rqt",
            "rqh rqb:a rqt",
            "rqb1",
        ),
        (
            "trailers complete a body",
            &[("rqb", "FULL_"), ("rqt", "FORWARD_")],
            "rqh rqb:a rqb:b rqt",
            "rqh rqb:a rqb:b rqt",
            "rqb1 rqb2! rqt",
        ),
        (
            "trailers complete an absent body",
            &[("rqh", "FULL_"), ("rqb", "FORWARD_")],
            "rqh rqt",
            "rqh rqt",
            "rqh rqb0!",
        ),
        (
            "trailers find the body paused",
            &[
                (
                    "rqb",
                    "(if (result i32) (local.get $eos) (then PAUSE_) (else FULL_))",
                ),
                ("rqt", "FORWARD_"),
            ],
            "rqh rqb:a rqt",
            "rqh",
            "rqb1 rqb1!",
        ),
        (
            "metadata does not end a wait",
            &[("rqh", "FULL_"), ("rqm", "FORWARD_"), ("rqb", "FORWARD_")],
            "rqh rqm rqb:a!",
            "rqh rqm rqb:a!",
            "rqh rqm rqb1!",
        ),
        (
            "metadata without a callback neither",
            &[("rqh", "FULL_"), ("rqb", "FORWARD_")],
            "rqh rqm rqb:a!",
            "rqh rqm rqb:a!",
            "rqh rqb1!",
        ),
    ]);
}

#[test]
fn bounds() {
    const FULL_OR_GO: &str =
        "(if (result i32) (i32.ge_u (local.get $size) (i32.const 10)) (then FORWARD_) (else FULL_))";
    check(&[
        (
            "full: one call that says so",
            &[("rqb", FULL_OR_GO)],
            "rqh rqb:abcde rqb:fghij rqb:k!",
            "rqh rqb:abcde rqb:fghij rqb:k!",
            "rqb5 rqb10 rqb1!",
        ),
        (
            "full at once: told once",
            &[("rqb", "FULL_")],
            "rqh rqb:abcdefghijk rqb:l!",
            "rqh abandoned rsh:413 rsb:Payload",
            "rqb11 rqb11",
        ),
        (
            "full and waiting on: 413",
            &[("rqb", "FULL_")],
            "rqh rqb:abcde rqb:fghij rqb:k!",
            "rqh abandoned rsh:413 rsb:Payload",
            "rqb5 rqb10",
        ),
        (
            "waiting for more at the bound: 413",
            &[("rqb", "MORE_")],
            "rqh rqb:abcde rqb:fghij",
            "rqh abandoned rsh:413 rsb:Payload",
            "rqb5 rqb10",
        ),
        (
            "response, head held: 500",
            &[("rsh", "MORE_"), ("rsb", "MORE_")],
            "rqh! rsh rsb:abcdefghijk",
            "rqh! abandoned rsh:500 rsb:Internal",
            "rsh rsb11",
        ),
        (
            "response, head out: reset",
            &[("rsb", "MORE_")],
            "rqh! rsh rsb:abcdefghijk",
            "rqh! rsh reset:HeldTooMuch",
            "rsb11",
        ),
    ]);
}

/// The text of the host's own answers is cut to its first word.
fn first_words(out: &str) -> String {
    let own = [
        (":Payload Too Large\n!", ":Payload"),
        (":Internal Server Error\n!", ":Internal"),
    ];
    own.iter()
        .fold(out.to_owned(), |out, (text, word)| out.replace(text, word))
}
