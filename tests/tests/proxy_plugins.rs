//! The sample plugins, each on both ABIs, over real sockets: what they do, and that both do the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_tests::guests::{
    AUTH_COMPONENT, AUTH_LEGACY, BODY_COMPONENT, BODY_LEGACY, CONFIGURATION_COMPONENT, CONFIGURATION_LEGACY,
    HEADERS_COMPONENT, HEADERS_LEGACY,
};
use proxywasm_tests::harness::{Message, Origin, proxy};
use std::sync::mpsc;
use std::time::Duration;

/// A request to a plugin, and what comes of it.
struct Row {
    name: &'static str,
    plugin: [&'static str; 2],
    configuration: &'static str,
    request: &'static str,
    headers: &'static [(&'static str, &'static str)],
    /// Sent with a content-length; `None` for none.
    body: Option<&'static str>,
    status: u16,
    /// The body that the client gets; the origin answers `Hello` unless told to answer with what it got.
    response: &'static str,
    /// Headers that the client gets, or does not.
    response_headers: &'static [(&'static str, Option<&'static str>)],
    /// Headers that the origin gets, or does not; `None` if it gets no request.
    origin: Option<&'static [(&'static str, Option<&'static str>)]>,
}

const HEADERS: [&str; 2] = [HEADERS_LEGACY, HEADERS_COMPONENT];
const BODY: [&str; 2] = [BODY_LEGACY, BODY_COMPONENT];
const AUTH: [&str; 2] = [AUTH_LEGACY, AUTH_COMPONENT];
const CONFIGURATION: [&str; 2] = [CONFIGURATION_LEGACY, CONFIGURATION_COMPONENT];

const ROWS: &[Row] = &[
    Row {
        name: "headers are added, removed and replaced",
        plugin: HEADERS,
        configuration: "",
        request: "GET /a?b=c",
        headers: &[
            ("x-multi", "1"),
            ("x-multi", ""),
            ("x-remove-me", "1"),
            ("x-replace-me", "1"),
            ("x-replace-me", "2"),
        ],
        body: None,
        status: 200,
        response: "Hello",
        response_headers: &[
            ("x-plugin", Some("headers")),
            ("x-context-answered", Some("yes")),
            ("server-secret", None),
        ],
        origin: Some(&[
            ("x-plugin", Some("headers")),
            ("x-request-path", Some("/a?b=c")),
            ("x-multi-count", Some("2")),
            ("x-multi", Some("1,")),
            ("x-remove-me", None),
            ("x-replace-me", Some("replaced")),
        ]),
    },
    Row {
        name: "headers with a body",
        plugin: HEADERS,
        configuration: "",
        request: "POST /echo",
        headers: &[],
        body: Some("some body"),
        status: 200,
        response: "some body",
        response_headers: &[("x-plugin", Some("headers")), ("content-length", Some("9"))],
        origin: Some(&[
            ("x-plugin", Some("headers")),
            ("x-replace-me", None),
            ("content-length", Some("9")),
        ]),
    },
    Row {
        name: "bodies are rewritten",
        plugin: BODY,
        configuration: "",
        request: "POST /echo",
        headers: &[("x-body", "rewrite")],
        body: Some("some body"),
        status: 200,
        response: "SOME BODY\n<9 BYTES>\n<19 bytes>",
        response_headers: &[],
        origin: Some(&[]),
    },
    Row {
        name: "a response body alone is rewritten",
        plugin: BODY,
        configuration: "",
        request: "GET /",
        headers: &[("x-body", "rewrite")],
        body: None,
        status: 200,
        response: "HELLO\n<5 bytes>",
        response_headers: &[],
        origin: Some(&[("content-length", None), ("transfer-encoding", None)]),
    },
    Row {
        name: "bodies are wrapped",
        plugin: BODY,
        configuration: "",
        request: "PUT /echo",
        headers: &[("x-body", "wrap")],
        body: Some("some body"),
        status: 200,
        response: "<<some body>>",
        response_headers: &[],
        origin: Some(&[]),
    },
    Row {
        name: "bodies are left alone",
        plugin: BODY,
        configuration: "",
        request: "POST /echo",
        headers: &[],
        body: Some("some body"),
        status: 200,
        response: "some body",
        response_headers: &[("content-length", Some("9"))],
        origin: Some(&[("content-length", Some("9"))]),
    },
    Row {
        name: "no token",
        plugin: AUTH,
        configuration: "secret",
        request: "GET /",
        headers: &[],
        body: None,
        status: 401,
        response: "authorization required\n",
        response_headers: &[
            ("www-authenticate", Some("Bearer")),
            ("content-length", Some("23")),
        ],
        origin: None,
    },
    Row {
        name: "no token, with a body that nobody wants",
        plugin: AUTH,
        configuration: "secret",
        request: "POST /",
        headers: &[],
        body: Some("some body"),
        status: 401,
        response: "authorization required\n",
        response_headers: &[("www-authenticate", Some("Bearer"))],
        origin: None,
    },
    Row {
        name: "no token, gRPC",
        plugin: AUTH,
        configuration: "secret",
        request: "POST /",
        headers: &[("content-type", "application/grpc")],
        body: None,
        status: 200,
        response: "",
        response_headers: &[("grpc-status", Some("16"))],
        origin: None,
    },
    Row {
        name: "another token",
        plugin: AUTH,
        configuration: "secret",
        request: "GET /",
        headers: &[("authorization", "Bearer other")],
        body: None,
        status: 403,
        response: "forbidden\n",
        response_headers: &[],
        origin: None,
    },
    Row {
        name: "the token",
        plugin: AUTH,
        configuration: "secret",
        request: "GET /",
        headers: &[("authorization", "Bearer secret")],
        body: None,
        status: 200,
        response: "Hello",
        response_headers: &[],
        origin: Some(&[("x-auth", Some("ok")), ("authorization", None)]),
    },
    Row {
        name: "a response that is denied when it comes",
        plugin: AUTH,
        configuration: "secret",
        request: "GET /late-deny",
        headers: &[("authorization", "Bearer secret")],
        body: None,
        status: 403,
        response: "denied late\n",
        response_headers: &[("server-secret", None)],
        origin: Some(&[("x-auth", Some("ok"))]),
    },
    Row {
        name: "configuration and properties",
        plugin: CONFIGURATION,
        configuration: "x-one: 1\nx-two: two words\n",
        request: "GET /path?query",
        headers: &[],
        body: None,
        status: 200,
        response: "Hello",
        response_headers: &[
            ("x-one", Some("1")),
            ("x-two", Some("two words")),
            ("x-configuration", None),
            ("x-property-path", Some("/path?query")),
        ],
        origin: Some(&[]),
    },
    Row {
        name: "no configuration",
        plugin: CONFIGURATION,
        configuration: "",
        request: "GET /",
        headers: &[],
        body: None,
        status: 200,
        response: "Hello",
        response_headers: &[("x-configuration", Some("empty")), ("x-property-path", Some("/"))],
        origin: Some(&[]),
    },
];

#[test]
fn both_generations_do_the_same() {
    for row in ROWS {
        let [legacy, component] = row.plugin.map(|plugin| run(row, plugin));
        let case = row.name;
        assert_eq!(
            comparable(&legacy.0, row),
            comparable(&component.0, row),
            "{case}: the responses differ"
        );
        assert_eq!(
            legacy.1.as_ref().map(|request| comparable(request, row)),
            component.1.as_ref().map(|request| comparable(request, row)),
            "{case}: the requests differ"
        );
    }
}

/// Sends the request of a row through a plugin, and checks what comes of it.
fn run(row: &Row, plugin: &str) -> (Message, Option<Message>) {
    let case = format!("{}, {plugin}", row.name);
    let (sender, requests) = mpsc::channel();
    let origin = Origin::start(move |request| {
        let body = if request.start.contains("/echo") {
            request.body.clone()
        } else {
            b"Hello".to_vec()
        };
        sender.send(request.clone()).unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nserver-secret: abc\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    });
    let proxy = proxy()
        .guest(plugin, row.configuration)
        .upstream(origin.address())
        .start();
    let mut client = proxy.client();
    let response = match row.body {
        Some(body) => client.request_with_body(row.request, row.headers, body.as_bytes()),
        None => client.request(row.request, row.headers),
    };
    assert_eq!(
        (response.status(), response.text().as_str()),
        (row.status, row.response),
        "{case}"
    );
    assert!(response.complete, "{case}");
    for (name, value) in row.response_headers {
        assert_eq!(response.header(name).as_deref(), *value, "{case}: {name}");
    }
    let request = match row.origin {
        Some(headers) => {
            let request = requests.recv_timeout(Duration::from_secs(10)).unwrap();
            for (name, value) in headers {
                assert_eq!(request.header(name).as_deref(), *value, "{case}: {name}");
            }
            Some(request)
        }
        None => {
            assert!(requests.try_recv().is_err(), "{case}: the origin got a request");
            None
        }
    };
    // Whatever happened, the connection and the plugin serve on.
    let again = match row.body {
        Some(body) => client.request_with_body(row.request, row.headers, body.as_bytes()),
        None => client.request(row.request, row.headers),
    };
    assert_eq!(again.text(), row.response, "{case}: the second time");
    (response, request)
}

/// A message without what differs by design: the date, ids, the plugin's own name, and the order of headers of different names.
fn comparable(message: &Message, row: &Row) -> Message {
    let mut message = message.clone();
    message
        .headers
        .retain(|(name, _)| !matches!(name.as_str(), "date" | "x-plugin-name" | "x-request-id"));
    message.headers.sort();
    assert_eq!(message.header("x-plugin-name"), None, "{}", row.name);
    message
}

#[test]
fn plugins_know_their_names() {
    for plugin in CONFIGURATION {
        let response = proxy().guest(plugin, "").start().client().request("GET /", &[]);
        assert_eq!(response.header("x-plugin-name").as_deref(), Some(plugin));
    }
}
