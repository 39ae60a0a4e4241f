//! Where a message ends: lengths and transfer codings.

use super::table::{Outcome, Row, passed, row, try_all};
use Outcome::{Passes, PassesOnce, Refused, RefusedOrClosed};

/// A second request, which nobody may see as one.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n";

fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nhost: h\r\n{headers}\r\n{body}").into_bytes()
}

fn refused(name: &'static str, section: &'static str, status: u16, headers: &str) -> Row {
    row(
        name,
        section,
        post(headers, &format!("5\r\nabcde\r\n0\r\n\r\n{HIDDEN}")),
        Refused(status),
    )
}

fn lengths() -> Vec<Row> {
    let five = || passed("POST / HTTP/1.1", &[("content-length", Some("5"))], "abcde");
    vec![
        refused(
            "two lengths",
            "RFC 9112, 6.3",
            400,
            "content-length: 4\r\ncontent-length: 5\r\n",
        ),
        refused(
            "a list of lengths",
            "RFC 9112, 6.3",
            400,
            "content-length: 4, 5\r\n",
        ),
        refused(
            "a length with a sign",
            "RFC 9110, 8.6",
            400,
            "content-length: +5\r\n",
        ),
        refused(
            "a negative length",
            "RFC 9110, 8.6",
            400,
            "content-length: -5\r\n",
        ),
        refused(
            "a length with a space in it",
            "RFC 9110, 8.6",
            400,
            "content-length: 5 5\r\n",
        ),
        refused(
            "a length in hexadecimal",
            "RFC 9110, 8.6",
            400,
            "content-length: 0x5\r\n",
        ),
        refused(
            "a length with a point",
            "RFC 9110, 8.6",
            400,
            "content-length: 5.0\r\n",
        ),
        refused("an empty length", "RFC 9110, 8.6", 400, "content-length:\r\n"),
        refused(
            "a length beyond any number",
            "RFC 9110, 8.6",
            400,
            "content-length: 99999999999999999999999\r\n",
        ),
        row(
            "the same length twice",
            "RFC 9112, 6.3",
            post("content-length: 5\r\ncontent-length: 5\r\n", "abcde"),
            Passes(five()),
        ),
        row(
            "a length with zeros before it",
            "RFC 9110, 8.6",
            post("content-length: 5\r\n", "abcde"),
            Passes(five()),
        ),
        row(
            "no length, so what follows is another request",
            "RFC 9112, 6.3",
            "POST / HTTP/1.1\r\nhost: h\r\n\r\n",
            Passes(passed("POST / HTTP/1.1", &[("transfer-encoding", None)], "")),
        ),
    ]
}

/// The transfer coding counts where a length is given too, the length goes no further, and the connection ends.
fn both() -> Vec<Row> {
    let chunked = || {
        passed(
            "POST / HTTP/1.1",
            &[("content-length", None), ("transfer-encoding", Some("chunked"))],
            "abcde",
        )
    };
    let body = format!("5\r\nabcde\r\n0\r\n\r\n{HIDDEN}");
    vec![
        row(
            "a length, then a transfer coding",
            "RFC 9112, 6.1",
            post("content-length: 4\r\ntransfer-encoding: chunked\r\n", &body),
            PassesOnce(chunked()),
        ),
        row(
            "a transfer coding, then a length",
            "RFC 9112, 6.1",
            post("transfer-encoding: chunked\r\ncontent-length: 4\r\n", &body),
            PassesOnce(chunked()),
        ),
        row(
            "a transfer coding, and two lengths",
            "RFC 9112, 6.1",
            post(
                "transfer-encoding: chunked\r\ncontent-length: 4\r\ncontent-length: 9\r\n",
                &body,
            ),
            PassesOnce(chunked()),
        ),
    ]
}

fn codings() -> Vec<Row> {
    let unknown = "RFC 9112, 6.1";
    let last = "RFC 9112, 6.3";
    let te = |value: &str| format!("transfer-encoding: {value}\r\n");
    vec![
        refused("a coding that is nearly chunked", last, 400, &te("xchunked")),
        refused("chunked, and not last", last, 400, &te("chunked, identity")),
        refused(
            "chunked, then another header",
            last,
            400,
            &(te("chunked") + &te("identity")),
        ),
        refused("identity alone", last, 400, &te("identity")),
        refused("gzip alone", last, 400, &te("gzip")),
        refused("an empty coding", last, 400, &te("")),
        refused("a vertical tab before it", last, 400, &te("\x0bchunked")),
        refused("chunked with a parameter", last, 400, &te("chunked;q=1")),
        refused("chunked in quotes", last, 400, &te("\"chunked\"")),
        refused("another coding below chunked", unknown, 501, &te("gzip, chunked")),
        refused(
            "another header below chunked",
            unknown,
            501,
            &(te("identity") + &te("chunked")),
        ),
        refused("chunked twice", unknown, 501, &te("chunked, chunked")),
        refused(
            "a name with a space behind it",
            "RFC 9112, 5.1",
            400,
            "transfer-encoding : chunked\r\n",
        ),
        row(
            "a tab before it, and capitals",
            "RFC 9112, 5 and 7",
            post(&te("\tChunked"), "5\r\nabcde\r\n0\r\n\r\n"),
            Passes(passed(
                "POST / HTTP/1.1",
                &[("transfer-encoding", Some("chunked"))],
                "abcde",
            )),
        ),
        row(
            "from a client of HTTP/1.0",
            "RFC 9112, 6.1",
            format!("POST / HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
            Refused(400),
        ),
    ]
}

/// Bodies in chunks that have no meaning: the request breaks off before its end.
fn chunks() -> Vec<Row> {
    let section = "RFC 9112, 7.1";
    let bad = |name, body: &str| {
        row(
            name,
            section,
            post("transfer-encoding: chunked\r\n", &format!("{body}{HIDDEN}")),
            Refused(400),
        )
    };
    let long = format!("1;x={}\r\na\r\n0\r\n\r\n", "y".repeat(20_000));
    let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(200));
    vec![
        bad("a size with a sign", "+5\r\nabcde\r\n0\r\n\r\n"),
        bad("a negative size", "-5\r\nabcde\r\n0\r\n\r\n"),
        bad("a size as C writes it", "0x5\r\nabcde\r\n0\r\n\r\n"),
        bad("a size with an underscore", "0_5\r\nabcde\r\n0\r\n\r\n"),
        bad("no size", "\r\nabcde\r\n0\r\n\r\n"),
        bad("a space before the size", " 5\r\nabcde\r\n0\r\n\r\n"),
        bad("two sizes", "5 5\r\nabcde\r\n0\r\n\r\n"),
        bad(
            "a size beyond any number",
            "fffffffffffffffff\r\nabcde\r\n0\r\n\r\n",
        ),
        bad("a size that a line feed ends", "5\nabcde\r\n0\r\n\r\n"),
        bad("a size that a carriage return ends", "5\rabcde\r\n0\r\n\r\n"),
        bad("a chunk that is longer than its size", "3\r\nabcde\r\n0\r\n\r\n"),
        bad("a chunk without its end", "5\r\nabcde0\r\n\r\n"),
        bad("a chunk that a line feed ends", "5\r\nabcde\n0\r\n\r\n"),
        bad("extensions without end", &long),
        bad("a line feed in an extension", "5;x\ny\r\nabcde\r\n0\r\n\r\n"),
        bad("trailers without end", &trailers),
        bad("a trailer that is none", "0\r\nbad trailer: x\r\n\r\n"),
        bad("a line feed behind the last size", "0\n\r\n"),
        row(
            "an extension",
            section,
            post(
                "transfer-encoding: chunked\r\n",
                "5;a=b;c=\"d\"\r\nabcde\r\n0\r\n\r\n",
            ),
            Passes(passed("POST / HTTP/1.1", &[], "abcde")),
        ),
    ]
}

/// A request that is refused, and one behind it in the same packet, which is not looked at.
fn pipelined() -> Vec<Row> {
    vec![
        row(
            "behind one that is refused for its host",
            "RFC 9112, 9.3.2",
            format!("GET / HTTP/1.1\r\nhost: a@b\r\n\r\n{HIDDEN}"),
            Refused(400),
        ),
        row(
            "behind the body of one that is refused",
            "RFC 9112, 9.3.2",
            format!("POST / HTTP/1.1\r\nhost: a@b\r\ncontent-length: 5\r\n\r\nabcde{HIDDEN}"),
            Refused(400),
        ),
        row(
            "behind one whose path is refused",
            "RFC 9112, 9.3.2",
            format!("GET /a%2Fb HTTP/1.1\r\nhost: h\r\n\r\n{HIDDEN}"),
            Refused(400),
        ),
        row(
            "within the body of one that waits for 100 Continue and is refused",
            "RFC 9110, 10.1.1",
            format!(
                "POST / HTTP/1.1\r\nhost: a@b\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n{HIDDEN}",
                HIDDEN.len()
            ),
            RefusedOrClosed(400),
        ),
    ]
}

#[test]
fn requests() {
    let tables = [lengths(), both(), codings(), chunks(), pipelined()];
    try_all(&tables.into_iter().flatten().collect::<Vec<_>>());
}
