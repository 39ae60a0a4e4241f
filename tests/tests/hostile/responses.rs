//! Malformed responses of upstreams: the client gets 502, or a response that breaks off, and never what came.

use super::table::CHAINS;
use proxywasm_tests::harness::frames::{
    DATA, END_HEADERS, END_STREAM, FrameStream, GOAWAY, HEADERS, RST_STREAM, SETTINGS, block, frame,
};
use proxywasm_tests::harness::{Message, Origin, proxy};
use std::io::Write;

/// A response that is hidden in another one.
const HIDDEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nx-hidden: 1\r\n\r\nhidden";

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}")
}

/// The same as [`proxy`], where a variable has that name.
fn proxy_of() -> proxywasm_tests::harness::ProxyBuilder {
    proxy()
}

/// Responses for which the client gets 502.
fn refused() -> Vec<(&'static str, String)> {
    let chunked = format!("5\r\nhello\r\n0\r\n\r\n{HIDDEN}");
    let five = format!("hello{HIDDEN}");
    let mut table = vec![
        ("what is no HTTP", "SSH-2.0-OpenSSH\r\n".to_owned()),
        ("bytes", "\0\u{1}\u{2}\r\n\r\n".to_owned()),
        ("HTTP/2 as text", "HTTP/2.0 200 OK\r\n\r\n".to_owned()),
        ("no status", "HTTP/1.1\r\n\r\n".to_owned()),
        ("a status that is none", "HTTP/1.1 2x0 OK\r\n\r\n".to_owned()),
        ("a status with four digits", "HTTP/1.1 2000 OK\r\n\r\n".to_owned()),
        ("a status below 100", "HTTP/1.1 099 OK\r\n\r\n".to_owned()),
        (
            "a head that does not end",
            "HTTP/1.1 200 OK\r\nx: y\r\n".to_owned(),
        ),
        (
            "another protocol, which nobody asked for",
            format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n{HIDDEN}"),
        ),
        ("a large head", ok(&format!("x: {}\r\n", "y".repeat(500_000)), "")),
        ("many headers", ok(&"x: y\r\n".repeat(1000), "")),
    ];
    let heads = [
        ("two lengths", "content-length: 5\r\ncontent-length: 6\r\n", &five),
        ("a length with a sign", "content-length: +5\r\n", &five),
        ("a negative length", "content-length: -5\r\n", &five),
        ("a list of lengths", "content-length: 5, 6\r\n", &five),
        (
            "a length, and a coding",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            &chunked,
        ),
        (
            "a coding, and a length",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            &chunked,
        ),
        ("another coding", "transfer-encoding: gzip\r\n", &chunked),
        (
            "another coding below chunked",
            "transfer-encoding: gzip, chunked\r\n",
            &chunked,
        ),
        (
            "a coding that is nearly chunked",
            "transfer-encoding: xchunked\r\n",
            &chunked,
        ),
        (
            "chunked twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            &chunked,
        ),
        ("a space before a colon", "x : y\r\ncontent-length: 5\r\n", &five),
        ("a name with a space", "x y: z\r\ncontent-length: 5\r\n", &five),
        (
            "a value with a carriage return",
            "x: a\rb: c\r\ncontent-length: 5\r\n",
            &five,
        ),
        ("a value with a NUL", "x: a\0b\r\ncontent-length: 5\r\n", &five),
        (
            "a value on two lines",
            "x: a\r\n b\r\ncontent-length: 5\r\n",
            &five,
        ),
        ("no colon", "x\r\ncontent-length: 5\r\n", &five),
    ];
    table.extend(heads.map(|(name, headers, body)| (name, ok(headers, body))));
    table
}

#[test]
fn that_become_502() {
    for chain in CHAINS {
        for (name, answer) in refused() {
            let bytes = answer.clone().into_bytes();
            let origin = Origin::raw(move |mut reader, requests| {
                if let Ok(Some(request)) = Message::read_head(&mut reader) {
                    let _ = requests.send(request);
                    let _ = reader.get_mut().write_all(&bytes);
                }
            });
            let proxy = proxy().upstream(origin.address()).guests(chain).start();
            let mut client = proxy.client();
            for _ in 0..2 {
                let response = client.request("GET /", &[]);
                let what = format!("{name} with {chain:?}: {response:?}");
                assert_eq!((response.status(), response.complete), (502, true), "{what}");
                assert_eq!(response.header("x-hidden"), None, "{what}");
                assert!(!response.text().contains("hidden"), "{what}");
            }
        }
    }
}

/// Interim responses without end (RFC 9110, section 15.2, allows any number).
#[test]
fn that_never_come() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n".repeat(1000);
    for chain in CHAINS {
        let interim = interim.clone();
        let origin = Origin::raw(move |mut reader, _| {
            if let Ok(Some(_)) = Message::read_head(&mut reader) {
                while reader.get_mut().write_all(interim.as_bytes()).is_ok() {}
            }
        });
        let proxy = proxy().upstream(origin.address()).guests(chain).start();
        assert_eq!(proxy.client().request("GET /", &[]).status(), 502, "{chain:?}");
        let origin = Origin::raw(move |reader, _| {
            let mut server = FrameStream::of(reader.into_inner());
            server.expect_preface();
            server.send(frame(SETTINGS, 0, 0, []));
            while server.receive().is_some_and(|frame| frame.kind != HEADERS) {}
            let interim = frame(HEADERS, END_HEADERS, 1, block(&[(":status", "103")]));
            while server.send(interim.repeat(1000)) {}
        });
        let proxy = proxy_of().http2_upstream(origin.address()).guests(chain).start();
        assert_eq!(proxy.client().request("GET /", &[]).status(), 502, "{chain:?}");
    }
    // A few are in order.
    let origin =
        Origin::fixed("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let proxy = proxy().upstream(origin.address()).start();
    assert_eq!(proxy.client().request("GET /", &[]).text(), "ok");
}

/// To `HEAD`, and with a status that has no body, a length is only told, but has to be one.
#[test]
fn lengths_without_bodies() {
    let head = "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n";
    let origin = Origin::fixed(head);
    let proxy = proxy().upstream(origin.address()).start();
    assert_eq!(proxy.client().request("GET /", &[]).status(), 502);
    assert_eq!(proxy.client().request("HEAD /", &[]).status(), 502);
}

/// Bodies that lose their meaning once the head is on its way: the client can tell that they are not complete.
#[test]
fn that_break_off() {
    let table = [
        ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size as C writes it", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk that is longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
        (
            "a size beyond any number",
            "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        ),
        ("a line feed for an end", "5\nhello\n0\n\n"),
        ("no end", "5\r\nhello\r\n"),
    ];
    for chain in CHAINS {
        for (name, body) in table {
            let answer = ok("transfer-encoding: chunked\r\n", body);
            let origin = Origin::raw(move |mut reader, _| {
                if let Ok(Some(_)) = Message::read_head(&mut reader) {
                    let _ = reader.get_mut().write_all(answer.as_bytes());
                }
            });
            let proxy = proxy().upstream(origin.address()).guests(chain).start();
            for _ in 0..2 {
                // The head may not have left when the body breaks.
                let response = proxy
                    .client()
                    .send("GET / HTTP/1.1\r\nhost: h\r\n\r\n")
                    .try_receive(false);
                let whole = response
                    .as_ref()
                    .is_some_and(|response| response.status() == 200 && response.complete);
                assert!(!whole, "{name} with {chain:?}: {response:?}");
            }
        }
    }
}

/// What comes behind a response is no response to the next request.
#[test]
fn more_than_was_asked_for() {
    for chain in CHAINS {
        let origin = Origin::raw(|mut reader, requests| {
            while let Ok(Some(request)) = Message::read_head(&mut reader) {
                let _ = requests.send(request);
                let twice = ok("content-length: 5\r\n", &format!("hello{HIDDEN}"));
                if reader.get_mut().write_all(twice.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let proxy = proxy().upstream(origin.address()).guests(chain).start();
        let mut client = proxy.client();
        for _ in 0..10 {
            let response = client.request("GET /", &[]);
            assert_eq!(
                (response.status(), response.text().as_str()),
                (200, "hello"),
                "{chain:?}: {response:?}"
            );
        }
    }
}

/// Frames of an upstream of HTTP/2 that make no response.
fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let head = |headers: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block(headers));
    vec![
        (
            "what is no HTTP/2",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
        ("no status", head(&[("x", "y")])),
        ("a status that is none", head(&[(":status", "2x0")])),
        ("a status twice", head(&[(":status", "200"), (":status", "204")])),
        (
            "a status behind a header",
            head(&[("x", "y"), (":status", "200")]),
        ),
        ("a name in capitals", head(&[(":status", "200"), ("X-Y", "z")])),
        (
            "a value with a line feed",
            head(&[(":status", "200"), ("x", "a\r\nb: c")]),
        ),
        ("connection", head(&[(":status", "200"), ("connection", "close")])),
        (
            "transfer-encoding",
            head(&[(":status", "200"), ("transfer-encoding", "chunked")]),
        ),
        (
            "two lengths",
            head(&[
                (":status", "200"),
                ("content-length", "0"),
                ("content-length", "1"),
            ]),
        ),
        (
            "a length without a body",
            head(&[(":status", "200"), ("content-length", "5")]),
        ),
        ("a body before the head", frame(DATA, END_STREAM, 1, "hello")),
        ("a reset", frame(RST_STREAM, 0, 1, [0, 0, 0, 2])),
        (
            "the end of the connection",
            frame(GOAWAY, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1]),
        ),
        ("a block without meaning", frame(HEADERS, 5, 1, [0xff; 20])),
        ("a frame beyond the largest", frame(DATA, 0, 1, vec![0; 100_000])),
        (
            "a stream that nobody opened",
            frame(HEADERS, 5, 7, block(&[(":status", "200")])),
        ),
        ("a large head", {
            let large = "y".repeat(16_000);
            let mut sent = frame(
                HEADERS,
                END_STREAM,
                1,
                block(&[(":status", "200"), ("x", &large)]),
            );
            for _ in 0..40 {
                sent.extend(frame(9, 0, 1, block(&[("x", &large)])));
            }
            sent.extend(frame(9, END_HEADERS, 1, block(&[("x", "y")])));
            sent
        }),
    ]
}

#[test]
fn over_http_2() {
    let mut wrong = Vec::new();
    for chain in CHAINS {
        for (name, answer) in frames() {
            let origin = Origin::raw(move |reader, _| {
                let mut server = FrameStream::of(reader.into_inner());
                server.expect_preface();
                server.send(frame(SETTINGS, 0, 0, []));
                while server.receive().is_some_and(|frame| frame.kind != HEADERS) {}
                server.send(&answer);
                // Until the other side ends it.
                while server.receive().is_some() {}
            });
            let proxy = proxy().http2_upstream(origin.address()).guests(chain).start();
            let response = proxy.client().request("POST /", &[("content-length", "0")]);
            if (response.status(), response.complete) != (502, true) {
                wrong.push(format!("{name} with {chain:?}: {response:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
