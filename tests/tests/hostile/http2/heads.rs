//! Heads: fields and pseudo-headers.

use super::{BAD, GET, Row, get, row};
use proxywasm_tests::harness::frames::{END_HEADERS, END_STREAM, Fate, HEADERS, block, frame};

/// A request without a body.
fn request(headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, block(headers))
}

pub(super) fn fields() -> Vec<Row> {
    let names = "RFC 9113, 8.2.1";
    let connection = "RFC 9113, 8.2.2";
    let bad = |name, section, headers: &[(&str, &str)]| row(name, section, get(headers), BAD);
    vec![
        bad("a name in capitals", names, &[("X-Y", "z")]),
        bad("a name with a space", names, &[("x y", "z")]),
        bad("a name with a NUL", names, &[("x\0y", "z")]),
        bad("a name with a colon", names, &[("x:y", "z")]),
        bad("no name", names, &[("", "z")]),
        bad("a value with a line feed", names, &[("x", "a\nb: c")]),
        bad("a value with a carriage return", names, &[("x", "a\rb")]),
        bad("a value with a NUL", names, &[("x", "a\0b")]),
        bad(
            "a value with both, and a request behind",
            names,
            &[("x", "a\r\n\r\nGET /hidden HTTP/1.1\r\n")],
        ),
        bad("a value with a space before it", names, &[("x", " a")]),
        bad("a value with a tab behind it", names, &[("x", "a\t")]),
        bad("connection", connection, &[("connection", "keep-alive")]),
        bad("keep-alive", connection, &[("keep-alive", "5")]),
        bad(
            "proxy-connection",
            connection,
            &[("proxy-connection", "keep-alive")],
        ),
        bad(
            "transfer-encoding",
            connection,
            &[("transfer-encoding", "chunked")],
        ),
        bad("upgrade", connection, &[("upgrade", "websocket")]),
        bad(
            "te with another value than trailers",
            connection,
            &[("te", "gzip")],
        ),
        row(
            "te with trailers",
            connection,
            get(&[("te", "trailers")]),
            &[Fate::Answered(200)],
        ),
    ]
}

pub(super) fn pseudo_headers() -> Vec<Row> {
    let section = "RFC 9113, 8.3";
    let of_request = "RFC 9113, 8.3.1";
    let bad = |name, section, headers: &[(&str, &str)]| {
        row(
            name,
            section,
            frame(HEADERS, END_STREAM | END_HEADERS, 1, block(headers)),
            BAD,
        )
    };
    let without =
        |name: &str| -> Vec<_> { GET.iter().filter(|(known, _)| *known != name).copied().collect() };
    let with = |name, value| -> Vec<_> {
        GET.iter()
            .map(|header| if header.0 == name { (name, value) } else { *header })
            .collect()
    };
    vec![
        bad("no method", of_request, &without(":method")),
        bad("no scheme", of_request, &without(":scheme")),
        bad("no path", of_request, &without(":path")),
        bad("no host at all", of_request, &without(":authority")),
        bad("an empty path", of_request, &with(":path", "")),
        bad("a path without a slash", of_request, &with(":path", "a")),
        bad("a path with a space", of_request, &with(":path", "/a b")),
        bad("`*` without OPTIONS", of_request, &with(":path", "*")),
        bad("a method that is no token", of_request, &with(":method", "G T")),
        bad(
            "a method with a request behind",
            of_request,
            &with(":method", "GET / HTTP/1.1\r\nx: y"),
        ),
        bad(
            "a path with a request behind",
            of_request,
            &with(":path", "/ HTTP/1.1\r\nx: y"),
        ),
        bad("another scheme", of_request, &with(":scheme", "ftp")),
        bad("a user name", of_request, &with(":authority", "u@h")),
        bad("an empty authority", of_request, &with(":authority", "")),
        bad("a host with a path", of_request, &with(":authority", "h/a")),
        bad("a method twice", section, &[&[(":method", "GET")], GET].concat()),
        bad("a path twice", section, &[&[(":path", "/b")], GET].concat()),
        bad(
            "an authority twice",
            section,
            &[&[(":authority", "h")], GET].concat(),
        ),
        bad(
            "a path behind other headers",
            section,
            &[&without(":path")[..], &[("x", "y"), (":path", "/")]].concat(),
        ),
        bad("one that is not known", section, &[&[(":x", "y")], GET].concat()),
        bad(
            "one of a response",
            section,
            &[&[(":status", "200")], GET].concat(),
        ),
        bad(
            "a protocol without CONNECT",
            "RFC 8441, 4",
            &[&[(":protocol", "websocket")], GET].concat(),
        ),
        bad("another host", of_request, &[GET, &[("host", "other")]].concat()),
        bad(
            "two hosts",
            of_request,
            &[GET, &[("host", "h"), ("host", "h")]].concat(),
        ),
        row(
            "the same host",
            of_request,
            get(&[("host", "H")]),
            &[Fate::Answered(200)],
        ),
        row(
            "a host and no authority",
            of_request,
            frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                1,
                block(&[&without(":authority")[..], &[("host", "h")]].concat()),
            ),
            &[Fate::Answered(200)],
        ),
        row(
            "not ASCII",
            of_request,
            request(&[
                (b":method", b"GET"),
                (b":scheme", b"http"),
                (b":path", b"/\xff"),
                (b":authority", b"h"),
            ]),
            BAD,
        ),
    ]
}
