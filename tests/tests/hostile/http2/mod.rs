//! Requests over HTTP/2, frame by frame.

mod frames;
mod heads;
mod messages;

use super::table::{CHAINS, reached, recording};
use proxywasm_tests::harness::frames::{
    END_HEADERS, END_STREAM, Fate, FrameStream, HEADERS, PING, PREFACE, block, frame,
};
use proxywasm_tests::harness::proxy;

/// Errors (RFC 9113, section 7).
const PROTOCOL_ERROR: u32 = 1;
const STREAM_CLOSED: u32 = 5;

struct Row {
    name: &'static str,
    section: &'static str,
    sent: Vec<u8>,
    /// What becomes of stream 1, any of these.
    fates: &'static [Fate],
}

/// What is malformed is an error of its stream, which may be treated as one of the connection (RFC 9113, section 5.4), and may be answered.
const BAD: &[Fate] = &[
    Fate::Reset(PROTOCOL_ERROR),
    Fate::Answered(400),
    Fate::GoAway(PROTOCOL_ERROR),
];
const BROKEN: &[Fate] = &[Fate::GoAway(PROTOCOL_ERROR)];

const GET: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "h"),
];

/// GET, with more headers.
fn get(more: &[(&str, &str)]) -> Vec<u8> {
    let headers = [GET, more].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, 1, block(&headers))
}

/// POST with a length, and frames behind its head.
fn post(length: &str, frames: &[Vec<u8>]) -> Vec<u8> {
    let headers = [&[(":method", "POST")], &GET[1..], &[("content-length", length)]].concat();
    [frame(HEADERS, END_HEADERS, 1, block(&headers)), frames.concat()].concat()
}

fn row(name: &'static str, section: &'static str, sent: Vec<u8>, fates: &'static [Fate]) -> Row {
    Row {
        name,
        section,
        sent,
        fates,
    }
}

#[test]
fn requests() {
    let rows: Vec<Row> = [
        heads::fields(),
        heads::pseudo_headers(),
        messages::bodies(),
        frames::frames(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut wrong = Vec::new();
    for chain in CHAINS {
        let origin = recording();
        let proxy = proxy().upstream(origin.address()).guests(chain).start();
        for row in &rows {
            let mut client = FrameStream::connect(proxy.address(), &[]);
            client.send(&row.sent);
            let fate = client.fate(1);
            // A connection that is reset may lose its last words.
            let lost = fate == Fate::Closed && row.fates.iter().all(|fate| matches!(fate, Fate::GoAway(_)));
            let whole = reached(&proxy, &origin).len();
            let expected = usize::from(fate == Fate::Answered(200));
            if !(row.fates.contains(&fate) || lost) || whole != expected {
                let Row { name, section, .. } = row;
                wrong.push(format!(
                    "{name} ({section}) with {chain:?}: {fate:?}, and {whole} requests that reached the upstream"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Without a preface, or with another one, it is no HTTP/2 (RFC 9113, section 3.4).
#[test]
fn prefaces() {
    let proxy = proxy().start();
    for begin in [
        &b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..],
        b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
        b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = proxy.client();
        client.send(begin);
        let answer = client.try_receive(false);
        assert!(answer.is_none_or(|answer| answer.status() == 400), "{begin:?}");
        assert!(client.is_closed());
    }
    // No settings behind it.
    let mut client = FrameStream::silent(proxy.address());
    client.send(PREFACE);
    client.send(frame(PING, 0, 0, [0; 8]));
    assert!(matches!(
        client.fate(0),
        Fate::GoAway(PROTOCOL_ERROR) | Fate::Closed
    ));
    assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
}
