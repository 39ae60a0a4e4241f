//! Bounds of answers, of one callout and of all of a plugin.

use crate::{Bench, FORWARD, body, head, request};
use wasi_common::{ByteMap, PluginSettings, Status};
use wasi_http::{CallEffect, CallEvent, CallRequest};

#[test]
fn bounds_of_answers() {
    type Change = fn(&mut PluginSettings);
    let table: Vec<(bool, Change, Vec<CallEvent>, &str)> = vec![
        (
            false,
            |settings| settings.limits.callout_bytes = 3,
            vec![head(), body("ab"), body("cd")],
            "the body of the answer is larger than 3 bytes",
        ),
        (
            false,
            |settings| settings.limits.map.bytes = 30,
            vec![CallEvent::Headers(ByteMap::from_iter([(
                "a",
                "0123456789012345678901234567890",
            )]))],
            "the headers of the answer are more than",
        ),
        (
            true,
            |settings| settings.limits.map.pairs = 3,
            vec![head(), CallEvent::Trailers(ByteMap::from_iter([("a", ""); 4]))],
            "the trailers of the answer are more than",
        ),
    ];
    for (streams, change, events, reason) in table {
        let mut bench = Bench::with(streams, change);
        let mut small = request("auth");
        small.headers = ByteMap::from_iter([(":method", "G"), (":path", "/"), (":authority", "")]);
        let id = bench.calls.dispatch(&mut bench.common, small).unwrap();
        bench.calls.take_effects();
        let mut status = None;
        for event in events {
            bench.calls.receive(id, event);
            while bench.next(id).is_some() {
                status = bench.status(id).ok();
                bench.answer(id, FORWARD);
            }
        }
        let (code, message) = status.unwrap();
        assert_eq!(code, Status::Unavailable as u32);
        assert!(message.starts_with(reason), "{message}");
        assert_eq!(
            bench.calls.take_effects(),
            [CallEffect::Cancel { callout_id: id }],
            "the rest is not read"
        );
    }
    // An answer that is told as it comes may be of any length.
    let mut bench = Bench::with(true, |settings| settings.limits.callout_bytes = 3);
    let id = bench.sent();
    bench.calls.receive(id, head());
    for event in [body("abc"), body("def"), CallEvent::End] {
        bench.calls.receive(id, event);
        while bench.next(id).is_some() {
            bench.answer(id, FORWARD);
        }
    }
    assert!(!bench.knows(id) && !bench.calls.has_effects());
}

/// Requests count until an answer begins, bodies until the plugin has read them.
#[test]
fn bounds_of_all_calls_together() {
    let mut bench = Bench::with(false, |settings| settings.limits.callouts_bytes = 8);
    let bytes = |count: usize| CallRequest {
        body: "x".repeat(count).into(),
        ..request("auth")
    };
    let dispatch = |bench: &mut Bench, count| bench.calls.dispatch(&mut bench.common, bytes(count));
    let first = dispatch(&mut bench, 5).unwrap();
    assert_eq!(dispatch(&mut bench, 4), Err(Status::Unavailable));
    let second = dispatch(&mut bench, 3).unwrap();
    for event in [head(), body("12345"), CallEvent::End] {
        bench.calls.receive(first, event);
    }
    assert_eq!(
        dispatch(&mut bench, 1),
        Err(Status::Unavailable),
        "5 of the answer, 3 of the other request"
    );
    assert!(bench.next(first).is_some());
    assert_eq!(
        dispatch(&mut bench, 1),
        Err(Status::Unavailable),
        "the plugin can read it still"
    );
    bench.calls.receive(second, head());
    bench.calls.receive(second, body("123"));
    bench.answer(first, FORWARD);
    bench.calls.take_effects();
    bench.calls.receive(second, body("45678"));
    assert!(!bench.calls.has_effects(), "what was read makes room");
    bench.calls.receive(second, body("9"));
    assert_eq!(
        bench.calls.take_effects(),
        [CallEffect::Cancel { callout_id: second }]
    );
    assert!(bench.next(second).is_some());
    let message = bench.status(second).unwrap().1;
    assert!(
        message.starts_with("the answers to all calls of the plugin"),
        "{message}"
    );
}
