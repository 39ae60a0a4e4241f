//! CONNECT (RFC 9110, section 9.3.6), and WebSocket over HTTP/2 (RFC 8441).

use proxywasm_runner::HttpOptions;
use proxywasm_tests::guests::{AUTH_COMPONENT, HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::frames::{
    DATA, END_HEADERS, END_STREAM, Fate, FrameStream, HEADERS, SETTINGS, block, frame,
};
use proxywasm_tests::harness::{Message, Origin, proxy};
use std::io::{Read, Write};

const CHAINS: &[&[&str]] = &[&[], &[HEADERS_LEGACY], &[HEADERS_COMPONENT]];

fn connecting() -> HttpOptions {
    HttpOptions {
        connect: true,
        ..HttpOptions::default()
    }
}

/// Opens a tunnel for CONNECT, which gives back what comes.
fn tunnel() -> Origin {
    Origin::raw(|mut reader, requests| {
        let Ok(Some(request)) = Message::read_head(&mut reader) else {
            return;
        };
        let refused = request.header("x-refuse").is_some();
        requests.send(request).unwrap();
        let answer: &[u8] = match refused {
            true => b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
            false => b"HTTP/1.1 200 Fine\r\ncontent-length: 7\r\n\r\n",
        };
        reader.get_mut().write_all(answer).unwrap();
        let mut buffer = [0; 1000];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let _ = reader.get_mut().write_all(&buffer[..count]);
        }
    })
}

#[test]
fn connect_over_http_1() {
    for chain in CHAINS {
        let origin = tunnel();
        let proxy = proxy()
            .upstream(origin.address())
            .http(connecting())
            .guests(chain)
            .start();
        let mut client = proxy.client();
        // What follows at once is the tunnel's.
        client.send("CONNECT target.test:443 HTTP/1.1\r\nhost: target.test\r\n\r\nGET /hidden");
        let answer = client.receive_head();
        assert_eq!(answer.status(), 200, "{chain:?}");
        assert_eq!(answer.header("content-length"), None, "{chain:?}: {answer:?}");
        assert_eq!(answer.header("transfer-encoding"), None, "{chain:?}: {answer:?}");
        assert_eq!(client.receive_bytes(11), b"GET /hidden");
        client.send("more");
        assert_eq!(client.receive_bytes(4), b"more");
        let request = origin.received();
        assert_eq!(request.start, "CONNECT target.test:443 HTTP/1.1", "{chain:?}");
        assert_eq!(request.header("host").as_deref(), Some("target.test:443"));
        assert_eq!(
            request.header("x-plugin").is_some(),
            !chain.is_empty(),
            "{chain:?}"
        );
        // One that the upstream refuses is a response like any other.
        let mut client = proxy.client();
        client.send("CONNECT target.test:443 HTTP/1.1\r\nhost: target.test\r\nx-refuse: 1\r\n\r\n");
        let answer = client.receive(false);
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (403, "no"),
            "{chain:?}"
        );
    }
}

#[test]
fn connect_over_http_2() {
    for chain in CHAINS {
        let origin = tunnel();
        let proxy = proxy()
            .upstream(origin.address())
            .http(connecting())
            .guests(chain)
            .start();
        let mut client = FrameStream::connect(proxy.address(), &[]);
        let head = [(":method", "CONNECT"), (":authority", "target.test:443")];
        client.send(frame(HEADERS, END_HEADERS, 1, block(&head)));
        assert_eq!(client.fate(1), Fate::Answered(200), "{chain:?}");
        client.send(frame(DATA, 0, 1, "bytes"));
        assert_eq!(data(&mut client, 5), b"bytes", "{chain:?}");
        assert_eq!(origin.received().start, "CONNECT target.test:443 HTTP/1.1");
    }
}

/// So many bytes of the data of stream 1.
fn data(client: &mut FrameStream, count: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < count {
        let frame = client.receive().unwrap_or_else(|| panic!("the connection ended"));
        if frame.kind == DATA && frame.stream == 1 {
            data.extend(frame.payload);
        }
    }
    data
}

#[test]
fn connect_that_is_refused() {
    let origin = tunnel();
    let allowed = proxy().upstream(origin.address()).http(connecting()).start();
    let guarded = proxy()
        .upstream(origin.address())
        .http(connecting())
        .guest(AUTH_COMPONENT, "token")
        .start();
    let default = proxy().upstream(origin.address()).start();
    let table = [
        (&default, "CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\n", 405),
        // A plugin answers first.
        (&guarded, "CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\n", 401),
        (&allowed, "CONNECT h HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        (&allowed, "CONNECT / HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        (&allowed, "CONNECT http://h:80/ HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        (&allowed, "CONNECT u@h:80 HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        (&allowed, "CONNECT :80 HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        (&allowed, "CONNECT h:80 HTTP/1.1\r\n\r\n", 400),
        (
            &allowed,
            "CONNECT h:80 HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nabcde",
            400,
        ),
    ];
    for (proxy, request, status) in table {
        let answer = proxy.client().send(request).try_receive(false);
        assert_eq!(answer.map(|answer| answer.status()), Some(status), "{request}");
    }
    assert_eq!(origin.received_now().count(), 0);
}

/// Switches to an echo of bytes if a WebSocket is asked for.
fn websocket() -> Origin {
    Origin::raw(|mut reader, requests| {
        let Ok(Some(request)) = Message::read_head(&mut reader) else {
            return;
        };
        let asked =
            request.header("upgrade").as_deref() == Some("websocket") && !request.start.contains("/no");
        requests.send(request).unwrap();
        let answer: &[u8] = match asked {
            true => b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n",
            false => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno",
        };
        reader.get_mut().write_all(answer).unwrap();
        let mut buffer = [0; 1000];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let _ = reader.get_mut().write_all(&buffer[..count]);
        }
    })
}

fn extended(path: &str, protocol: &str) -> Vec<u8> {
    let head = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "http"),
        (":path", path),
        (":authority", "socket.test"),
        ("sec-websocket-version", "13"),
    ];
    frame(HEADERS, END_HEADERS, 1, block(&head))
}

#[test]
fn websocket_over_http_2() {
    for chain in CHAINS {
        let origin = websocket();
        let proxy = proxy().upstream(origin.address()).guests(chain).start();
        let mut client = FrameStream::connect(proxy.address(), &[]);
        let settings = std::iter::from_fn(|| client.receive()).find(|frame| frame.kind == SETTINGS);
        let settings = settings.unwrap().payload;
        // ENABLE_CONNECT_PROTOCOL
        assert!(
            settings.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]),
            "{settings:?}"
        );
        client.send(extended("/chat", "websocket"));
        assert_eq!(client.fate(1), Fate::Answered(200), "{chain:?}");
        client.send(frame(DATA, 0, 1, "bytes"));
        assert_eq!(data(&mut client, 5), b"bytes", "{chain:?}");
        client.send(frame(DATA, END_STREAM, 1, "end"));
        assert_eq!(data(&mut client, 3), b"end", "{chain:?}");
        let request = origin.received();
        assert_eq!(request.start, "GET /chat HTTP/1.1", "{chain:?}");
        assert_eq!(request.header("connection").as_deref(), Some("upgrade"));
        assert_eq!(request.header("host").as_deref(), Some("socket.test"));
        assert_eq!(request.header("sec-websocket-key").map(|key| key.len()), Some(24));
        assert_eq!(
            request.header("x-plugin").is_some(),
            !chain.is_empty(),
            "{chain:?}"
        );
        // A response that is none to that must not look like one.
        let mut client = FrameStream::connect(proxy.address(), &[]);
        client.send(extended("/no", "websocket"));
        assert_eq!(client.fate(1), Fate::Answered(502), "{chain:?}");
        let mut client = FrameStream::connect(proxy.address(), &[]);
        client.send(extended("/", "other"));
        assert_eq!(client.fate(1), Fate::Answered(501), "{chain:?}");
    }
}
