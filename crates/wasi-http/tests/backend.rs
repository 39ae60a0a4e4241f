//! The reqwest backend against servers that answer byte by byte as told.
#![cfg(test)]
#![cfg(feature = "reqwest")]

use bytes::Bytes;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;
use wasi_common::ByteMap;
use wasi_http::backend::{HttpClient, OriginError};
use wasi_http::{CallEvent, CallRequest};

/// A server for one connection.
fn serve<R: Send + 'static>(
    answer: impl FnOnce(TcpStream) -> R + Send + 'static,
) -> (HttpClient, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || answer(listener.accept().unwrap().0));
    (HttpClient::new(&origin, Duration::from_secs(5)).unwrap(), server)
}

/// Reads a request to the end of its head, or of what `until` says; what has come, where that never comes.
fn read_until(stream: &mut TcpStream, until: &str) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).ends_with(until) {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            break;
        }
        text.extend(byte);
    }
    String::from_utf8(text).unwrap()
}

fn request(headers: &[(&str, &str)]) -> CallRequest {
    let head = [
        (":method", "GET"),
        (":path", "/p?q"),
        (":authority", "service.test"),
    ];
    CallRequest {
        headers: head.iter().chain(headers).copied().collect(),
        ..CallRequest::default()
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// All that comes back, in the notation `200 a=b | abc | t=u`.
async fn collect(client: &HttpClient, request: CallRequest) -> String {
    let mut exchange = client.call(request);
    let mut parts = Vec::new();
    let text = |map: &ByteMap| {
        let pairs = map.iter().map(|(key, value)| {
            format!(
                "{}={}",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(value)
            )
        });
        pairs.collect::<Vec<_>>().join(",")
    };
    let mut body = Vec::new();
    while let Some(event) = exchange.next().await {
        match event {
            CallEvent::Headers(map) => parts.push(text(&map)),
            CallEvent::Body(data) => body.extend_from_slice(&data),
            CallEvent::Trailers(map) => {
                parts.push(format!("{} | {}", String::from_utf8_lossy(&body), text(&map)))
            }
            CallEvent::End => parts.push(String::from_utf8_lossy(&body).into_owned()),
            // The backend keeps no time, so what is told here is never what a test expects.
            CallEvent::TimedOut(time) => parts.push(format!("timed out after {time:?}")),
            CallEvent::Failed(reason) => {
                parts.push(format!("{} | failed: {reason}", String::from_utf8_lossy(&body)))
            }
        }
    }
    parts.join(" | ")
}

#[test]
fn answers() {
    let table = [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nA: b\r\na: c\r\n\r\nabc",
            ":status=200,content-length=3,a=b,a=c | abc",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", ":status=204 | "),
        (
            "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
            ":status=500,content-length=0 | ",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
            ":status=302,location=/elsewhere,content-length=0 | ",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nno",
            ":status=200,content-encoding=gzip,content-length=2 | no",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nt: u\r\n\r\n",
            ":status=200,transfer-encoding=chunked | abc | t=u",
        ),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            ":status=200,content-length=0 | ",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nto the end", ":status=200 | to the end"),
    ];
    for (answer, expected) in table {
        let (client, server) = serve(move |mut stream| {
            read_until(&mut stream, "\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        assert_eq!(block_on(collect(&client, request(&[]))), expected);
        server.join().unwrap();
    }
}

#[test]
fn failures() {
    let table = [
        ("", "no answer from the upstream"),
        ("nonsense\r\n\r\n", "no answer from the upstream"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
            ":status=200,content-length=9 | abc | failed: the answer broke off",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            ":status=200,transfer-encoding=chunked | abc | failed: the answer broke off",
        ),
    ];
    for (answer, expected) in table {
        let (client, server) = serve(move |mut stream| {
            read_until(&mut stream, "\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let seen = block_on(collect(&client, request(&[])));
        assert!(seen.contains(expected), "{answer:?}: {seen}");
        assert!(
            !seen.contains("127.0.0.1"),
            "the address is not the plugin's business: {seen}"
        );
        server.join().unwrap();
    }
    // Nobody listens.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = HttpClient::new(&format!("http://{address}"), Duration::from_secs(5)).unwrap();
    let seen = block_on(collect(&client, request(&[])));
    assert!(seen.contains("failed: no connection to the upstream"), "{seen}");
    // Nothing is sent that is not what the plugin asked for.
    let mut dots = request(&[]);
    dots.headers.set(b":path", b"/a/../b");
    let seen = block_on(collect(&client, dots));
    assert!(
        seen.contains("failed: the path `/a/../b` cannot be sent as it is"),
        "{seen}"
    );
}

#[test]
fn what_is_sent() {
    let with = |method: &str, headers: &[(&str, &str)], body: &'static str, trailers: &[(&str, &str)]| {
        let mut request = request(headers);
        request.headers.set(b":method", method.as_bytes());
        request.body = Bytes::from_static(body.as_bytes());
        request.trailers = trailers.iter().copied().collect();
        request
    };
    let table = [
        (
            with("GET", &[("x", "1"), ("x", "2"), ("user-agent", "me")], "", &[]),
            "GET /p?q HTTP/1.1\r\nx: 1\r\nx: 2\r\nuser-agent: me\r\nhost: service.test\r\naccept: */*\r\n\r\n",
            "\r\n\r\n",
        ),
        (
            with("POST", &[("accept", "a/b"), ("content-length", "3")], "abc", &[]),
            "POST /p?q HTTP/1.1\r\naccept: a/b\r\ncontent-length: 3\r\nhost: service.test\r\n\r\nabc",
            "abc",
        ),
        (
            with(
                "POST",
                &[
                    ("accept", "a/b"),
                    ("content-length", "0"),
                    ("connection", "x"),
                    ("transfer-encoding", "gzip"),
                    ("upgrade", "h2c"),
                    ("keep-alive", "1"),
                    ("te", "trailers"),
                    ("host", "other.test"),
                ],
                "",
                &[],
            ),
            "POST /p?q HTTP/1.1\r\naccept: a/b\r\ncontent-length: 0\r\nhost: service.test\r\n\r\n",
            "\r\n\r\n",
        ),
        (
            with(
                "PUT",
                &[("accept", "a/b"), ("content-length", "3")],
                "abc",
                &[("t", "1"), ("u", "2")],
            ),
            "PUT /p?q HTTP/1.1\r\naccept: a/b\r\nhost: service.test\r\ntransfer-encoding: chunked\r\ntrailer: t, u\r\n\r\n\
             3\r\nabc\r\n0\r\nt: 1\r\nu: 2\r\n\r\n",
            "u: 2\r\n\r\n",
        ),
        (
            with("PUT", &[("accept", "a/b")], "", &[("t", "1")]),
            "PUT /p?q HTTP/1.1\r\naccept: a/b\r\nhost: service.test\r\ntransfer-encoding: chunked\r\ntrailer: t\r\n\r\n\
             0\r\nt: 1\r\n\r\n",
            "t: 1\r\n\r\n",
        ),
    ];
    for (request, expected, until) in table {
        let (client, server) = serve(move |mut stream| {
            let request = read_until(&mut stream, until);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            request
        });
        block_on(collect(&client, request));
        assert_eq!(server.join().unwrap(), expected);
    }
}

#[test]
fn connections_are_kept() {
    let (client, server) = serve(|mut stream| {
        for answer in ["a", "b"] {
            read_until(&mut stream, "\r\n\r\n");
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{answer}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    block_on(async {
        for answer in ["a", "b"] {
            let seen = collect(&client, request(&[])).await;
            assert_eq!(seen, format!(":status=200,content-length=1 | {answer}"));
        }
    });
    server.join().unwrap();
}

#[test]
fn what_nobody_reads_is_not_taken_from_the_server() {
    const SIZE: usize = 512 << 20;
    let (blocked, is_blocked) = tokio::sync::oneshot::channel();
    let (client, server) = serve(move |mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").as_bytes())
            .unwrap();
        stream.set_nonblocking(true).unwrap();
        let (mut written, mut full) = (0, 0);
        while written < SIZE && full < 20 {
            match stream.write(&[0; 65536]) {
                Ok(size) => (written, full) = (written + size, 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    full += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("{error}"),
            }
        }
        blocked.send(()).unwrap();
        // The client gives up, which is seen as an end or a reset.
        stream.set_nonblocking(false).unwrap();
        let gone = !matches!(stream.read(&mut [0]), Ok(1..));
        (written, gone)
    });
    block_on(async {
        let mut exchange = client.call(request(&[]));
        assert!(matches!(exchange.next().await, Some(CallEvent::Headers(_))));
        assert!(matches!(exchange.next().await, Some(CallEvent::Body(_))));
        is_blocked.await.unwrap();
    });
    let (written, gone) = server.join().unwrap();
    assert!(written < SIZE / 2, "{written} bytes were taken");
    assert!(gone, "an exchange that is dropped closes its connection");
}

#[test]
fn origins() {
    let table = [
        ("http://127.0.0.1:9000", true),
        ("http://example.test/", true),
        ("http://[::1]:81", true),
        ("https://example.test", false),
        ("ftp://example.test", false),
        ("http://user@example.test", false),
        ("http://example.test/path", false),
        ("http://example.test/?q", false),
        ("example.test:80", false),
        ("127.0.0.1", false),
        ("", false),
    ];
    for (text, valid) in table {
        let client = HttpClient::new(text, Duration::from_secs(1));
        assert_eq!(client.is_ok(), valid, "{text}");
        if let Err(error) = client {
            assert!(matches!(
                error,
                OriginError::NoUrl { .. } | OriginError::NoOrigin { .. }
            ));
            assert!(
                error.to_string().contains("write `http://HOST[:PORT]`"),
                "{error}"
            );
        }
    }
}
