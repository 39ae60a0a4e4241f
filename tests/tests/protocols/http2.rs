//! HTTP/2 of clients without TLS.

use proxywasm_runner::HttpOptions;
use proxywasm_tests::guests::{BODY_LEGACY, HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Client, Curl, Origin, PATIENCE, Proxy, proxy};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// The preface, and a frame of settings without any.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn url(proxy: &Proxy, path: &str) -> String {
    format!("http://{}{path}", proxy.address())
}

#[test]
fn both_versions_on_one_port() {
    if !Curl::is_installed() {
        return;
    }
    for guest in [HEADERS_COMPONENT, HEADERS_LEGACY] {
        let proxy = proxy().guest(guest, "").start();
        let url = url(&proxy, "/a?b");
        for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
            let answer = Curl::run(&[option, &url]);
            assert_eq!(
                (answer.status, answer.version.as_str()),
                (200, version),
                "{guest}: {answer:?}"
            );
            assert!(
                answer.head.contains("x-context-answered: yes"),
                "{guest}: {answer:?}"
            );
            // What came to the upstream, through the plugin.
            assert!(
                answer.body.starts_with("GET /a?b HTTP/1.1\n"),
                "{guest}: {answer:?}"
            );
            assert!(answer.body.contains("x-plugin: headers\n"), "{guest}: {answer:?}");
            let host = format!("host: {}\n", proxy.address());
            assert!(answer.body.contains(&host), "{guest}: {answer:?}");
        }
    }
}

#[test]
fn bodies_of_both_directions() {
    if !Curl::is_installed() {
        return;
    }
    let body = "abc".repeat(300_000);
    // On the way to the upstream and on the way back.
    let once = format!("{}\n<{} bytes>", body.to_uppercase(), body.len());
    let twice = format!("{}\n<{} bytes>", once.to_uppercase(), once.len());
    let without = proxy().start();
    let with = proxy().guest(BODY_LEGACY, "").start();
    for (proxy, header, expected) in [(&without, "x: y", &body), (&with, "x-body: rewrite", &twice)] {
        let answer = Curl::run_with_body(
            &[
                "--http2-prior-knowledge",
                "-H",
                header,
                "--data-binary",
                "@-",
                &url(proxy, "/"),
            ],
            body.as_bytes(),
        );
        assert_eq!(
            (answer.status, answer.version.as_str()),
            (200, "2"),
            "{}",
            answer.error
        );
        assert!(answer.body == *expected, "{} bytes", answer.body.len());
    }
}

#[test]
fn http_1_upstreams_behind_http_2_clients() {
    if !Curl::is_installed() {
        return;
    }
    let origin =
        Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\nok");
    let proxy = proxy()
        .upstream(origin.address())
        .guest(HEADERS_LEGACY, "")
        .start();
    let answer = Curl::run(&["--http2-prior-knowledge", "-d", "body", &url(&proxy, "/p")]);
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{answer:?}");
    assert!(!answer.head.contains("x-hop"), "{answer:?}");
    let request = origin.received();
    assert_eq!(request.start, "POST /p HTTP/1.1");
    assert_eq!(request.header("host"), Some(proxy.address().to_string()));
    assert_eq!(request.header("content-length"), Some("4".to_owned()));
    assert_eq!(request.text(), "body");
}

/// `h2load` of nghttp2, if this machine has it.
#[test]
fn a_hundred_streams_on_one_connection() {
    let proxy = proxy().guest(HEADERS_COMPONENT, "").start();
    let url = url(&proxy, "/");
    let run = Command::new("h2load")
        .args(["-n", "2000", "-c", "1", "-m", "100", &url])
        .output();
    let Ok(output) = run else {
        eprintln!("skipped: there is no h2load (package nghttp2-client)");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"),
        "{text}"
    );
    assert!(text.contains("2000 2xx"), "{text}");
}

/// The frames of a connection until it ends: their kinds, and the last payload.
fn frames(stream: &mut TcpStream) -> (Vec<u8>, Vec<u8>) {
    let (mut kinds, mut payload) = (Vec::new(), Vec::new());
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        payload = vec![0; length];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        kinds.push(head[3]);
    }
    (kinds, payload)
}

const GOAWAY: u8 = 7;

#[test]
fn limits_of_connections() {
    let options = HttpOptions {
        head_timeout: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(300),
        ..HttpOptions::default()
    };
    let proxy = proxy().http(options).start();
    let connect = || {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    // A client that says nothing, one that stops within the preface, one within a head.
    for begin in [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nx: "] {
        let mut stream = connect();
        stream.write_all(begin).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{begin:?}: {rest:?}"
        );
    }
    // One of HTTP/2 that asks for nothing is told to go.
    let mut stream = connect();
    stream.write_all(HELLO).unwrap();
    let (kinds, _) = frames(&mut stream);
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    // The next client is served.
    assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
}

/// A client that opens streams and resets them at once, faster than they can be looked at (CVE-2023-44487).
#[test]
fn rapid_reset() {
    let proxy = proxy().guest(HEADERS_LEGACY, "").start();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut flood = HELLO.to_vec();
    for stream in (1..20_001u32).step_by(2) {
        // GET, http, / of the static table, and an authority.
        let block = b"\x82\x86\x84\x41\x01h";
        flood.extend_from_slice(&[0, 0, block.len() as u8, 1, 0x05]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(block);
        flood.extend_from_slice(&[0, 0, 4, 3, 0]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(&8u32.to_be_bytes());
    }
    let mut sender = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        // It may be closed before all is sent.
        let _ = sender.write_all(&flood);
    });
    let (kinds, payload) = frames(&mut stream);
    sending.join().unwrap();
    // ENHANCE_YOUR_CALM, if the reset of the connection has not overtaken it.
    if kinds.last() == Some(&GOAWAY) {
        assert_eq!(payload[4..8], [0, 0, 0, 11], "{payload:?}");
    }
    assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
}

#[test]
fn more_connections_than_allowed() {
    let proxy = proxy().max_connections(2).start();
    let mut clients: Vec<Client> = (0..2).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.request("GET /", &[]).status(), 200);
    }
    assert!(proxy.client().is_closed());
    drop(clients.pop());
    // The place is free once the proxy has seen that its client is gone.
    let again = std::iter::repeat_with(|| {
        let mut client = proxy.client();
        let served =
            client.try_send("GET / HTTP/1.1\r\nhost: h\r\n\r\n") && client.try_receive(false).is_some();
        std::thread::sleep(Duration::from_millis(10));
        served
    });
    assert!(again.take(500).any(|served| served));
}

#[test]
fn heads_that_are_too_large() {
    if !Curl::is_installed() {
        return;
    }
    let options = HttpOptions {
        max_header_bytes: 4096,
        ..HttpOptions::default()
    };
    let proxy = proxy().http(options).start();
    let large = format!("x: {}", "y".repeat(8000));
    for option in ["--http1.1", "--http2-prior-knowledge"] {
        let answer = Curl::run(&[option, "-H", &large, &url(&proxy, "/")]);
        assert_eq!(answer.status, 431, "{option}: {answer:?}");
        assert_eq!(Curl::run(&[option, &url(&proxy, "/")]).status, 200, "{option}");
    }
}
