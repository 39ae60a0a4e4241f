//! Every limit of what clients may take and how long, each with a short one.

use proxywasm_runner::{HttpOptions, WindowBudget};
use proxywasm_tests::guests::{HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::frames::{
    END_HEADERS, END_STREAM, Fate, FrameStream, GOAWAY, HEADERS, WINDOW_UPDATE, block, frame,
};
use proxywasm_tests::harness::{Authority, Client, Message, Origin, PATIENCE, configured, proxy, server_tls};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(200);

const CHAINS: &[&[&str]] = &[&[], &[HEADERS_LEGACY], &[HEADERS_COMPONENT]];

/// No limit but one is short, so that nothing else can end a connection.
fn options(change: impl FnOnce(&mut HttpOptions)) -> HttpOptions {
    let long = Duration::from_secs(3600);
    let mut options = HttpOptions {
        head_timeout: long,
        idle_timeout: long,
        body_timeout: long,
        write_timeout: long,
        tunnel_timeout: long,
        ..HttpOptions::default()
    };
    change(&mut options);
    options
}

fn get(stream: u32) -> Vec<u8> {
    let headers = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "h"),
    ];
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block(&headers))
}

#[test]
fn heads() {
    let proxy = proxy()
        .http(options(|options| options.head_timeout = SHORT))
        .start();
    let mut client = proxy.client();
    assert_eq!(client.request("GET /", &[]).status(), 200);
    // It may be idle for longer, but not within a head.
    std::thread::sleep(SHORT * 3);
    assert_eq!(client.request("GET /", &[]).status(), 200);
    client.send("GET / HTTP/1.1\r\nhost: h\r\n");
    assert!(client.is_closed());
    assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
}

#[test]
fn idle_connections() {
    let proxy = proxy()
        .http(options(|options| options.idle_timeout = SHORT))
        .start();
    let mut client = proxy.client();
    assert_eq!(client.request("GET /", &[]).status(), 200);
    assert!(client.is_closed());
    // Within a head it may take longer.
    let mut client = proxy.client();
    client.send("GET / HT");
    std::thread::sleep(SHORT * 3);
    client.send("TP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(client.receive(false).status(), 200);
    let mut client = FrameStream::connect(proxy.address(), &[]);
    client.send(get(1));
    assert_eq!(client.fate(1), Fate::Answered(200));
    assert!(std::iter::from_fn(|| client.receive()).any(|frame| frame.kind == GOAWAY));
}

#[test]
fn bodies() {
    for chain in CHAINS {
        let origin = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        let proxy = proxy()
            .upstream(origin.address())
            .guests(chain)
            .http(options(|options| options.body_timeout = SHORT))
            .start();
        for framing in ["content-length: 100", "transfer-encoding: chunked"] {
            let mut client = proxy.client();
            client.send(format!("POST / HTTP/1.1\r\nhost: h\r\n{framing}\r\n\r\n5\r\nab"));
            let answer = client.receive(false);
            assert_eq!(answer.status(), 408, "{chain:?} {framing}: {answer:?}");
            assert!(client.is_closed());
            assert!(!origin.received().complete);
        }
        let mut client = FrameStream::connect(proxy.address(), &[]);
        let headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "h"),
        ];
        client.send(frame(HEADERS, END_HEADERS, 1, block(&headers)));
        assert_eq!(client.fate(1), Fate::Answered(408), "{chain:?}");
        assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
    }
}

/// Sends a response that is longer than any buffer, and tells when its connection ends.
fn endless() -> Origin {
    Origin::raw(|mut reader, requests| {
        let Ok(Some(request)) = Message::read_head(&mut reader) else {
            return;
        };
        let stream = reader.get_mut();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n");
        while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
        requests.send(request).unwrap();
    })
}

#[test]
fn responses_that_nobody_takes() {
    for chain in CHAINS {
        let origin = endless();
        let proxy = proxy()
            .upstream(origin.address())
            .guests(chain)
            .http(options(|options| options.write_timeout = SHORT))
            .start();
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        assert_eq!(client.receive_head().status(), 200, "{chain:?}");
        origin.received();
        let mut stalled = FrameStream::connect(proxy.address(), &[]);
        stalled.send(get(1));
        assert_eq!(stalled.fate(1), Fate::Answered(200), "{chain:?}");
        origin.received();
        assert_eq!(stalled.fate(1), Fate::Reset(8), "{chain:?}");
    }
}

/// The age of a connection ends it between requests only.
#[test]
fn old_connections() {
    let proxy = proxy()
        .http(options(|options| options.max_connection_age = Some(SHORT)))
        .start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na");
    std::thread::sleep(SHORT * 3);
    client.send("b");
    let answer = client.receive(false);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ab"));
    assert!(client.is_closed());
    let mut client = FrameStream::connect(proxy.address(), &[]);
    assert!(std::iter::from_fn(|| client.receive()).any(|frame| frame.kind == GOAWAY));
}

#[test]
fn handshakes() {
    let authority = Authority::new();
    let tls = server_tls(vec![authority.certificate(&["h"])]);
    let by_tls = proxy().tls(tls).handshake_within(SHORT).start();
    let by_proxy = proxy().proxy_protocol().handshake_within(SHORT).start();
    for (proxy, begin) in [
        (&by_tls, &b""[..]),
        (&by_tls, b"\x16\x03\x01\x02\x00"),
        (&by_proxy, b""),
        (&by_proxy, b"PROXY TCP4 1.1.1.1"),
    ] {
        let mut client = proxy.client();
        client.send(begin);
        assert!(client.is_closed(), "{begin:?}");
    }
}

#[test]
fn tunnels() {
    // It switches, and then says nothing.
    let origin = Origin::raw(|mut reader, requests| {
        let request = Message::read_head(&mut reader).unwrap().unwrap();
        let stream = reader.get_mut();
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n")
            .unwrap();
        let _ = stream.read(&mut [0]);
        requests.send(request).unwrap();
    });
    for chain in CHAINS {
        let proxy = proxy()
            .upstream(origin.address())
            .guests(chain)
            .http(options(|options| options.tunnel_timeout = SHORT))
            .start();
        let mut client = proxy.client();
        let answer = client.request("GET /", &[("connection", "upgrade"), ("upgrade", "other")]);
        assert_eq!(answer.status(), 101, "{chain:?}");
        assert!(client.is_closed(), "{chain:?}");
        origin.received();
    }
}

/// What a connection of HTTP/2 gets beyond the 64 KiB that it has.
fn window(client: &mut FrameStream) -> Option<u32> {
    client.send(get(1));
    let frames = std::iter::from_fn(|| client.receive()).take_while(|frame| frame.kind != HEADERS);
    let update = frames
        .filter(|frame| frame.kind == WINDOW_UPDATE && frame.stream == 0)
        .last();
    update.map(|frame| u32::from_be_bytes(frame.payload.try_into().unwrap()))
}

#[test]
fn windows_of_all_connections() {
    let options = HttpOptions {
        window_budget: WindowBudget::new(3 << 20),
        ..HttpOptions::default()
    };
    let proxy = proxy().http(options).start();
    let mut clients: Vec<FrameStream> = (0..5)
        .map(|_| FrameStream::connect(proxy.address(), &[]))
        .collect();
    let large = Some((1 << 20) - 65_535);
    let windows: Vec<_> = clients.iter_mut().map(window).collect();
    assert_eq!(windows, [large, large, large, None, None]);
    // What goes makes room.
    clients.remove(0);
    let next = || window(&mut FrameStream::connect(proxy.address(), &[]));
    assert!((0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        next() == large
    }));
}

#[test]
fn connections_to_an_upstream() {
    // Answers each request when it is told to.
    let (told, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::raw(move |mut reader, requests| {
        while let Ok(Some(request)) = Message::read_head(&mut reader) {
            requests.send(request).unwrap();
            wait.lock().unwrap().recv().unwrap();
            let _ = reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let proxy = configured(&format!(
        "workers: 2\nlisteners:\n- {{address: '127.0.0.1:0', accept: one_acceptor, upstream: server}}\nupstreams:\n- {{name: server, url: 'http://{}', connect_timeout: 500ms, limits: {{connections: 2}}}}\n",
        origin.address()
    ));
    let mut clients: Vec<Client> = (0..3).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        // In their order.
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..2 {
        origin.received();
    }
    // One waits, and in vain.
    let answer = clients[2].receive(false);
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert_eq!(origin.received_now().count(), 0);
    for client in &mut clients[..2] {
        told.send(()).unwrap();
        assert_eq!(client.receive(false).status(), 200);
    }
    // The connections are kept by the two workers, and give way to whoever waits.
    for _ in 0..4 {
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        origin.received();
        told.send(()).unwrap();
        assert_eq!(client.receive(false).status(), 200);
    }
}

/// A connection that says nothing after it was accepted.
#[test]
fn silent_connections() {
    let proxy = proxy()
        .http(options(|options| options.head_timeout = SHORT))
        .start();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}
