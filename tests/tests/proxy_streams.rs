//! How streams end, and what plugins hear of it, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_host::PluginConfig;
use proxywasm_tests::guests::{BOMB_LEGACY, HEADERS_LEGACY, LOOP_LEGACY, TRAP_LEGACY};
use proxywasm_tests::harness::{Message, Origin, capture_log, chunked, proxy};
use std::io::Write;
use std::time::{Duration, Instant};

/// Logs the end of each stream, under the name it is given.
fn end_logger(name: &str) -> Vec<u8> {
    let text = format!("{name} stream ended");
    let wat = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "{text}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 1024))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
            (func (export "proxy_on_log") (param i32)
                (drop (call $log (i32.const 2) (i32.const 16) (i32.const {length})))))"#,
        length = text.len()
    );
    wat::parse_str(wat).unwrap()
}

#[test]
fn plugins_hear_of_the_end() {
    type Leave = fn(&mut proxywasm_tests::harness::Client);
    let table: &[(&str, Leave)] = &[
        ("completed", |client| {
            assert_eq!(client.request("GET /short", &[]).text(), "hello");
        }),
        ("completed with a long body", |client| {
            assert_eq!(client.request("GET /long", &[]).body.len(), 1_000_000);
        }),
        ("left before the head", |client| {
            client.send("POST /never HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n12345");
            std::thread::sleep(Duration::from_millis(50));
        }),
        ("left in the request", |client| {
            client.send("POST /short HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n12");
            std::thread::sleep(Duration::from_millis(50));
        }),
        ("left in the response", |client| {
            client
                .send("GET /long HTTP/1.1\r\nhost: h\r\n\r\n")
                .receive_bytes(5000);
        }),
    ];
    let log = capture_log();
    for (name, leave) in table {
        let origin = Origin::raw(|mut reader, _| {
            while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
                request.read_body(&mut reader);
                if !request.complete || request.start.contains("never") {
                    continue;
                }
                let body = if request.start.contains("long") {
                    vec![b'x'; 1_000_000]
                } else {
                    b"hello".to_vec()
                };
                let stream = reader.get_mut();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&body);
            }
        });
        let proxy = proxy()
            .wasm("ends", &end_logger(name))
            .upstream(origin.address())
            .start();
        let mut client = proxy.client();
        leave(&mut client);
        drop(client);
        let ended = format!("{name} stream ended");
        log.wait_for(&ended);
        proxy.shut_down();
        let times = log.lines().iter().filter(|line| line.contains(&ended)).count();
        assert_eq!(times, 1, "{name}");
    }
}

#[test]
fn a_plugin_that_fails_costs_its_stream_and_no_more() {
    let table = [
        (TRAP_LEGACY, "x-trap", Duration::from_secs(1)),
        (LOOP_LEGACY, "x-loop", Duration::from_secs(5)),
        (BOMB_LEGACY, "x-bomb", Duration::from_secs(5)),
    ];
    // It answers when it has all of the request, so that the response head is not out before.
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    for (plugin, header, limit) in table {
        let mut config = PluginConfig::new(plugin);
        // It fails again and again, on purpose.
        config.crash_loop.failures = u32::MAX;
        let proxy = proxy()
            .guest_with(plugin, config)
            .upstream(origin.address())
            .start();
        for callback in ["request_headers", "response_headers"] {
            let mut client = proxy.client();
            assert_eq!(client.request("GET /before", &[]).status(), 200);
            let start = Instant::now();
            assert_eq!(
                client.request("GET /", &[(header, callback)]).status(),
                503,
                "{plugin} {callback}"
            );
            assert!(
                start.elapsed() < limit,
                "{plugin} {callback}: {:?}",
                start.elapsed()
            );
            assert_eq!(
                client.request("GET /after", &[]).status(),
                200,
                "{plugin} {callback}: a fresh instance serves"
            );
        }
        let mut client = proxy.client();
        let response = client.request_with_body("POST /", &[(header, "request_body")], b"body");
        assert_eq!(response.status(), 503, "{plugin}");
        assert_eq!(proxy.client().request("GET /", &[]).status(), 200, "{plugin}");
        // After the head, there is nothing left but to break off.
        let mut client = proxy.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n{header}: response_body\r\n\r\nbody"
        ));
        let broken = client
            .try_receive(false)
            .is_none_or(|response| response.status() == 503 || !response.complete);
        assert!(broken, "{plugin}");
        for callback in ["log", "done"] {
            assert_eq!(
                proxy.client().request("GET /", &[(header, callback)]).status(),
                200,
                "{plugin} {callback}"
            );
            assert_eq!(
                proxy.client().request("GET /", &[]).status(),
                200,
                "{plugin} {callback}: and after that"
            );
        }
    }
}

#[test]
fn an_answer_reaches_a_client_that_still_sends() {
    // The plugin answers at once; the client sends on for a while, and must be able to read the answer afterwards.
    let deny = r#"(module
        (import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "no\n")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $answer (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 3)
                (i32.const 0) (i32.const 0) (i32.const -1)))
            (i32.const 1)))"#;
    let proxy = proxy().wasm("deny", &wat::parse_str(deny).unwrap()).start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 500000\r\n\r\n");
    for _ in 0..50 {
        client.send([b'x'; 10_000]);
        std::thread::sleep(Duration::from_millis(1));
    }
    let response = client.receive(false);
    assert_eq!((response.status(), response.text().as_str()), (403, "no\n"));
    assert_eq!(
        client.request("GET /", &[]).status(),
        403,
        "the connection is kept, for the rest was read"
    );
    // A client that waits for a word before it sends gets the answer, and not the word.
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.receive(false).status(), 403);
}

#[test]
fn workers_and_acceptors() {
    for (workers, one_acceptor) in [(1, false), (3, false), (1, true), (3, true)] {
        let builder = proxy().guest(HEADERS_LEGACY, "").workers(workers);
        let proxy = if one_acceptor {
            builder.one_acceptor()
        } else {
            builder
        }
        .start();
        let mut clients: Vec<_> = (0..20).map(|_| proxy.client()).collect();
        for client in clients.iter_mut().chain(&mut [proxy.client()]) {
            assert_eq!(
                client.request("GET /", &[]).header("x-plugin").as_deref(),
                Some("headers")
            );
        }
        let start = Instant::now();
        proxy.shut_down();
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "idle connections do not delay the end"
        );
        assert!(clients.iter_mut().all(|client| client.is_closed()));
    }
}

#[test]
fn shutdown_lets_requests_end() {
    let origin = Origin::raw(|mut reader, requests| {
        let request = Message::read_head(&mut reader).unwrap().unwrap();
        requests.send(request).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        reader
            .get_mut()
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            .unwrap();
    });
    let proxy = proxy()
        .guest(HEADERS_LEGACY, "")
        .upstream(origin.address())
        .start();
    let address = proxy.address();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    origin.received();
    proxy.shut_down();
    let response = client.receive(false);
    assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
    assert!(client.is_closed());
    assert!(
        std::net::TcpStream::connect(address).is_err(),
        "nobody accepts any more"
    );
}

#[test]
fn trailers_that_were_not_announced_are_logged() {
    let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n".to_vec();
    answer.extend(chunked(&[b"hello"], &[("x-sum", "1")]));
    let origin = Origin::fixed(answer);
    let log = capture_log();
    let proxy = proxy()
        .guest(HEADERS_LEGACY, "")
        .upstream(origin.address())
        .start();
    let response = proxy.client().request("GET /", &[("te", "trailers")]);
    assert_eq!((response.text().as_str(), response.complete), ("hello", true));
    assert_eq!(
        (
            response.trailer("x-sum").as_deref(),
            response.trailer("x-plugin-trailer")
        ),
        (Some("1"), None)
    );
    assert!(log.wait_for("trailers were dropped").contains("x-plugin-trailer"));
}
