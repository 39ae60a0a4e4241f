//! HTTP calls of plugins: what is refused, and what their callback can read.

use crate::support::{Guest, RETURN, passing_on, settings};
use bytes::Bytes;
use std::time::Duration;
use wasi_common::CallScope;
use wasi_common::policy::CalloutFailure;
use wasi_http::{CallEffect, CallEvent, CallPart, CallRequest, Effect, HttpCallCallbacks};
use wasmtime::AsContextMut;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INTERNAL_FAILURE: u32 = 10;
const CALL_HEADERS: u32 = 6;
const CALL_TRAILERS: u32 = 7;
const CALL_BODY: u32 = 4;

type Pairs = &'static [(&'static str, &'static str)];
const HEAD: Pairs = &[
    (":method", "POST"),
    (":path", "/a"),
    (":authority", "b"),
    ("X", "1"),
];

/// A map as these ABIs write it.
fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut block = (pairs.len() as u32).to_le_bytes().to_vec();
    for (key, value) in pairs {
        block.extend((key.len() as u32).to_le_bytes());
        block.extend((value.len() as u32).to_le_bytes());
    }
    for (key, value) in pairs {
        block.extend([key.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    block
}

fn call(guest: &mut Guest, upstream: &str, head: Pairs, trailers: &[u8], timeout: u32) -> u32 {
    let blocks = [upstream.as_bytes(), &map(head), b"body", trailers].map(|bytes| guest.give(bytes));
    let arguments: Vec<u32> = blocks.concat().into_iter().chain([timeout, 12]).collect();
    guest.call("proxy_http_call", &arguments)
}

fn sent(guest: &mut Guest) -> Vec<(u32, CallRequest)> {
    let effects = guest.store.data_mut().http.take_effects().into_iter();
    let sent = effects.map(|effect| match effect {
        Effect::Call(CallEffect::Send { callout_id, request }) => (callout_id, *request),
        other => panic!("{other:?}"),
    });
    sent.collect()
}

#[test]
fn refusals() {
    let with_host: Pairs = &[(":method", "GET"), (":path", "/"), ("Host", "a")];
    let without: Pairs = &[(":method", "GET"), (":path", "/"), ("x-host", "a")];
    let table: &[(&str, Pairs, &[u8], u32, u32)] = &[
        ("x", HEAD, b"", 0, OK),
        ("x", HEAD, &[0; 4], 1, OK),
        ("x", HEAD, &map(&[("t", "1")]), i32::MAX as u32, OK),
        ("x", HEAD, b"", i32::MAX as u32 + 1, BAD_ARGUMENT),
        ("x", HEAD, b"", u32::MAX, BAD_ARGUMENT),
        ("", HEAD, b"", 0, BAD_ARGUMENT),
        ("nobody", HEAD, b"", 0, BAD_ARGUMENT),
        ("x", &[], b"", 0, BAD_ARGUMENT),
        ("x", with_host, b"", 0, OK),
        ("x", without, b"", 0, BAD_ARGUMENT),
        ("x", HEAD, b"\x01", 0, BAD_ARGUMENT),
        ("x", HEAD, &map(&[("t", "\r\n")]), 0, BAD_ARGUMENT),
    ];
    for (upstream, head, trailers, timeout, expected) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        let status = call(&mut guest, upstream, head, trailers, *timeout);
        assert_eq!(status, *expected, "{upstream} {head:?} {trailers:?} {timeout}");
        let sent = sent(&mut guest);
        assert_eq!(
            sent.len(),
            usize::from(status == OK),
            "a refused call is not sent"
        );
        assert_eq!(guest.number(12), sent.first().map_or(0, |(id, _)| *id));
    }
    let not_now = |change: fn(&mut wasi_common::PluginSettings), expected| {
        let mut settings = settings("test");
        change(&mut settings);
        let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), settings);
        assert_eq!(call(&mut guest, "x", HEAD, b"", 0), expected);
    };
    not_now(
        |settings| settings.permissions.upstreams = ["y"].into_iter().collect(),
        BAD_ARGUMENT,
    );
    not_now(|settings| settings.limits.callouts = 0, INTERNAL_FAILURE);
    not_now(|settings| settings.limits.callout_bytes = 3, INTERNAL_FAILURE);
}

#[test]
fn what_is_sent() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let effective = guest.context_id;
    assert_eq!(call(&mut guest, "x", HEAD, &map(&[("T", "1")]), 250), OK);
    assert_eq!(call(&mut guest, "x", HEAD, b"", 0), OK);
    let sent = sent(&mut guest);
    let expected = CallRequest {
        upstream: Bytes::from_static(b"x"),
        headers: [
            (":method", "POST"),
            (":path", "/a"),
            (":authority", "b"),
            ("x", "1"),
            ("content-length", "4"),
        ]
        .into_iter()
        .collect(),
        body: Bytes::from_static(b"body"),
        trailers: [("t", "1")].into_iter().collect(),
        timeout: Some(Duration::from_millis(250)),
    };
    assert_eq!(sent[0], (1, expected));
    assert_eq!(
        (sent[1].0, sent[1].1.timeout),
        (2, None),
        "tokens are different while calls live"
    );
    assert_eq!(guest.store.data().common.scope.context_id, effective);
}

/// A guest whose callback makes another context the effective one, if it is told one, and leaves the statuses and what it read.
fn reading() -> Guest {
    reading_with(CalloutFailure::NoHeaders)
}

fn reading_with(failure: CalloutFailure) -> Guest {
    let read = |at: u32, hostcall: &str, arguments: &str| {
        let (address, len) = (at + 4, at + 8);
        format!(
            "(i32.store (i32.const {at}) (call ${hostcall} {arguments} (i32.const {address}) (i32.const {len})))"
        )
    };
    let wat = passing_on(&format!(
        r#"(global $other (export "other") (mut i32) (i32.const 0))
        (global $arguments (export "arguments") (mut i32) (i32.const 0))
        (func (export "proxy_on_http_call_response") (param $ctx i32) (param i32 i32 i32 i32)
            (global.set $arguments (i32.add (local.get $ctx) (i32.add (i32.mul (local.get 1) (i32.const 10))
                (i32.add (i32.mul (local.get 2) (i32.const 100)) (i32.add (i32.mul (local.get 3) (i32.const 1000))
                (i32.mul (local.get 4) (i32.const 10000)))))))
            (if (global.get $other) (then (drop (call $proxy_set_effective_context (global.get $other)))))
            {} {} {} {}
            (i32.store (i32.const 600) (call $proxy_add_header_map_value (i32.const {CALL_HEADERS})
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
            (i32.store (i32.const 604) (call $proxy_set_buffer_bytes (i32.const {CALL_BODY})
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))"#,
        read(
            500,
            "proxy_get_header_map_pairs",
            &format!("(i32.const {CALL_HEADERS})")
        ),
        read(
            520,
            "proxy_get_header_map_pairs",
            &format!("(i32.const {CALL_TRAILERS})")
        ),
        read(
            540,
            "proxy_get_buffer_bytes",
            &format!("(i32.const {CALL_BODY}) (i32.const 0) (i32.const 99)")
        ),
        read(560, "proxy_get_status", "(i32.const 580)"),
    ));
    let mut settings = settings("test");
    settings.policy.callout_failure = failure;
    Guest::new(&wat::parse_str(wat).unwrap(), settings)
}

/// What the callback left at a place: the status, and what was handed over.
fn left(guest: &mut Guest, at: u32) -> (u32, Vec<u8>) {
    let (status, address, len) = (guest.number(at), guest.number(at + 4), guest.number(at + 8));
    (status, guest.bytes(address, len))
}

/// Makes a call, answers it, and enters the callback.
fn answer(guest: &mut Guest, events: Vec<CallEvent>) {
    assert_eq!(call(guest, "x", HEAD, b"", 0), OK);
    let state = guest.store.data_mut();
    state.http.take_effects();
    events
        .into_iter()
        .for_each(|event| state.http.calls.receive(1, event));
    state.common.scope = CallScope::new(guest.plugin_id, guest.plugin_id, "test");
    let delivery = state.http.calls.next_delivery(&mut state.common, 1).unwrap();
    assert_eq!(delivery.plugin_id, guest.plugin_id);
    let answered = guest
        .callbacks
        .answer(guest.store.as_context_mut(), guest.plugin_id, 1, delivery.part);
    let state = guest.store.data_mut();
    assert!(state.http.calls.answered(&mut state.common, 1, answered.unwrap()));
}

#[test]
fn what_the_callback_reads() {
    let head = CallEvent::Headers([(":status", "200")].into_iter().collect());
    let body = CallEvent::Body(Bytes::from_static(b"abc"));
    let trailers = CallEvent::Trailers([("t", "1")].into_iter().collect());
    let failed = CallEvent::Failed("refused".to_owned());
    type Read = (u32, Vec<u8>);
    let none: Read = (OK, Vec::new());
    let table: Vec<(Vec<CallEvent>, [u32; 3], Read, Read, Read, (u32, &str))> = vec![
        (
            vec![head.clone(), body.clone(), trailers],
            [1, 3, 1],
            (OK, map(&[(":status", "200")])),
            (OK, map(&[("t", "1")])),
            (OK, b"abc".to_vec()),
            (0, ""),
        ),
        (
            vec![head.clone(), CallEvent::End],
            [1, 0, 0],
            (OK, map(&[(":status", "200")])),
            none.clone(),
            none.clone(),
            (0, ""),
        ),
        (
            vec![head, body, failed],
            [0, 0, 0],
            none.clone(),
            none.clone(),
            (NOT_FOUND, Vec::new()),
            (11, "refused"),
        ),
    ];
    for (events, [headers, size, trailers], head, trailing, body, (code, message)) in table {
        for switch in [false, true] {
            let mut guest = reading();
            let other = if switch { guest.context_id } else { 0 };
            guest.set_global("other", other);
            answer(&mut guest, events.clone());
            let expected = guest.plugin_id + 10 + headers * 100 + size * 1000 + trailers * 10_000;
            assert_eq!(guest.global("arguments"), expected, "{events:?}");
            assert_eq!(left(&mut guest, 500), head, "headers of {events:?}");
            assert_eq!(left(&mut guest, 520), trailing, "trailers of {events:?}");
            assert_eq!(left(&mut guest, 540), body, "body of {events:?}");
            assert_eq!(
                left(&mut guest, 560),
                (OK, message.as_bytes().to_vec()),
                "{events:?}"
            );
            assert_eq!(guest.number(580), code, "{events:?}");
            assert_eq!(
                [guest.number(600), guest.number(604)],
                [BAD_ARGUMENT; 2],
                "answers are not written to"
            );
        }
    }
}

/// Where failures are told as Envoy tells them, there is always an answer, until one has begun.
#[test]
fn failures_as_answers() {
    let head = CallEvent::Headers([(":status", "200")].into_iter().collect());
    let failed = CallEvent::Failed("refused".to_owned());
    let late = CallEvent::TimedOut(Duration::from_millis(20));
    let no_connection = "upstream connect error or disconnect/reset before headers. reset reason: refused";
    // The events; the status, the body, and what `proxy_get_status` tells.
    let table: [(Vec<CallEvent>, &str, &str, (u32, &str)); 4] = [
        (vec![failed.clone()], "503", no_connection, (0, "")),
        (vec![late.clone()], "504", "upstream request timeout", (0, "")),
        (vec![head.clone(), failed], "", "", (11, "refused")),
        (vec![head, late], "", "", (11, "no answer within 20 ms")),
    ];
    for (events, status, text, (code, message)) in table {
        let mut guest = reading_with(CalloutFailure::Answer);
        guest.set_global("other", 0);
        answer(&mut guest, events.clone());
        let length = text.len().to_string();
        let mut headers = Vec::new();
        if !status.is_empty() {
            headers = map(&[
                (":status", status),
                ("content-length", &length),
                ("content-type", "text/plain"),
            ]);
        }
        assert_eq!(left(&mut guest, 500), (OK, headers), "{events:?}");
        let found = if text.is_empty() { NOT_FOUND } else { OK };
        assert_eq!(
            left(&mut guest, 540),
            (found, text.as_bytes().to_vec()),
            "{events:?}"
        );
        assert_eq!(
            left(&mut guest, 560),
            (OK, message.as_bytes().to_vec()),
            "{events:?}"
        );
        assert_eq!(guest.number(580), code, "{events:?}");
    }
}

#[test]
fn only_the_callback_reads() {
    let mut guest = reading();
    answer(
        &mut guest,
        vec![
            CallEvent::Headers([(":status", "200")].into_iter().collect()),
            CallEvent::End,
        ],
    );
    let key = guest.give(":status");
    let [address, len] = RETURN;
    let context_id = guest.context_id;
    for context_id in [context_id, guest.plugin_id] {
        guest.store.data_mut().common.scope.context_id = context_id;
        assert_eq!(
            guest.call("proxy_get_header_map_pairs", &[CALL_HEADERS, address, len]),
            OK
        );
        assert_eq!(guest.returned(), b"");
        let arguments = [CALL_HEADERS, key[0], key[1], address, len];
        assert_eq!(guest.call("proxy_get_header_map_value", &arguments), NOT_FOUND);
        assert_eq!(
            guest.call("proxy_get_buffer_bytes", &[CALL_BODY, 0, 9, address, len]),
            NOT_FOUND
        );
        assert_eq!(guest.call("proxy_get_status", &[12, address, len]), OK);
        assert_eq!((guest.number(12), guest.returned()), (0, Vec::new()));
    }
}

#[test]
fn a_module_without_the_callback() {
    let mut guest = Guest::from_wat(&passing_on(""));
    answer(&mut guest, vec![CallEvent::Failed(String::new())]);
    assert!(!HttpCallCallbacks::<crate::support::State>::streams_answers(
        &guest.callbacks
    ));
    let part = CallPart::Headers { num_headers: 1 };
    let answered = guest
        .callbacks
        .answer(guest.store.as_context_mut(), guest.plugin_id, 1, part);
    assert_eq!(
        answered.unwrap(),
        Ok(wasi_common::Action::Forward),
        "answers come whole or not at all"
    );
}
