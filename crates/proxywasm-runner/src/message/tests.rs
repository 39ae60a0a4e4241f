//! What becomes of heads.

use super::*;

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut builder = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn names(headers: &HeaderMap) -> Vec<String> {
    headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect()
}

#[test]
fn requests_lose_what_concerns_the_connection() {
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let table: &[Row<'_>] = &[
        (
            &[
                ("host", "h"),
                ("connection", "keep-alive, X-Hop"),
                ("x-hop", "1"),
                ("x", "2"),
            ],
            &["host: h", "x: 2"],
        ),
        (
            &[
                ("host", "h"),
                ("connection", "host, content-length"),
                ("content-length", "1"),
            ],
            &["host: h", "content-length: 1"],
        ),
        (
            &[
                ("host", "h"),
                ("transfer-encoding", "chunked"),
                ("content-length", "5"),
            ],
            &["host: h"],
        ),
        (
            &[("host", "h"), ("content-length", "5"), ("content-length", "5")],
            &["host: h", "content-length: 5"],
        ),
        (
            &[("host", "h"), ("te", "gzip, Trailers"), ("upgrade", "websocket")],
            &["host: h", "te: trailers"],
        ),
        (
            &[("host", "h"), ("te", "gzip"), ("keep-alive", "timeout=5")],
            &["host: h"],
        ),
        (
            &[
                ("host", "h"),
                ("proxy-authorization", "x"),
                ("proxy-connection", "close"),
            ],
            &["host: h"],
        ),
        (&[("host", "h"), ("expect", "100-continue")], &["host: h"]),
    ];
    for (headers, expected) in table {
        let mut head = head("GET", "/", headers);
        receive_request(&mut head, false, false).unwrap();
        assert_eq!(names(&head.headers), *expected, "{headers:?}");
    }
}

#[test]
fn targets() {
    let table = [
        ("GET", "/a?b", &[("host", "h")][..], Ok(("/a?b", "h"))),
        ("GET", "http://t:81/a?b", &[("host", "h")], Ok(("/a?b", "t:81"))),
        ("GET", "http://t", &[("host", "h")], Ok(("/", "t"))),
        ("OPTIONS", "*", &[("host", "h")], Ok(("*", "h"))),
        ("GET", "/", &[], Err(Refusal::Host)),
        ("GET", "/", &[("host", "a"), ("host", "b")], Err(Refusal::Host)),
        ("GET", "/", &[("host", "user@h")], Err(Refusal::Host)),
        ("GET", "/", &[("host", "h/a")], Err(Refusal::Host)),
        ("GET", "http://user@t/", &[("host", "t")], Err(Refusal::Host)),
        ("GET", "/", &[("host", "[::1]:80")], Ok(("/", "[::1]:80"))),
        ("GET", "/", &[("host", "")], Ok(("/", ""))),
        ("CONNECT", "t:80", &[("host", "t:80")], Err(Refusal::Connect)),
    ];
    for (method, uri, headers, expected) in table {
        let mut head = head(method, uri, headers);
        let result = receive_request(&mut head, false, false).map(|_| {
            (
                head.uri.to_string(),
                head.headers[HOST].to_str().unwrap().to_owned(),
            )
        });
        assert_eq!(
            result,
            expected.map(|(uri, host)| (uri.to_owned(), host.to_owned())),
            "{method} {uri}"
        );
    }
}

#[test]
fn targets_over_http_2_and_tls() {
    // The host header beside `:authority`, whether by TLS, and the target that plugins see.
    let table = [
        ("https://h:1/a?b", None, true, Ok("https://h:1/a?b")),
        ("https://h/a", Some("H"), true, Ok("https://h/a")),
        ("https://h/a", Some("other"), true, Err(Refusal::Host)),
        ("/a", Some("h"), true, Ok("https://h/a")),
        ("/a", Some("h"), false, Ok("/a")),
        ("/a", Some("a b"), true, Err(Refusal::Host)),
        ("/a", None, false, Err(Refusal::Host)),
        // The scheme is that of the connection, whatever the client says.
        ("http://h/a", None, true, Ok("https://h/a")),
        ("https://h/a", None, false, Ok("/a")),
    ];
    for (uri, host, is_tls, expected) in table {
        let headers: Vec<(&str, &str)> = host.iter().map(|host| ("host", *host)).collect();
        let mut head = head("GET", uri, &headers);
        head.version = Version::HTTP_2;
        let result = receive_request(&mut head, is_tls, false).map(|_| head.uri.to_string());
        assert_eq!(result, expected.map(str::to_owned), "{uri} {host:?} {is_tls}");
    }
}

#[test]
fn bodies_are_announced() {
    for (headers, ends, chunked) in [
        (&[("content-length", "5")][..], false, false),
        (&[], false, true),
        (&[], true, false),
    ] {
        let mut head = head("GET", "/", headers);
        send_request(&mut head, false);
        frame_http1(&mut head, ends);
        assert_eq!(
            head.headers.contains_key(TRANSFER_ENCODING),
            chunked,
            "{headers:?} {ends}"
        );
    }
}

#[test]
fn upgrades() {
    let asks = &[
        ("host", "h"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
    ][..];
    // Headers, whether the client may upgrade, and whether that goes on.
    let table = [
        (asks, Version::HTTP_11, true),
        (asks, Version::HTTP_10, false),
        (asks, Version::HTTP_2, false),
        (
            &[("host", "h"), ("upgrade", "websocket")],
            Version::HTTP_11,
            false,
        ),
        (
            &[("host", "h"), ("connection", "upgrade")],
            Version::HTTP_11,
            false,
        ),
    ];
    let others = ["h2c", "websocket, H2C", "HTTP/2.0", "TLS/1.2"].map(|protocol| {
        [
            ("host", "h"),
            ("connection", "upgrade, http2-settings"),
            ("upgrade", protocol),
            ("http2-settings", "x"),
        ]
    });
    let others = others
        .iter()
        .map(|headers| (&headers[..], Version::HTTP_11, false));
    for (headers, version, expected) in table.into_iter().chain(others) {
        let mut head = head("GET", "/", headers);
        head.version = version;
        let upgrades = receive_request(&mut head, false, false).unwrap().upgrades;
        assert_eq!(upgrades, expected, "{headers:?} {version:?}");
        let kept = ["connection: upgrade", "host: h", "upgrade: websocket"];
        for may_upgrade in [true, false] {
            let mut head = head.clone();
            assert_eq!(send_request(&mut head, may_upgrade), expected && may_upgrade);
            let mut names = names(&head.headers);
            names.sort();
            let expected = if expected && may_upgrade {
                &kept[..]
            } else {
                &["host: h"]
            };
            assert_eq!(names, expected, "{headers:?} {version:?} {may_upgrade}");
        }
    }
}

#[test]
fn framed_for_both_versions() {
    let mut head = head("GET", "/a?b", &[("host", "h:1"), ("x", "1")]);
    for _ in 0..2 {
        frame_http1(&mut head, false);
        assert_eq!(head.uri, "/a?b");
        let chunked = ["host: h:1", "transfer-encoding: chunked", "x: 1"];
        let mut sorted = names(&head.headers);
        sorted.sort();
        assert_eq!(sorted, chunked);
        for (is_tls, target) in [(false, "http://h:1/a?b"), (true, "https://h:1/a?b")] {
            frame_http2(&mut head, is_tls);
            assert_eq!(
                (head.uri.to_string().as_str(), head.version),
                (target, Version::HTTP_2)
            );
            assert_eq!(names(&head.headers), ["x: 1"]);
            frame_http1(&mut head, false);
        }
    }
}

#[test]
fn lengths_without_a_body() {
    for (method, status, kept) in [
        ("GET", 200, false),
        ("HEAD", 200, true),
        ("GET", 304, true),
        ("HEAD", 304, true),
    ] {
        let response = Response::builder().status(status).header("content-length", "5");
        let mut head = response.body(()).unwrap().into_parts().0;
        send_response(&mut head, &Method::from_bytes(method.as_bytes()).unwrap(), true);
        assert_eq!(
            head.headers.contains_key(CONTENT_LENGTH),
            kept,
            "{method} {status}"
        );
    }
}
