//! Request lines and hosts.

use super::table::{Outcome, Row, passed, row, try_all};
use Outcome::{Passes, PassesOnce, Refused, RefusedOrClosed};

fn line(name: &'static str, section: &'static str, line: &str, status: u16) -> Row {
    row(
        name,
        section,
        format!("{line}\r\nhost: h\r\n\r\n"),
        Refused(status),
    )
}

fn passes(
    name: &'static str,
    section: &'static str,
    sent: &'static str,
    start: &'static str,
    host: &'static [(&'static str, Option<&'static str>)],
) -> Row {
    row(name, section, sent, Passes(passed(start, host, "")))
}

fn lines() -> Vec<Row> {
    let start = "RFC 9112, 3";
    let version = "RFC 9110, 2.5";
    vec![
        line("two spaces", start, "GET  / HTTP/1.1", 400),
        line("a space behind the version", start, "GET / HTTP/1.1 ", 400),
        line("a tab between", start, "GET\t/\tHTTP/1.1", 400),
        line("a space in the target", start, "GET /a b HTTP/1.1", 400),
        line("a space before the method", start, " GET / HTTP/1.1", 400),
        line(
            "a method that is no token",
            "RFC 9110, 9.1",
            "G@T / HTTP/1.1",
            400,
        ),
        line("a method with a NUL", "RFC 9110, 9.1", "G\0T / HTTP/1.1", 400),
        line("a target with a NUL", start, "GET /a\0b HTTP/1.1", 400),
        line("no target", start, "GET HTTP/1.1", 400),
        line("HTTP/0.9", version, "GET /", 400),
        line("HTTP/1.2", version, "GET / HTTP/1.2", 400),
        line("HTTP/2.0 as text", version, "GET / HTTP/2.0", 400),
        line(
            "a version in small letters",
            "RFC 9112, 2.3",
            "GET / http/1.1",
            400,
        ),
        line("a version that is none", "RFC 9112, 2.3", "GET / HTTX/1.1", 400),
        line("a version with a sign", "RFC 9112, 2.3", "GET / HTTP/+1.1", 400),
        row(
            "the preface of HTTP/2 where a request is under way",
            "RFC 9113, 3.4",
            "GET / HTTP/1.1\r\nhost: a@b\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            Refused(400),
        ),
        row(
            "what is no HTTP",
            start,
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
            RefusedOrClosed(400),
        ),
        passes(
            "a method in small letters is another method",
            "RFC 9110, 9.1",
            "get / HTTP/1.1\r\nhost: h\r\n\r\n",
            "get / HTTP/1.1",
            &[],
        ),
        passes(
            "lines that line feeds end",
            "RFC 9112, 2.2",
            "GET / HTTP/1.1\nhost: h\n\n",
            "GET / HTTP/1.1",
            &[("host", Some("h"))],
        ),
        passes(
            "an empty line before the request",
            "RFC 9112, 2.2",
            "\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
            "GET / HTTP/1.1",
            &[],
        ),
        row(
            "HTTP/1.0",
            version,
            "GET / HTTP/1.0\r\n\r\n",
            PassesOnce(passed("GET / HTTP/1.1", &[], "")),
        ),
    ]
}

fn forms() -> Vec<Row> {
    vec![
        line("`*` without OPTIONS", "RFC 9112, 3.2.4", "GET * HTTP/1.1", 400),
        line("a host as target", "RFC 9112, 3.2.3", "GET h:80 HTTP/1.1", 400),
        line(
            "a name as target",
            "RFC 9112, 3.2",
            "GET index.html HTTP/1.1",
            400,
        ),
        line("a query as target", "RFC 9112, 3.2", "GET ?a HTTP/1.1", 400),
        line(
            "a URI of another scheme",
            "RFC 9112, 3.2.2",
            "GET ftp://h/ HTTP/1.1",
            400,
        ),
        line(
            "a URI without a host",
            "RFC 9110, 4.2.1",
            "GET http:///a HTTP/1.1",
            400,
        ),
        line(
            "a URI with a port only",
            "RFC 9110, 4.2.1",
            "GET http://:80/a HTTP/1.1",
            400,
        ),
        line(
            "a user name in a URI",
            "RFC 9110, 4.2.4",
            "GET http://u@h/ HTTP/1.1",
            400,
        ),
        line(
            "a user and a password",
            "RFC 9110, 4.2.4",
            "GET http://u:p@h/ HTTP/1.1",
            400,
        ),
        line(
            "CONNECT where it is not allowed",
            "RFC 9110, 9.3.6",
            "CONNECT h:80 HTTP/1.1",
            405,
        ),
        row(
            "a long target",
            "RFC 9112, 3",
            format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(100_000)),
            RefusedOrClosed(431),
        ),
        passes(
            "a URI overrides the host header",
            "RFC 9112, 3.2.2",
            "GET http://target.test:81/a HTTP/1.1\r\nhost: other.test\r\n\r\n",
            "GET /a HTTP/1.1",
            &[("host", Some("target.test:81"))],
        ),
        passes(
            "`*` with OPTIONS",
            "RFC 9112, 3.2.4",
            "OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n",
            "OPTIONS * HTTP/1.1",
            &[],
        ),
    ]
}

fn hosts() -> Vec<Row> {
    let section = "RFC 9112, 3.2";
    let host = |name, headers: &str| {
        row(
            name,
            section,
            format!("GET / HTTP/1.1\r\n{headers}\r\n"),
            Refused(400),
        )
    };
    vec![
        host("no host", ""),
        host("two hosts", "host: a\r\nhost: b\r\n"),
        host("the same host twice", "host: a\r\nhost: a\r\n"),
        host("a user name", "host: u@h\r\n"),
        host("a path", "host: h/a\r\n"),
        host("a query", "host: h?a\r\n"),
        host("a space", "host: a b\r\n"),
        host("two ports", "host: h:1:2\r\n"),
        host("a port that is no number", "host: h:x\r\n"),
        host("an address without its end", "host: [::1\r\n"),
        host("a backslash", "host: a\\b\r\n"),
        host("what is not ASCII", "host: h\u{e9}\r\n"),
        row(
            "a URI as target, and no host",
            section,
            "GET http://h/ HTTP/1.1\r\n\r\n",
            Refused(400),
        ),
        row(
            "a URI as target, and a host that is none",
            section,
            "GET http://h/ HTTP/1.1\r\nhost: a@b\r\n\r\n",
            Refused(400),
        ),
        passes(
            "an empty host",
            section,
            "GET / HTTP/1.1\r\nhost:\r\n\r\n",
            "GET / HTTP/1.1",
            &[("host", Some(""))],
        ),
        passes(
            "an address and a port",
            section,
            "GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
            "GET / HTTP/1.1",
            &[("host", Some("[::1]:80"))],
        ),
    ]
}

#[test]
fn requests() {
    let tables = [lines(), forms(), hosts()];
    try_all(&tables.into_iter().flatten().collect::<Vec<_>>());
}
