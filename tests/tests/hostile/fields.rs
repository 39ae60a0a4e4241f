//! Headers: their names, their values, and how many.

use super::table::{Outcome, Row, passed, row, try_all};
use Outcome::{Passes, Refused, RefusedOrClosed};

fn field(name: &'static str, section: &'static str, field: &[u8]) -> Row {
    let sent = [b"GET / HTTP/1.1\r\nhost: h\r\n", field, b"\r\n\r\n"].concat();
    row(name, section, sent, Refused(400))
}

fn invalid() -> Vec<Row> {
    let syntax = "RFC 9112, 5.1";
    let name = "RFC 9110, 5.1";
    let value = "RFC 9110, 5.5";
    vec![
        field("a space before the colon", syntax, b"x : y"),
        field("a tab before the colon", syntax, b"x\t: y"),
        field("no colon", syntax, b"x"),
        field("no name", syntax, b": y"),
        field("a name with a space", name, b"x y: z"),
        field("a name with a NUL", name, b"x\0: y"),
        field("a name with a slash", name, b"x/y: z"),
        field("a name in brackets", name, b"[x]: y"),
        field("a name with a carriage return", name, b"x\r: y"),
        field("a name that is not ASCII", name, b"\xe9: y"),
        field("a value with a NUL", value, b"x: a\0b"),
        field("a value with a carriage return", value, b"x: a\rb: c"),
        field("a value with a carriage return at its end", value, b"x: a\r\r\n"),
        field("a value with DEL", value, b"x: a\x7fb"),
        field("a value with an escape", value, b"x: a\x1bb"),
        field("a value on two lines", "RFC 9112, 5.2", b"x: a\r\n b"),
        field("a value on two lines, by a tab", "RFC 9112, 5.2", b"x: a\r\n\tb"),
        field("a line of spaces", "RFC 9112, 2.2", b"  "),
        row(
            "a space before the first header",
            "RFC 9112, 2.2",
            "GET / HTTP/1.1\r\n x: y\r\nhost: h\r\n\r\n",
            Refused(400),
        ),
    ]
}

fn sizes() -> Vec<Row> {
    let section = "RFC 6585, 5";
    let head = |headers: &str| format!("GET / HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
    vec![
        row(
            "a header that is too large",
            section,
            head(&format!("x: {}\r\n", "y".repeat(70_000))),
            RefusedOrClosed(431),
        ),
        row(
            "a name that is too large",
            section,
            head(&format!("{}: y\r\n", "x".repeat(70_000))),
            RefusedOrClosed(431),
        ),
        row(
            "a header that does not end",
            section,
            format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}", "y".repeat(500_000)),
            RefusedOrClosed(431),
        ),
        row(
            "too many headers",
            section,
            head(&"x: y\r\n".repeat(200)),
            RefusedOrClosed(431),
        ),
        row(
            "as many as there may be",
            section,
            head(&"x: y\r\n".repeat(99)),
            Passes(passed("GET / HTTP/1.1", &[], "")),
        ),
    ]
}

fn connection() -> Vec<Row> {
    let section = "RFC 9110, 7.6.1";
    let sent = |headers: &str| format!("GET / HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
    let passes = |name, headers: &str, expected| {
        row(
            name,
            section,
            sent(headers),
            Passes(passed("GET / HTTP/1.1", expected, "")),
        )
    };
    vec![
        passes(
            "a header that is named goes",
            "connection: x-hop\r\nx-hop: 1\r\nx: 2\r\n",
            &[("x-hop", None), ("connection", None), ("x", Some("2"))],
        ),
        passes(
            "the host stays",
            "connection: host\r\n",
            &[("host", Some("h")), ("connection", None)],
        ),
        passes(
            "what is for all who get the message stays",
            "connection: x-forwarded-for, authorization, cookie\r\nx-forwarded-for: 1\r\nauthorization: a\r\ncookie: c\r\n",
            &[
                ("x-forwarded-for", Some("1")),
                ("authorization", Some("a")),
                ("cookie", Some("c")),
            ],
        ),
        passes(
            "what is for one connection goes though it is not named",
            "connection: keep-alive\r\nkeep-alive: 5\r\nproxy-connection: close\r\nte: gzip\r\nupgrade: websocket\r\n",
            &[
                ("keep-alive", None),
                ("proxy-connection", None),
                ("te", None),
                ("upgrade", None),
            ],
        ),
        passes(
            "an upgrade to HTTP/2, which would get requests past plugins",
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
            &[("upgrade", None), ("http2-settings", None), ("connection", None)],
        ),
        row(
            "the length stays",
            section,
            "POST / HTTP/1.1\r\nhost: h\r\nconnection: content-length\r\ncontent-length: 5\r\n\r\nabcde",
            Passes(passed(
                "POST / HTTP/1.1",
                &[("content-length", Some("5"))],
                "abcde",
            )),
        ),
    ]
}

#[test]
fn requests() {
    let tables = [invalid(), sizes(), connection()];
    try_all(&tables.into_iter().flatten().collect::<Vec<_>>());
}
