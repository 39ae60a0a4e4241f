//! Plugins of HTTP streams.

use crate::harness::Guest;
use wasi_common::Direction::{Request, Response};
use wasi_common::{Action, LogLevel};
use wasi_http::Effect;

fn texts<'a>(pairs: &'a [(String, String)], key: &str) -> Vec<&'a str> {
    pairs
        .iter()
        .filter(|(found, _)| found == key)
        .map(|(_, value)| value.as_str())
        .collect()
}

#[test]
fn headers_are_read_and_changed_in_all_phases() {
    let mut guest = Guest::open("headers_component", "");
    let long = "long".repeat(1000);
    let request = [
        (":method", "GET"),
        (":path", "/some/path"),
        ("x-multi", "one"),
        ("x-remove-me", "1"),
        ("x-multi", long.as_str()),
        ("x-replace-me", "old"),
        ("x-remove-me", "2"),
        ("x-multi", ""),
    ];
    let (action, headers) = guest.headers(Request, &request);
    assert_eq!(action, Action::Forward);
    let rows: &[(&str, &[&str])] = &[
        (":method", &["GET"]),
        ("x-plugin", &["headers"]),
        ("x-request-path", &["/some/path"]),
        ("x-remove-me", &[]),
        ("x-replace-me", &["replaced"]),
        ("x-multi", &["one", &long, ""]),
        ("x-multi-count", &["3"]),
    ];
    for (key, values) in rows {
        assert_eq!(texts(&headers, key), *values, "{key}");
    }
    assert_eq!(guest.logged(), [(LogLevel::Info, "GET /some/path".to_owned())]);

    let (action, trailers) = guest.trailers(Request, &[("a", "b")]);
    assert_eq!(action, Action::Forward);
    assert_eq!(texts(&trailers, "x-plugin-trailer"), ["headers"]);

    let (action, headers) = guest.headers(Response, &[(":status", "200"), ("server-secret", "x")]);
    assert_eq!(action, Action::Forward);
    assert_eq!(texts(&headers, "server-secret"), [""; 0]);
    assert_eq!(texts(&headers, "x-context-answered"), ["yes"]);
    guest.finalize();
    assert!(guest.effects().is_empty());
}

#[test]
fn lines_below_the_level_stay_in_the_plugin() {
    let mut guest = Guest::open("headers_component", "");
    let request = [(":method", "GET"), (":path", "/")];
    for (level, lines) in [(LogLevel::Info, 1), (LogLevel::Warn, 0), (LogLevel::Trace, 1)] {
        guest.set_log_level(level);
        guest.headers(Request, &request);
        assert_eq!(guest.logged().len(), lines, "{level:?}");
    }
}

#[test]
fn a_stream_that_was_never_created_is_closed() {
    let mut guest = Guest::open("headers_component", "");
    guest.finalize();
    let (action, headers) = guest.headers(Request, &[(":method", "GET"), (":path", "/")]);
    assert_eq!(action, Action::Close);
    assert_eq!(headers.len(), 2);
    assert_eq!(
        guest.logged().first().map(|(level, _)| *level),
        Some(LogLevel::Error)
    );
}

#[test]
fn bodies_are_held_and_rewritten() {
    let rows: &[(&str, Action, &[u8])] = &[
        ("rewrite", Action::Forward, b"HELLO, WORLD\n<12 bytes>"),
        ("wrap", Action::Forward, b"<Hello, world>"),
        ("other", Action::Done, b"Hello, world"),
    ];
    for (mode, headers_action, result) in rows {
        for direction in [Request, Response] {
            let mut guest = Guest::open("body_component", "");
            let (action, headers) = guest.headers(Request, &[("x-body", *mode), ("content-length", "12")]);
            assert_eq!(action, *headers_action, "{mode}");
            assert_eq!(
                texts(&headers, "content-length").is_empty(),
                *mode != "other",
                "{mode}"
            );
            if direction == Response {
                let (action, _) = guest.headers(Response, &[("content-length", "12")]);
                assert_eq!(action, *headers_action, "{mode}");
            }
            if *headers_action == Action::Done {
                continue;
            }
            assert_eq!(
                guest.body(direction, b"Hello, ", false).0,
                Action::WaitForEndOrFull,
                "{mode}"
            );
            let (action, body) = guest.body(direction, b"world", true);
            assert_eq!(action, Action::Forward, "{mode}");
            assert_eq!(body, *result, "{mode} {direction:?}");
        }
    }
}

#[test]
fn large_bodies_are_read_whole() {
    let mut guest = Guest::open("body_component", "");
    guest.headers(Request, &[("x-body", "rewrite")]);
    let (action, body) = guest.body(Request, &b"a".repeat(1_000_000), true);
    assert_eq!(action, Action::Forward);
    assert_eq!(
        body,
        [b"A".repeat(1_000_000).as_slice(), b"\n<1000000 bytes>"].concat()
    );
}

#[test]
fn requests_without_the_token_are_answered() {
    let rows: &[(&[(&str, &str)], Option<(u16, &str, u32)>)] = &[
        (&[(":path", "/")], Some((401, "authorization required\n", 16))),
        (
            &[(":path", "/"), ("authorization", "Basic s3cret")],
            Some((401, "authorization required\n", 16)),
        ),
        (
            &[(":path", "/"), ("authorization", "Bearer wrong!")],
            Some((403, "forbidden\n", 7)),
        ),
        (
            &[(":path", "/"), ("authorization", "Bearer ")],
            Some((403, "forbidden\n", 7)),
        ),
        (&[(":path", "/"), ("authorization", "Bearer s3cret")], None),
    ];
    for (request, answer) in rows {
        let mut guest = Guest::open("auth_component", "s3cret");
        let (action, headers) = guest.headers(Request, request);
        let Some((status, body, grpc_status)) = answer else {
            assert_eq!(action, Action::Forward);
            assert_eq!(
                headers,
                [
                    (":path".to_owned(), "/".to_owned()),
                    ("x-auth".to_owned(), "ok".to_owned())
                ]
            );
            continue;
        };
        match guest.effects().as_slice() {
            [Effect::Respond { response, .. }] => {
                assert_eq!(
                    (response.status, &response.body[..]),
                    (*status, body.as_bytes()),
                    "{request:?}"
                );
                assert_eq!(response.grpc_status, Some(*grpc_status), "{request:?}");
                let challenge = response.headers.get(b"www-authenticate");
                assert_eq!(
                    challenge,
                    (*status == 401).then_some(&b"Bearer"[..]),
                    "{request:?}"
                );
            }
            other => panic!("{request:?}: {other:?}"),
        }
    }
}

#[test]
fn responses_are_denied_late() {
    let mut guest = Guest::open("auth_component", "s3cret");
    guest.headers(
        Request,
        &[(":path", "/late-deny"), ("authorization", "Bearer s3cret")],
    );
    assert!(guest.effects().is_empty());
    guest.headers(Response, &[(":status", "200")]);
    match guest.effects().as_slice() {
        [Effect::Respond { response, .. }] => {
            assert_eq!(
                (response.status, &response.body[..]),
                (403, &b"denied late\n"[..])
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn configurations_become_headers_or_are_refused() {
    let request = [(":method", "GET"), (":path", "/p?q")];
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("", &[("x-configuration", "empty")]),
        (
            "X-One: 1\r\n\nx-two:2 \nx-one: 3",
            &[("x-one", "1"), ("x-two", "2"), ("x-one", "3")],
        ),
    ];
    for (configuration, added) in rows {
        let mut guest = Guest::open("configuration_component", configuration);
        guest.headers(Request, &request);
        let (action, headers) = guest.headers(Response, &[(":status", "200")]);
        assert_eq!(action, Action::Forward);
        let mut expected = vec![(":status", "200")];
        expected.extend_from_slice(added);
        expected.extend([("x-plugin-name", "sample"), ("x-property-path", "/p?q")]);
        let headers: Vec<_> = headers
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(headers, expected, "{configuration:?}");
    }

    for (configuration, line) in [
        ("no colon", "no colon"),
        ("a: b\n: c", ": c"),
        ("a b: c", "a b: c"),
    ] {
        let (guest, accepted) = Guest::start("configuration_component", configuration);
        assert!(!accepted, "{configuration:?}");
        match guest.logged().as_slice() {
            [(LogLevel::Error, text)] => assert!(text.contains(line), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}
