//! What clients can do to upstreams that others need.

use proxywasm_tests::harness::frames::{
    DATA, END_HEADERS, END_STREAM, FrameStream, HEADERS, RST_STREAM, SETTINGS, block, frame,
};
use proxywasm_tests::harness::{Message, Origin, PATIENCE, configured};
use std::io::Write;
use std::time::Instant;

/// A server of HTTP/2 that allows so many streams at once and answers when it has the end of a request. It tells of each connection, and of each
/// request that broke off.
fn server(streams: u8) -> Origin {
    Origin::raw(move |reader, told| {
        let tell = |start: &str| {
            let _ = told.send(Message {
                start: start.to_owned(),
                ..Message::default()
            });
        };
        tell("connection");
        let mut server = FrameStream::of(reader.into_inner());
        server.expect_preface();
        server.send(frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, streams]));
        while let Some(received) = server.receive() {
            match received.kind {
                HEADERS | DATA if received.flags & END_STREAM != 0 => {
                    let head = block(&[(":status", "200")]);
                    server.send(frame(HEADERS, END_HEADERS | END_STREAM, received.stream, head));
                }
                RST_STREAM => tell("reset"),
                _ => {}
            }
        }
    })
}

fn configuration(server: &Origin, more: &str) -> String {
    format!(
        "workers: 1\nlisteners:\n- {{address: '127.0.0.1:0', upstream: server}}\nupstreams:\n- {{name: server, url: 'http://{}', protocol: http2{more}}}\n",
        server.address()
    )
}

/// Clients that break off their bodies say nothing about the server, which would be left out for an hour.
#[test]
fn bodies_that_break_off() {
    let server = server(100);
    let proxy = configured(&configuration(&server, ", ejection: {failures: 1, time: 1h}"));
    for round in 0..5 {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n");
        // One leaves, the other says what has no meaning.
        if round % 2 == 0 {
            drop(client);
        } else {
            client.send("x\r\n");
            assert_eq!(client.receive(false).status(), 400);
        }
        let began = Instant::now();
        while server.received().start != "reset" {
            assert!(began.elapsed() < PATIENCE, "the server is not told");
        }
        assert_eq!(
            proxy.client().request("GET /", &[]).status(),
            200,
            "round {round}"
        );
    }
}

/// A server that allows two streams gets the third on another connection, where it would wait on the first for ever.
#[test]
fn streams_beyond_what_a_server_allows() {
    let server = server(2);
    let proxy = configured(&configuration(&server, ""));
    let mut held: Vec<_> = (0..4)
        .map(|_| {
            let mut client = proxy.client();
            client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\na");
            client
        })
        .collect();
    assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
    for client in &mut held {
        client.send("b");
        assert_eq!(client.receive(false).status(), 200);
    }
    let connections = server.received_now().filter(|told| told.start == "connection");
    assert_eq!(connections.count(), 3);
}

/// A server that may take an hour to connect is heard as soon as it speaks, whatever it allows.
#[test]
fn new_connections() {
    const CONNECTIONS: usize = 20;
    let settings: [&[u8]; 4] = [
        &[0, 3, 0, 0, 0, 101],
        &[0, 3, 0, 0, 0, 100],
        &[0, 3, 0, 0, 0, 1],
        &[],
    ];
    for settings in settings {
        // It closes each connection behind the first response.
        let server = Origin::raw(move |reader, told| {
            told.send(Message::default()).unwrap();
            let mut server = FrameStream::of(reader.into_inner());
            server.expect_preface();
            server.send(frame(SETTINGS, 0, 0, settings));
            while let Some(received) = server.receive() {
                if received.kind == HEADERS {
                    let head = block(&[(":status", "200")]);
                    server.send(frame(HEADERS, END_HEADERS | END_STREAM, received.stream, head));
                    return;
                }
            }
        });
        let proxy = configured(&configuration(&server, ", connect_timeout: 1h"));
        for number in 0..CONNECTIONS {
            let answer = proxy.client().request("GET /", &[]);
            assert_eq!(answer.status(), 200, "{settings:?} {number}");
        }
        assert_eq!(server.received_now().count(), CONNECTIONS, "{settings:?}");
    }
}

/// One that closes instead, or speaks something else, is given up at once, and what it was to get goes to another.
#[test]
fn servers_that_speak_no_http_2() {
    let good = server(100);
    let others = [
        Origin::raw(|_, _| {}),
        Origin::raw(|mut reader, _| {
            let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            let _ = reader.get_mut().write_all(answer);
            let _ = Message::read_head(&mut reader);
        }),
    ];
    for other in &others {
        let alone = configured(&configuration(other, ", connect_timeout: 1h"));
        for _ in 0..5 {
            assert_eq!(alone.client().request("GET /", &[]).status(), 502);
        }
        let both = format!(
            "endpoints: [{{url: 'http://{}'}}, {{url: 'http://{}'}}]",
            other.address(),
            good.address()
        );
        let text = configuration(other, ", connect_timeout: 1h, ejection: {failures: 0}");
        let both = configured(&text.replace(&format!("url: 'http://{}'", other.address()), &both));
        for _ in 0..5 {
            let answer = both.client().request_with_body("POST /", &[], b"body");
            assert_eq!(answer.status(), 200);
        }
    }
}

/// One that says nothing has the time to connect.
#[test]
fn servers_that_say_nothing() {
    let silent = Origin::raw(|mut reader, _| {
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    let proxy = configured(&configuration(
        &silent,
        ", connect_timeout: 200ms, retries: {attempts: 0}",
    ));
    for _ in 0..2 {
        let answer = proxy.client().request("GET /", &[]);
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (504, "the upstream could not be reached in time\n")
        );
    }
}

/// Clients that break off their bodies over HTTP/1.1, where a broken body is a broken connection.
#[test]
fn bodies_that_break_off_over_http_1() {
    let origin = Origin::raw(|mut reader, _| {
        while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
            request.read_body(&mut reader);
            if !request.complete {
                return;
            }
            let _ = reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let text = configuration(&origin, ", ejection: {failures: 1, time: 1h}").replace(", protocol: http2", "");
    let proxy = configured(&text);
    for _ in 0..5 {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\nx\r\n");
        assert_eq!(client.receive(false).status(), 400);
        assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
    }
}
