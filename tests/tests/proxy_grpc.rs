//! gRPC calls and streams of the sample plugins, against a real gRPC server.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

use proxywasm_tests::guests::{CALL_COMPONENT, CALL_LEGACY, STREAM_COMPONENT, STREAM_LEGACY};
use proxywasm_tests::harness::{GrpcServer, Message, Origin, Proxy, proxy};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// A proxy whose plugin opens streams to a server and answers with what happens on them.
fn reader(guest: &str, server: SocketAddr) -> Proxy {
    proxy().upstream_of_calls("echo", server).guest(guest, "").start()
}

/// The lines of an answer to these messages.
fn lines(proxy: &Proxy, messages: &str) -> (u16, Vec<String>) {
    let answer = proxy.client().request("GET /", &[("x-messages", messages)]);
    (
        answer.status(),
        answer.text().lines().map(str::to_owned).collect(),
    )
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn streams() {
    let whole = |messages: &[&str]| {
        let messages = messages.iter().map(|message| format!("message {message}"));
        let mut lines = vec!["initial metadata".to_owned()];
        lines.extend(messages);
        lines.extend(["trailing metadata".to_owned(), "closed".to_owned()]);
        lines
    };
    let large = "x".repeat(1_000_000);
    let table = [
        ("both directions", "a,b,c", whole(&["a", "b", "c"])),
        (
            "messages of the server alone",
            "many:5",
            whole(&["1", "2", "3", "4", "5"]),
        ),
        (
            "an answer to all of the client's messages",
            "collect,ab,cd,ef",
            whole(&["abcdef"]),
        ),
        ("an empty message", "a,,b", whole(&["a", "", "b"])),
        ("a large message", "large:1000000,a", whole(&[&large, "a"])),
    ];
    let server = GrpcServer::start();
    for guest in [STREAM_COMPONENT, STREAM_LEGACY] {
        let proxy = reader(guest, server.address());
        for (name, messages, expected) in &table {
            assert_eq!(
                lines(&proxy, messages),
                (200, expected.clone()),
                "{guest}: {name}"
            );
        }
        // Many at once, each with messages of its own.
        thread::scope(|scope| {
            for number in 0..50 {
                let proxy = &proxy;
                scope.spawn(move || {
                    let texts = [format!("{number}"), format!("{number}-2"), "many:2".to_owned()].join(",");
                    let expected = [format!("message {number}"), format!("message {number}-2")];
                    let (status, lines) = lines(proxy, &texts);
                    assert_eq!((status, &lines[1..3]), (200, &expected[..]), "{number}");
                });
            }
        });
    }
    let call = server.received();
    assert_eq!(call.path, "/echo.Echo/Chat");
    assert_eq!(call.authority, server.address().to_string());
    assert_eq!(server.given_up_now(), 0);
}

#[test]
fn streams_that_fail() {
    let table: &[(&str, &str, &[&str], &str)] = &[
        (
            "a status",
            "a,fail:7:no entry",
            &["initial metadata", "message a", "trailing metadata"],
            "no entry",
        ),
        (
            "a message beyond the limit",
            "a,large:5000000",
            &["initial metadata", "message a"],
            "too large",
        ),
    ];
    let server = GrpcServer::start();
    for guest in [STREAM_COMPONENT, STREAM_LEGACY] {
        let proxy = reader(guest, server.address());
        for (name, messages, before, reason) in table {
            let (status, lines) = lines(&proxy, messages);
            let (last, first) = lines.split_last().unwrap();
            assert_eq!(
                (status, first),
                (502, &owned(before)[..]),
                "{guest}: {name}: {last}"
            );
            assert!(
                last.starts_with("failed: ") && last.contains(reason),
                "{guest}: {name}: {last}"
            );
        }
    }
}

#[test]
fn a_server_that_goes_away() {
    for guest in [STREAM_COMPONENT, STREAM_LEGACY] {
        let server = GrpcServer::start();
        let address = server.address();
        let proxy = reader(guest, address);
        let (status, gone) = lines(&proxy, "a,die");
        assert_eq!(
            (status, &gone[..2]),
            (502, &owned(&["initial metadata", "message a"])[..]),
            "{guest}"
        );
        assert!(gone[2].starts_with("failed: "), "{guest}: {gone:?}");
        server.gone();
        let (status, refused) = lines(&proxy, "a");
        assert_eq!((status, refused.len()), (502, 1), "{guest}: {refused:?}");
        // The connection is made again.
        let _again = GrpcServer::start_at(address);
        assert_eq!(lines(&proxy, "a").0, 200, "{guest}");
    }
}

/// A plugin that opens a stream at its first request and pauses at each message; each later request resumes the stream.
const PAUSING: &str = r#"(module
    (import "wasi-grpc" "open_grpc_stream" (func $open (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-grpc" "send_grpc_stream_message" (func $send (param i32 i32 i32 i32) (result i32)))
    (import "wasi-grpc" "resume_grpc_stream" (func $resume (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\40\00\00\00\04\00\00\00" "\44\00\00\00\09\00\00\00" "\4d\00\00\00\04\00\00\00" "\51\00\00\00\05\00\00\00")
    (data (i32.const 64) "echo" "echo.Echo" "Chat" "flood")
    (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32)
        (if (i32.load (i32.const 256))
            (then (drop (call $resume (i32.load (i32.const 256)))))
            (else
                (drop (call $open (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16) (i32.const 1)
                    (i32.const 0) (i32.const 0) (i32.const 256)))
                (drop (call $send (i32.load (i32.const 256)) (i32.const 24) (i32.const 1) (i32.const 0)))))
        (i32.const 0))
    (func (export "proxy_on_grpc_stream_response_message") (param i32 i32) (result i32) (i32.const 3)))"#;

#[test]
fn a_pause_slows_the_server_down() {
    let server = GrpcServer::start();
    let proxy = proxy()
        .upstream_of_calls("echo", server.address())
        .wasm("pausing", &wat::parse_str(PAUSING).unwrap())
        .start();
    let settled = || {
        let mut before = usize::MAX;
        while before != server.flooded() {
            before = server.flooded();
            thread::sleep(Duration::from_millis(300));
        }
        before
    };
    proxy.client().request("GET /", &[]);
    server.received();
    let first = settled();
    assert!(
        first < 64,
        "the server got rid of {first} messages of 64 KiB, and the plugin took one"
    );
    for _ in 0..64 {
        proxy.client().request("GET /", &[]);
    }
    let second = settled();
    assert!(
        (first + 32..first + 64 + 64).contains(&second),
        "{first}, {second}"
    );
}

/// What the HTTP service answers, with the id that it was given.
fn authorizer() -> Origin {
    Origin::start(|request: &Message| {
        let id = request.header("x-request-id").unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\nx-request-id: {id}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
}

fn checker(guest: &str, http: &Origin, grpc: SocketAddr, milliseconds: u32) -> Proxy {
    proxy()
        .upstream_of_calls("auth", http.address())
        .upstream_of_calls("authz", grpc)
        .guest(guest, &format!("auth authz {milliseconds}"))
        .start()
}

/// The status, and the header that tells who refused or failed.
fn check(proxy: &Proxy, id: &str) -> (u16, String) {
    let answer = proxy.client().request("GET /", &[("x-request-id", id)]);
    let why = ["x-authz-id", "x-refused-by", "x-call-failure"];
    let why = why
        .iter()
        .filter_map(|name| answer.header(name))
        .find(|value| !value.is_empty());
    (answer.status(), why.unwrap_or_default())
}

#[test]
fn unary_calls() {
    let http = authorizer();
    let server = GrpcServer::start();
    for guest in [CALL_COMPONENT, CALL_LEGACY] {
        let proxy = checker(guest, &http, server.address(), 60_000);
        assert_eq!(check(&proxy, "some-id"), (200, "some-id".to_owned()), "{guest}");
        let call = server.received();
        assert_eq!(call.path, "/auth.Authorizer/Check");
        assert_eq!(call.metadata.get("x-request-id").unwrap(), "some-id");
        assert_eq!(call.metadata.get("grpc-timeout").unwrap(), "60100000u", "{guest}");
        assert_eq!(check(&proxy, "fail:7:no"), (403, "authz".to_owned()), "{guest}");
        let (status, why) = check(&proxy, "fail:13:broken");
        assert!(status == 503 && why.contains("broken"), "{guest}: {status} {why}");

        let hasty = checker(guest, &http, server.address(), 1000);
        let (status, why) = check(&hasty, "hang");
        assert!(
            status == 503 && why.contains("no answer within 1000 ms"),
            "{guest}: {status} {why}"
        );
        assert_eq!(server.given_up(), "/auth.Authorizer/Check", "{guest}");
        for _ in 0..3 {
            server.received();
        }
    }
}

#[test]
fn clients_that_leave_while_a_call_is_pending() {
    let http = authorizer();
    let server = GrpcServer::start();
    let proxy = checker(CALL_COMPONENT, &http, server.address(), 60_000);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: h\r\nx-request-id: hang\r\n\r\n");
    server.received();
    drop(client);
    assert_eq!(server.given_up(), "/auth.Authorizer/Check");
    assert_eq!(check(&proxy, "other"), (200, "other".to_owned()));
}

#[test]
fn a_proxy_that_stops_while_calls_are_pending() {
    let http = authorizer();
    let server = GrpcServer::start();
    let proxy = checker(CALL_LEGACY, &http, server.address(), 60_000);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: h\r\nx-request-id: hang\r\n\r\n");
    server.received();
    // The plugin does not give its call up; it goes on without the client, but not without the plugin.
    drop(client);
    proxy.shut_down();
    assert_eq!(server.given_up(), "/auth.Authorizer/Check");
}

/// Fifty clients, each of which does something else to the service: each answer belongs to its request.
#[test]
fn many_clients() {
    const CLIENTS: usize = 50;
    const ROUNDS: usize = 10;
    let http = authorizer();
    let server = GrpcServer::start();
    for guest in [CALL_COMPONENT, CALL_LEGACY] {
        let proxy = checker(guest, &http, server.address(), 3000);
        let seen: Vec<BTreeSet<String>> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let proxy = &proxy;
                    scope.spawn(move || client(proxy, number, ROUNDS))
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let all: BTreeSet<String> = seen.into_iter().flatten().collect();
        for kind in ["ok", "refused", "failed", "broken", "late", "left"] {
            assert!(all.contains(kind), "{guest}: nobody was {kind}: {all:?}");
        }
    }
}

/// One client, and what happened to its requests.
fn client(proxy: &Proxy, number: usize, rounds: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for round in 0..rounds {
        let id = match (number + round) % 10 {
            0 => "fail:7:no".to_owned(),
            1 => format!("fail:13:{number}-{round}"),
            4 => "break".to_owned(),
            2 if round == 0 => "hang".to_owned(),
            3 => {
                let mut client = proxy.client();
                client.send("GET / HTTP/1.1\r\nhost: h\r\nx-request-id: hang\r\n\r\n");
                thread::sleep(Duration::from_millis(5));
                seen.insert("left".to_owned());
                continue;
            }
            _ => format!("{number}-{round}"),
        };
        let (status, why) = check(proxy, &id);
        let kind = match (status, why) {
            (200, answer) if answer == id => "ok",
            (403, who) if id.starts_with("fail:7") && who == "authz" => "refused",
            (503, why) if id.starts_with("fail:13") && why.contains(&format!("{number}-{round}")) => "failed",
            (503, why) if id == "break" && why.contains("no message") => "broken",
            (503, why) if id == "hang" && why.contains("no answer within") => "late",
            other => panic!("{id}: {other:?}"),
        };
        seen.insert(kind.to_owned());
    }
    seen
}
