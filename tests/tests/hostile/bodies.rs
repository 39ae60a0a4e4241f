//! Trailers, and requests that go on after they were answered.

use super::table::{CHAINS, recording};
use proxywasm_tests::harness::frames::{
    DATA, END_HEADERS, END_STREAM, Fate, FrameStream, HEADERS, block, frame,
};
use proxywasm_tests::harness::{Origin, chunked, proxy};

/// What may not stand in trailers (RFC 9110, section 6.5.1), and what may.
const TRAILERS: &[(&str, &str)] = &[
    ("content-length", "1"),
    ("transfer-encoding", "chunked"),
    ("host", "other"),
    ("authorization", "x"),
    ("content-type", "x/y"),
    ("set-cookie", "a=b"),
    ("x-forwarded-for", "1.1.1.1"),
    ("x-sum", "42"),
];

const LEFT: [(&str, &str); 1] = [("x-sum", "42")];

fn names() -> String {
    let names: Vec<&str> = TRAILERS.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

#[test]
fn trailers_of_requests() {
    for chain in CHAINS {
        let origin = recording();
        let proxy = proxy().upstream(origin.address()).guests(chain).start();
        let mut client = proxy.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntrailer: {}\r\n\r\n",
            names()
        ));
        client.send(chunked(&[b"body"], TRAILERS));
        assert_eq!(client.receive(false).status(), 200, "{chain:?}");
        let request = origin.received();
        assert_eq!(
            request.trailer("x-sum").as_deref(),
            Some("42"),
            "{chain:?}: {request:?}"
        );
        assert_eq!(request.header("host").as_deref(), Some("h"), "{chain:?}");
        for (name, _) in TRAILERS.iter().filter(|trailer| !LEFT.contains(trailer)) {
            assert_eq!(request.trailer(name), None, "{chain:?}");
        }
        assert_eq!(client.request("GET /", &[]).status(), 200, "{chain:?}");
    }
}

#[test]
fn trailers_over_http_2() {
    // By the one hop of HTTP/2 to the other, where trailers need not be announced.
    for chain in CHAINS {
        let inner = proxy().start();
        let outer = proxy().http2_upstream(inner.address()).guests(chain).start();
        let mut client = FrameStream::connect(outer.address(), &[]);
        let head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "h"),
        ];
        client.send(frame(HEADERS, END_HEADERS, 1, block(&head)));
        client.send(frame(DATA, 0, 1, "body"));
        let trailers: Vec<_> = TRAILERS
            .iter()
            .filter(|(name, _)| *name != "transfer-encoding")
            .collect();
        let trailers: Vec<(&str, &str)> = trailers.into_iter().copied().collect();
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(&trailers)));
        assert_eq!(client.fate(1), Fate::Answered(200), "{chain:?}");
        // The echo gives the trailers back. The first block stands in the table of names, so only what came by its letters is seen.
        let mut seen = String::new();
        while let Some(frame) = client.receive() {
            seen += &String::from_utf8_lossy(&frame.payload);
            if frame.stream == 1 && frame.flags & END_STREAM != 0 {
                break;
            }
        }
        assert!(seen.contains("body"), "{chain:?}: {seen}");
        assert!(!seen.contains("other"), "{chain:?}: {seen}");
    }
}

#[test]
fn trailers_of_responses() {
    let head = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: {}\r\n\r\n",
        names()
    );
    let answer = [head.into_bytes(), chunked(&[b"body"], TRAILERS)].concat();
    for chain in CHAINS {
        let origin = Origin::fixed(answer.clone());
        let proxy = proxy().upstream(origin.address()).guests(chain).start();
        let mut client = proxy.client();
        for _ in 0..2 {
            let response = client.request("GET /", &[("te", "trailers")]);
            assert_eq!((response.status(), response.text().as_str()), (200, "body"));
            assert_eq!(
                response.trailer("x-sum").as_deref(),
                Some("42"),
                "{chain:?}: {response:?}"
            );
            for (name, _) in TRAILERS.iter().filter(|trailer| !LEFT.contains(trailer)) {
                assert_eq!(response.trailer(name), None, "{chain:?}");
            }
        }
    }
}

/// A client that sends on though it was refused gets to read why (RFC 9112, section 9.6), and its body is nobody's request.
#[test]
fn bodies_of_what_was_refused() {
    let hidden = "GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n".repeat(20_000);
    for chain in CHAINS {
        let origin = recording();
        let proxy = proxy().upstream(origin.address()).guests(chain).start();
        for head in [
            "POST / HTTP/1.1\r\nhost: a@b\r\n",
            "POST /a%2Fb HTTP/1.1\r\nhost: h\r\n",
            "POST / HTTP/1.1\r\nhost: h\r\nx : y\r\n",
        ] {
            let mut client = proxy.client();
            client.send(format!("{head}content-length: {}\r\n\r\n", hidden.len()));
            client.try_send(&hidden);
            let answer = client.try_receive(false);
            assert_eq!(
                answer.map(|answer| answer.status()),
                Some(400),
                "{chain:?} {head}"
            );
            assert!(client.is_closed());
        }
        assert_eq!(super::table::reached(&proxy, &origin), [], "{chain:?}");
    }
}
