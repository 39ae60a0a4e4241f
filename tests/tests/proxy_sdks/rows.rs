//! One request, one plugin: every row of the table with every plugin.

use super::{config, origin, service};
use proxywasm_tests::guests::SDKS;
use proxywasm_tests::harness::{Client, Message, capture_log, chunked, proxy};

/// How a request has its body.
enum Body {
    None,
    /// With a content-length.
    Sized(&'static str),
    /// In chunks, each sent by itself.
    Chunked(&'static [&'static str]),
}

/// Headers that a message has, or has not.
type Headers = &'static [(&'static str, Option<&'static str>)];

/// A request, and what comes of it.
struct Row {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Body,
    status: u16,
    /// The body that the client gets.
    response: &'static str,
    response_headers: Headers,
    /// What the origin gets: its headers and its body; `None` if it gets no request.
    origin: Option<(Headers, &'static str)>,
}

const ROWS: &[Row] = &[
    Row {
        name: "headers are counted, added, removed and replaced",
        method: "GET",
        path: "/",
        headers: &[
            ("x-value", "1"),
            ("x-value", "2"),
            ("x-remove-me", "1"),
            ("x-replace-me", "1"),
            ("x-replace-me", "2"),
        ],
        body: Body::None,
        status: 200,
        response: "Hello",
        response_headers: &[
            ("x-sdk", Some("green")),
            ("server-secret", None),
            ("content-length", Some("5")),
            ("x-local", None),
            ("x-count", None),
        ],
        origin: Some((
            &[
                ("x-sdk", Some("green")),
                ("x-values", Some("2")),
                ("x-value", Some("1,2")),
                ("x-remove-me", None),
                ("x-replace-me", Some("replaced")),
            ],
            "",
        )),
    },
    Row {
        name: "a header that the client sent too is there twice",
        method: "HEAD",
        path: "/",
        headers: &[("x-sdk", "client"), ("x-values", "many"), ("x-value", "")],
        body: Body::None,
        status: 200,
        response: "",
        response_headers: &[("x-sdk", Some("green"))],
        origin: Some((
            &[
                ("x-sdk", Some("client,green")),
                ("x-values", Some("1")),
                ("x-replace-me", None),
            ],
            "",
        )),
    },
    Row {
        name: "bodies pass",
        method: "POST",
        path: "/echo",
        headers: &[],
        body: Body::Sized("some body"),
        status: 200,
        response: "some body",
        response_headers: &[("content-length", Some("9"))],
        origin: Some((&[("content-length", Some("9"))], "some body")),
    },
    Row {
        name: "bodies are replaced",
        method: "POST",
        path: "/echo",
        headers: &[("x-body", "replace")],
        body: Body::Sized("some body"),
        status: 200,
        response: "11 bytes: <SOME BODY>",
        response_headers: &[("x-sdk", Some("green"))],
        origin: Some((&[("x-sdk", Some("green"))], "<SOME BODY>")),
    },
    Row {
        name: "a body in pieces is seen whole",
        method: "PUT",
        path: "/echo",
        headers: &[("x-body", "replace")],
        body: Body::Chunked(&["some ", "body", " in pieces"]),
        status: 200,
        response: "21 bytes: <SOME BODY IN PIECES>",
        response_headers: &[],
        origin: Some((&[], "<SOME BODY IN PIECES>")),
    },
    Row {
        name: "the body of a response alone is replaced",
        method: "GET",
        path: "/",
        headers: &[("x-body", "replace")],
        body: Body::None,
        status: 200,
        response: "5 bytes: Hello",
        response_headers: &[],
        origin: Some((&[("content-length", None), ("transfer-encoding", None)], "")),
    },
    Row {
        name: "a local response",
        method: "GET",
        path: "/",
        headers: &[("x-local", "418")],
        body: Body::None,
        status: 418,
        response: "answered by green\n",
        response_headers: &[
            ("x-local", Some("green")),
            ("x-sdk", Some("green")),
            ("content-length", Some("18")),
        ],
        origin: None,
    },
    Row {
        name: "a local response to a request with a body that nobody wants",
        method: "POST",
        path: "/",
        headers: &[("x-local", "403")],
        body: Body::Sized("some body"),
        status: 403,
        response: "answered by green\n",
        response_headers: &[("x-local", Some("green"))],
        origin: None,
    },
    Row {
        name: "a callout is answered",
        method: "GET",
        path: "/",
        headers: &[("x-call", "/allowed")],
        body: Body::None,
        status: 200,
        response: "Hello",
        response_headers: &[("x-call-failure", None)],
        origin: Some((
            &[
                ("x-call-status", Some("200")),
                ("x-call-body", Some("for /allowed")),
            ],
            "",
        )),
    },
    Row {
        name: "a callout is answered with an error",
        method: "GET",
        path: "/",
        headers: &[("x-call", "/404")],
        body: Body::None,
        status: 200,
        response: "Hello",
        response_headers: &[],
        origin: Some((
            &[("x-call-status", Some("404")), ("x-call-body", Some("for /404"))],
            "",
        )),
    },
    Row {
        name: "a body waits for a callout, and is replaced then",
        method: "POST",
        path: "/echo",
        headers: &[("x-call", "/allowed"), ("x-body", "replace")],
        body: Body::Chunked(&["some ", "body"]),
        status: 200,
        response: "11 bytes: <SOME BODY>",
        response_headers: &[],
        origin: Some((&[("x-call-body", Some("for /allowed"))], "<SOME BODY>")),
    },
    Row {
        name: "a callout fails",
        method: "GET",
        path: "/",
        headers: &[("x-call", "/drop")],
        body: Body::None,
        status: 503,
        response: "",
        response_headers: &[("x-call-failure", Some("no answer"))],
        origin: None,
    },
    Row {
        name: "a callout to nobody",
        method: "GET",
        path: "/",
        headers: &[("x-call", "/"), ("x-upstream", "nobody")],
        body: Body::None,
        status: 503,
        response: "",
        response_headers: &[("x-call-failure", Some("not sent"))],
        origin: None,
    },
];

#[test]
fn every_row_with_every_plugin() {
    capture_log();
    let service = service();
    for guest in SDKS {
        let origin = origin();
        let proxy = proxy()
            .upstream_of_calls("service", service.address())
            .guest_with(guest, config(guest, 0))
            .upstream(origin.address())
            .start();
        let mut client = proxy.client();
        for (index, row) in ROWS.iter().enumerate() {
            let case = format!("{guest}: {}", row.name);
            let path = format!("{}?{guest}-{index}", row.path);
            let response = send(&mut client, row, &path);
            assert_eq!(
                (response.status(), response.text().as_str()),
                (row.status, row.response),
                "{case}: {response:?}"
            );
            assert!(response.complete, "{case}");
            check(&case, &response, row.response_headers);
            if let Some((headers, body)) = row.origin {
                // The next request that it got is this one: it got none of a row that has no business there.
                let request = origin.received();
                assert_eq!(request.start, format!("{} {path} HTTP/1.1", row.method), "{case}");
                assert_eq!(request.text(), body, "{case}");
                check(&case, &request, headers);
            }
            // The line that it writes when the stream is over.
            let line = format!("{} {path}: {} ", row.method, row.status);
            let line = capture_log().wait_for(&line);
            assert!(line.contains(&format!("plugin=\"{guest}\"")), "{case}: {line}");
        }
        proxy.shut_down();
    }
}

fn check(case: &str, message: &Message, headers: Headers) {
    for (name, value) in headers {
        assert_eq!(
            message.header(name).as_deref(),
            *value,
            "{case}: {name}: {message:?}"
        );
    }
}

fn send(client: &mut Client, row: &Row, path: &str) -> Message {
    let request = format!("{} {path}", row.method);
    match row.body {
        Body::None => client.request(&request, row.headers),
        Body::Sized(body) => client.request_with_body(&request, row.headers, body.as_bytes()),
        Body::Chunked(pieces) => {
            let mut head =
                format!("{request} HTTP/1.1\r\nhost: example.test\r\ntransfer-encoding: chunked\r\n");
            for (name, value) in row.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            client.send(head + "\r\n");
            let body = chunked(
                &pieces.iter().map(|piece| piece.as_bytes()).collect::<Vec<_>>(),
                &[],
            );
            // Each chunk is a line with its length, and a line with its bytes.
            for piece in body.split_inclusive(|byte| *byte == b'\n') {
                client.send(piece);
            }
            client.receive(false)
        }
    }
}
