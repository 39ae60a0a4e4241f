//! How long servers may take for a response, over both versions of HTTP, with plugins and without.

use super::{Server, ok};
use proxywasm_runner::{Endpoint, HttpProtocol, HttpTarget, ResponseTimeouts, UpstreamTarget};
use proxywasm_tests::guests::{BODY_COMPONENT, BODY_LEGACY, HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::frames::{
    DATA, END_HEADERS, END_STREAM, FrameStream, HEADERS, RST_STREAM, SETTINGS, block, frame,
};
use proxywasm_tests::harness::{Message, Origin, PATIENCE, Proxy, configured, proxy};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

/// What is over in a test.
const SHORT: Duration = Duration::from_millis(200);
/// What is not over in a test, though something takes longer that does not count.
const ENOUGH: Duration = Duration::from_secs(1);
const LONGER: Duration = Duration::from_millis(1500);

const CHAINS: &[&[&str]] = &[&[], &[HEADERS_LEGACY], &[HEADERS_COMPONENT]];
const VERSIONS: [HttpProtocol; 2] = [HttpProtocol::Http1, HttpProtocol::Http2];

/// What a server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// It takes it, and says nothing.
    Silent,
    /// It takes none of its body, and says nothing.
    TakesNothing,
    /// It says nothing more within the body of the response.
    Stalls,
    /// It takes its time before the head, and before the body.
    Late,
}

/// A server, which tells when a request is given up that it owes something.
fn server(habit: Habit, version: HttpProtocol) -> Origin {
    Origin::raw(move |reader, told| match version {
        HttpProtocol::Http2 => http2(habit, FrameStream::of(reader.into_inner()), &told),
        HttpProtocol::Http1 | HttpProtocol::Auto => http1(habit, reader, &told),
    })
}

fn http1(habit: Habit, mut reader: BufReader<TcpStream>, told: &Sender<Message>) {
    let Ok(Some(mut request)) = Message::read_head(&mut reader) else {
        return;
    };
    if habit == Habit::TakesNothing {
        return thread::sleep(PATIENCE);
    }
    request.read_body(&mut reader);
    let stream = reader.get_mut();
    if habit == Habit::Late {
        thread::sleep(LONGER);
    }
    if habit != Habit::Silent {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
        let _ = stream.write_all(head);
    }
    if habit == Habit::Late {
        thread::sleep(LONGER);
        let _ = stream.write_all(b"0\r\n\r\n");
    }
    let rest = stream.read(&mut [0]);
    if matches!(rest, Ok(0)) {
        let _ = told.send(request);
    }
}

fn http2(habit: Habit, mut server: FrameStream, told: &Sender<Message>) {
    server.expect_preface();
    server.send(frame(SETTINGS, 0, 0, []));
    while let Some(received) = server.receive() {
        let stream = received.stream;
        match received.kind {
            HEADERS | DATA if received.flags & END_STREAM != 0 => {
                if habit == Habit::Late {
                    thread::sleep(LONGER);
                }
                if matches!(habit, Habit::Stalls | Habit::Late) {
                    let head = block(&[(":status", "200")]);
                    server.send(frame(HEADERS, END_HEADERS, stream, head));
                    server.send(frame(DATA, 0, stream, b"hello"));
                }
                if habit == Habit::Late {
                    thread::sleep(LONGER);
                    server.send(frame(DATA, END_STREAM, stream, []));
                }
            }
            RST_STREAM => drop(told.send(Message::default())),
            _ => {}
        }
    }
}

/// A proxy before a server.
fn before_server(
    server: &Origin,
    version: HttpProtocol,
    chain: &[&str],
    timeouts: ResponseTimeouts,
) -> Proxy {
    let target = HttpTarget {
        protocol: version,
        timeouts,
        ..HttpTarget::new(Endpoint::new(server.address().into()))
    };
    proxy().target(UpstreamTarget::Http(target)).guests(chain).start()
}

/// All combinations of a version and a chain.
fn combinations() -> impl Iterator<Item = (HttpProtocol, &'static [&'static str])> {
    VERSIONS
        .into_iter()
        .flat_map(|version| CHAINS.iter().map(move |chain| (version, *chain)))
}

fn head_within(head: Duration) -> ResponseTimeouts {
    ResponseTimeouts {
        head: Some(head),
        body: None,
    }
}

fn body_within(body: Duration) -> ResponseTimeouts {
    ResponseTimeouts {
        head: None,
        body: Some(body),
    }
}

#[test]
fn a_server_that_does_not_answer() {
    for (version, chain) in combinations() {
        let server = server(Habit::Silent, version);
        let proxy = before_server(&server, version, chain, head_within(SHORT));
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.request("GET /", &[]);
            assert_eq!(
                (answer.status(), answer.text().as_str()),
                (504, "the upstream did not respond in time\n"),
                "{version:?} {chain:?}"
            );
            server.received();
        }
    }
}

#[test]
fn a_server_that_takes_nothing() {
    for (version, chain) in combinations() {
        let server = server(Habit::TakesNothing, version);
        let proxy = before_server(&server, version, chain, head_within(SHORT));
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut writer = stream.try_clone().unwrap();
        thread::spawn(move || {
            let _ = writer.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000000000\r\n\r\n");
            while writer.write_all(&[b'x'; 64 << 10]).is_ok() {}
        });
        let mut reader = BufReader::new(stream);
        let answer = Message::read_head(&mut reader).unwrap();
        let status = answer.map(|answer| answer.status());
        assert_eq!(status, Some(504), "{version:?} {chain:?}");
    }
}

#[test]
fn a_server_that_stalls() {
    for (version, chain) in combinations() {
        let server = server(Habit::Stalls, version);
        let proxy = before_server(&server, version, chain, body_within(SHORT));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        let answer = client.receive(false);
        assert_eq!(
            (answer.status(), answer.text().as_str(), answer.complete),
            (200, "hello", false),
            "{version:?} {chain:?}"
        );
        server.received();
    }
}

/// A client that takes its time for a body takes none of the server's, nor does a plugin that holds it until its end.
#[test]
fn slow_requests() {
    let server = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let table: [(&[&str], &str); 5] = [
        (&[], "ab"),
        (&[HEADERS_LEGACY], "ab"),
        (&[HEADERS_COMPONENT], "ab"),
        (&[BODY_LEGACY], "AB\n<2 bytes>"),
        (&[BODY_COMPONENT], "AB\n<2 bytes>"),
    ];
    for (chain, expected) in table {
        let proxy = before_server(&server, HttpProtocol::Http1, chain, head_within(ENOUGH));
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: h\r\nx-body: rewrite\r\ncontent-length: 2\r\n\r\n");
        for piece in ["a", "b"] {
            thread::sleep(LONGER);
            client.send(piece);
        }
        assert_eq!(client.receive(false).status(), 200, "{chain:?}");
        assert_eq!(server.received().text(), expected, "{chain:?}");
    }
}

/// A client that sends while the response has begun takes none of the server's time either.
#[test]
fn slow_requests_after_the_head() {
    let origin = Origin::raw(|mut reader, _| {
        let Ok(Some(mut request)) = Message::read_head(&mut reader) else {
            return;
        };
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        reader.get_mut().write_all(head).unwrap();
        request.read_body(&mut reader);
        let _ = reader.get_mut().write_all(b"2\r\nok\r\n0\r\n\r\n");
    });
    for chain in CHAINS {
        let proxy = before_server(&origin, HttpProtocol::Http1, chain, body_within(ENOUGH));
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n");
        for piece in ["a", "b"] {
            thread::sleep(LONGER);
            client.send(piece);
        }
        let answer = client.receive(false);
        assert!(answer.complete && answer.text() == "ok", "{chain:?} {answer:?}");
    }
}

/// Nor does one that reads slowly.
#[test]
fn slow_readers() {
    const LENGTH: usize = 64 << 20;
    let origin = Origin::raw(|mut reader, _| {
        while let Ok(Some(_)) = Message::read_head(&mut reader) {
            let stream = reader.get_mut();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
            for _ in 0..LENGTH >> 16 {
                if stream.write_all(&[b'x'; 1 << 16]).is_err() {
                    return;
                }
            }
        }
    });
    for chain in CHAINS {
        let proxy = before_server(&origin, HttpProtocol::Http1, chain, body_within(ENOUGH));
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        assert_eq!(client.receive_head().status(), 200);
        thread::sleep(LONGER * 2);
        assert_eq!(client.count_to_end(), LENGTH, "{chain:?}");
    }
}

/// Streams of gRPC may be silent, where pings tell whether the server is there.
#[test]
fn streams_of_grpc() {
    let table = [
        (HttpProtocol::Http2, "application/grpc+proto", 200),
        (HttpProtocol::Http2, "application/json", 504),
        (HttpProtocol::Http1, "application/grpc", 504),
    ];
    for (version, kind, status) in table {
        let server = server(Habit::Late, version);
        let timeouts = ResponseTimeouts {
            head: Some(SHORT),
            body: Some(SHORT),
        };
        let proxy = before_server(&server, version, &[], timeouts);
        let answer = proxy.client().request("GET /", &[("content-type", kind)]);
        assert_eq!(answer.status(), status, "{version:?} {kind}");
        assert!(answer.complete, "{version:?} {kind}");
    }
}

/// Who says how long the head may take.
#[test]
fn routes_and_retries() {
    // The rest of an upstream, the rest of a route, and the status of a response that takes longer than `SHORT`.
    let table = [
        ("", "", 504),
        ("", ", timeout: never", 200),
        ("", ", timeout: 1h", 200),
        ("retries: {per_try_timeout: 1h}", "", 200),
        (
            "retries: {per_try_timeout: 1h, attempts: 0}",
            ", timeout: 200ms",
            504,
        ),
    ];
    for (of_upstream, of_route, status) in table {
        let server = Server::start(|_| {
            thread::sleep(LONGER);
            Some(ok("late"))
        });
        let proxy = configured(&format!(
            "listeners: [{{ address: '127.0.0.1:0', routes: [{{ upstream: it{of_route} }}] }}]\nupstreams: [{{ name: it, url: 'http://{}', response_head_timeout: 200ms, {of_upstream} }}]\n",
            server.address
        ));
        let answer = proxy.client().request("GET /", &[]);
        assert_eq!(answer.status(), status, "{of_upstream}{of_route}");
        // What a server may be at work on is not given to another one.
        assert_eq!(server.seen(), 1, "{of_upstream}{of_route}");
    }
}
