//! Plugins that call upstreams.

#![allow(
    clippy::panic,
    reason = "a test that gets something else fails, and says what"
)]

use crate::harness::{Backends, Guest};
use bytes::Bytes;
use std::time::Duration;
use wasi_common::Direction::{Request, Response};
use wasi_common::{Action, ByteMap, CalloutStatus, ContextType, LogLevel};
use wasi_grpc::Event;
use wasi_http::{CallEffect, CallEvent, Effect};

fn headers(pairs: &[(&str, &str)]) -> CallEvent {
    CallEvent::Headers(pairs.iter().copied().collect())
}

fn ended(code: u32, message: &'static str) -> Event {
    Event::End {
        status: CalloutStatus {
            code,
            message: Bytes::from(message),
        },
        trailing_metadata: Some(ByteMap::default()),
    }
}

/// The callout that was begun last.
fn http_call(guest: &mut Guest) -> u32 {
    match guest.call_effects().as_slice() {
        [CallEffect::Send { callout_id, .. }] => *callout_id,
        other => panic!("{other:?}"),
    }
}

fn grpc_call(guest: &mut Guest) -> u32 {
    match guest.grpc_effects().first() {
        Some(wasi_grpc::Effect::Open { callout_id, .. }) => *callout_id,
        other => panic!("{other:?}"),
    }
}

/// The one response that was sent: status code, the value of a header, and the body.
fn sent(guest: &mut Guest, header: &str) -> (u16, Option<String>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match guest.effects().as_slice() {
        [Effect::Respond { response, .. }] => (
            response.status,
            response.headers.get(header.as_bytes()).map(text),
            text(&response.body),
        ),
        other => panic!("{other:?}"),
    }
}

/// What the HTTP service answers about a request.
fn auth(status: &str, id: &str) -> [CallEvent; 2] {
    [
        headers(&[(":status", status), ("x-request-id", id)]),
        CallEvent::End,
    ]
}

#[test]
fn a_request_goes_on_when_both_services_agree() {
    let mut guest = Guest::open("call_component", "auth authz 250");
    let request = [(":method", "GET"), (":path", "/p?q"), ("x-request-id", "id-1")];
    assert_eq!(guest.headers(Request, &request).0, Action::Pause);
    let callout = match guest.call_effects().as_slice() {
        [CallEffect::Send { callout_id, request }] => {
            assert_eq!(request.upstream, "auth");
            assert_eq!(request.timeout, Some(Duration::from_millis(250)));
            let expected: ByteMap = [
                (":method", "GET"),
                (":path", "/p?q"),
                (":authority", "auth"),
                ("x-request-id", "id-1"),
            ]
            .into_iter()
            .collect();
            assert_eq!(request.headers, expected);
            *callout_id
        }
        other => panic!("{other:?}"),
    };
    guest.answer(callout, auth("200", "id-1"));
    assert!(guest.effects().is_empty());

    let callout = match guest.grpc_effects().as_slice() {
        [wasi_grpc::Effect::Open { callout_id, request }] => {
            assert_eq!(
                (&request.upstream[..], &request.path[..]),
                ("authz", "/auth.Authorizer/Check")
            );
            assert_eq!(request.message, Some(Bytes::from("\n\x04id-1")));
            assert_eq!(request.metadata.get(b"x-request-id"), Some(&b"id-1"[..]));
            *callout_id
        }
        other => panic!("{other:?}"),
    };
    guest.answer_grpc(callout, [Event::Message("\n\x04id-1".into()), ended(0, "")]);
    assert!(matches!(guest.effects()[..], [Effect::Resume { .. }]));
    let (_, response) = guest.headers(Response, &[(":status", "200")]);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        response,
        [
            pair(":status", "200"),
            pair("x-auth-id", "id-1"),
            pair("x-authz-id", "id-1")
        ]
    );
}

#[test]
fn a_request_is_refused_when_a_service_refuses_or_fails() {
    let failed = CallEvent::Failed("the time is up".to_owned());
    let broken = [
        headers(&[(":status", "200")]),
        CallEvent::Failed("reset".to_owned()),
    ];
    let http: &[(Vec<CallEvent>, u16, &str, &str)] = &[
        (auth("401", "i").to_vec(), 403, "x-refused-by", "auth"),
        (
            auth("500", "i").to_vec(),
            503,
            "x-call-failure",
            "auth: status code 500",
        ),
        (
            vec![failed],
            503,
            "x-call-failure",
            "auth: unavailable: the time is up",
        ),
        (broken.to_vec(), 503, "x-call-failure", "auth: unavailable: reset"),
    ];
    for (events, status, header, value) in http {
        let mut guest = Guest::open("call_component", "");
        guest.headers(Request, &[(":path", "/"), ("x-request-id", "i")]);
        let callout = http_call(&mut guest);
        guest.answer(callout, events.clone());
        assert_eq!(
            sent(&mut guest, header),
            (*status, Some((*value).to_owned()), String::new()),
            "{events:?}"
        );
        assert!(guest.grpc_effects().is_empty());
    }

    let grpc: &[(Vec<Event>, u16, &str, &str)] = &[
        (vec![ended(7, "no")], 403, "x-refused-by", "authz"),
        (
            vec![ended(14, "a\nb")],
            503,
            "x-call-failure",
            "authz: unavailable: a b",
        ),
        (
            vec![ended(4, "")],
            503,
            "x-call-failure",
            "authz: deadline_exceeded",
        ),
        (
            vec![Event::Message("\n\x09i".into()), ended(0, "")],
            503,
            "x-call-failure",
            "authz: not a message of it",
        ),
    ];
    for (events, status, header, value) in grpc {
        let mut guest = Guest::open("call_component", "");
        guest.headers(Request, &[(":path", "/"), ("x-request-id", "i")]);
        let callout = http_call(&mut guest);
        guest.answer(callout, auth("200", "i"));
        let callout = grpc_call(&mut guest);
        guest.answer_grpc(callout, events.clone());
        assert_eq!(
            sent(&mut guest, header),
            (*status, Some((*value).to_owned()), String::new()),
            "{events:?}"
        );
    }
}

#[test]
fn calls_that_cannot_be_made_fail_the_request() {
    for (configuration, value) in [
        ("nowhere authz 1", "auth: not_found"),
        ("auth nowhere 1", "authz: not_found"),
    ] {
        let mut guest = Guest::open("call_component", configuration);
        guest.headers(Request, &[(":path", "/")]);
        if configuration.starts_with("auth") {
            let callout = http_call(&mut guest);
            guest.answer(callout, auth("200", ""));
        }
        assert_eq!(
            sent(&mut guest, "x-call-failure"),
            (503, Some(value.to_owned()), String::new())
        );
    }
}

#[test]
fn a_request_is_closed_when_the_plugin_fails_on_an_answer() {
    let mut guest = Guest::open("call_component", "");
    guest.headers(Request, &[(":path", "/")]);
    let callout = http_call(&mut guest);
    guest.answer(callout, [headers(&[("no-status", "1")]), CallEvent::End]);
    assert!(matches!(guest.effects()[..], [Effect::Close { .. }]));
    assert_eq!(
        guest.logged(),
        [(
            LogLevel::Error,
            format!("callout {callout}: internal_failure; it is closed")
        )]
    );
}

#[test]
fn each_answer_goes_to_the_request_that_asked() {
    let mut guest = Guest::open("call_component", "");
    let mut callouts = Vec::new();
    for id in ["a", "b", "c"] {
        guest.headers(Request, &[(":path", "/"), ("x-request-id", id)]);
        callouts.push((http_call(&mut guest), id));
        guest.open_stream(ContextType::Http);
    }
    callouts.reverse();
    for (callout, id) in callouts {
        guest.answer(callout, auth("200", id));
        match guest.grpc_effects().as_slice() {
            [wasi_grpc::Effect::Open { request, .. }] => {
                assert_eq!(request.metadata.get(b"x-request-id"), Some(id.as_bytes()));
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn a_client_that_leaves_cancels_its_call() {
    let mut guest = Guest::open("call_component", "");
    guest.headers(Request, &[(":path", "/")]);
    let callout = http_call(&mut guest);
    guest.finalize();
    assert_eq!(guest.call_effects(), [CallEffect::Cancel { callout_id: callout }]);
    // What had been on its way is told to nobody.
    guest.answer(callout, auth("200", ""));
    assert!(guest.effects().is_empty());
    assert!(guest.grpc_effects().is_empty());
    assert_eq!(guest.lines(), [""; 0]);
}

#[test]
fn the_answer_to_a_call_that_outlives_its_stream_goes_to_the_plugin() {
    let backends = Backends::default();
    let mut guest = Guest::open_on(&backends, "report_component", "");
    let rows = [
        (auth("204", "").to_vec(), "reported 1\n"),
        (auth("500", "").to_vec(), "lost 1\n"),
        (vec![CallEvent::Failed("refused".to_owned())], "lost 2\n"),
    ];
    for (events, figure) in rows {
        guest.headers(Request, &[(":method", "GET"), (":path", "/p")]);
        guest.headers(Response, &[(":status", "200")]);
        guest.finalize();
        let callout = match guest.call_effects().as_slice() {
            [CallEffect::Send { callout_id, request }] => {
                assert_eq!(request.upstream, "reports");
                assert_eq!(request.headers.get(b":method"), Some(&b"POST"[..]));
                assert_eq!(request.body, "GET /p 200");
                *callout_id
            }
            other => panic!("{other:?}"),
        };
        guest.answer(callout, events);
        let figures = backends.registry.render();
        assert!(figures.contains(figure), "{figures} {:?}", guest.lines());
        guest.open_stream(ContextType::Http);
    }
    assert_eq!(guest.lines(), ["a report is lost: unavailable: refused"]);
}

#[test]
fn answers_are_read_as_they_come() {
    let body = |text: &'static str| CallEvent::Body(text.into());
    let head = headers(&[(":status", "200")]);
    let trailers = CallEvent::Trailers([("a", "b")].into_iter().collect());
    let rows: &[(Vec<CallEvent>, u16, &str)] = &[
        (
            vec![head.clone(), body("Hello, "), body("world"), CallEvent::End],
            200,
            "status code 200\n7 bytes\n5 bytes\n0 bytes, the last ones\n",
        ),
        (
            vec![head.clone(), body("Hello"), trailers],
            200,
            "status code 200\n5 bytes\n1 trailers\n",
        ),
        (
            vec![head.clone(), body("Hello"), CallEvent::Failed("reset".to_owned())],
            502,
            "status code 200\n5 bytes\nfailed: unavailable: reset\n",
        ),
        (
            vec![CallEvent::Failed("refused".to_owned())],
            502,
            "failed: unavailable: refused\n",
        ),
    ];
    for (events, status, lines) in rows {
        let mut guest = Guest::open("stream_component", "");
        assert_eq!(guest.headers(Request, &[(":path", "/f")]).0, Action::Pause);
        let callout = http_call(&mut guest);
        for event in events {
            guest.answer(callout, [event.clone()]);
            // Each piece rests for a millisecond, and holds back what follows.
            guest.pass(Duration::from_millis(1));
            guest.deliver(callout);
        }
        assert_eq!(
            sent(&mut guest, ""),
            (*status, None, (*lines).to_owned()),
            "{events:?}"
        );
    }
}

#[test]
fn grpc_streams_carry_messages_both_ways() {
    let mut guest = Guest::open("stream_component", "");
    guest.headers(Request, &[(":path", "/"), ("x-messages", "one,,two")]);
    let mut outgoing = Vec::new();
    let mut callout = 0;
    for effect in guest.grpc_effects() {
        match effect {
            wasi_grpc::Effect::Open { callout_id, request } => {
                assert_eq!(
                    (&request.upstream[..], &request.path[..]),
                    ("echo", "/echo.Echo/Chat")
                );
                callout = callout_id;
            }
            wasi_grpc::Effect::Send {
                message,
                end_of_stream,
                ..
            } => outgoing.push((message, end_of_stream)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        outgoing,
        [
            (Some("one".into()), false),
            (Some("".into()), false),
            (Some("two".into()), false),
            (None, true)
        ]
    );
    let metadata = Event::InitialMetadata([("k", "v")].into_iter().collect());
    guest.answer_grpc(
        callout,
        [
            metadata,
            Event::Message("one".into()),
            Event::Message("two".into()),
            ended(0, ""),
        ],
    );
    let lines = "initial metadata\nmessage one\nmessage two\ntrailing metadata\nclosed\n";
    assert_eq!(sent(&mut guest, ""), (200, None, lines.to_owned()));

    guest.open_stream(ContextType::Http);
    guest.headers(Request, &[(":path", "/"), ("x-messages", "one")]);
    let callout = grpc_call(&mut guest);
    let event = Event::End {
        status: CalloutStatus {
            code: 14,
            message: Bytes::from("gone"),
        },
        trailing_metadata: None,
    };
    guest.answer_grpc(callout, [event]);
    let (status, _, body) = sent(&mut guest, "");
    assert_eq!(status, 502);
    assert!(body.ends_with("failed: unavailable: gone\n"), "{body}");
}
