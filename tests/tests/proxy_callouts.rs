//! Calls of plugins in a running proxy, to services that answer, refuse, fail, break off or never answer.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_host::{CalloutFailure, PluginConfig};
use proxywasm_tests::guests::{self, CALL_COMPONENT, CALL_LEGACY, REPORT_COMPONENT, load};
use proxywasm_tests::harness::{Client, GrpcServer, Message, Origin, PATIENCE, Proxy, configured, proxy};
use std::collections::BTreeSet;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

const GUESTS: [&str; 2] = [CALL_COMPONENT, CALL_LEGACY];

/// A service that answers by the path: `/ok` with 200 and the id of the request, after a time that depends on the id; `/404`, `/500` and so on with that status; `/drop` breaks off within the body; `/hang` never answers.
///
/// The test sees each request, and a second time when the caller has given it up.
fn service() -> Origin {
    Origin::raw(answer)
}

fn answer(mut reader: BufReader<TcpStream>, seen: Sender<Message>) {
    while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
        request.read_body(&mut reader);
        let path = request.start.split(' ').nth(1).unwrap().to_owned();
        let id = request.header("x-request-id").unwrap_or_default();
        let again = request.clone();
        let _ = seen.send(request);
        let answer = match path.as_str() {
            "/hang" | "/report" => {
                let gone = match reader.read(&mut [0]) {
                    Ok(read) => read == 0,
                    Err(error) => error.kind() == ErrorKind::ConnectionReset,
                };
                if gone {
                    let _ = seen.send(again);
                }
                return;
            }
            "/drop" => {
                let _ = reader
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all");
                return;
            }
            "/ok" => {
                let number: u64 = id
                    .split('-')
                    .next()
                    .and_then(|number| number.parse().ok())
                    .unwrap_or(0);
                thread::sleep(Duration::from_millis(number * 7 % 50));
                format!("HTTP/1.1 200 OK\r\nx-request-id: {id}\r\ncontent-length: 2\r\n\r\nok")
            }
            status => format!("HTTP/1.1 {} No\r\ncontent-length: 0\r\n\r\n", &status[1..]),
        };
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn proxy_with(guest: &str, auth: SocketAddr, milliseconds: u32) -> Proxy {
    proxy()
        .workers(2)
        .upstream_of_calls("auth", auth)
        .guest(guest, &format!("auth authz {milliseconds}"))
        .admin()
        .start()
}

/// A port on which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn what_a_service_can_do() {
    // No upstream is called `authz`, so the plugin stops where it asks that one, which shows that the first has answered.
    let long = 10_000;
    let table = [
        ("/ok", true, long, 503, "", Some(("authz: ", "")), "id-7"),
        ("/403", true, long, 403, "auth", None, ""),
        ("/404", true, long, 403, "auth", None, ""),
        ("/500", true, long, 503, "", Some(("auth: ", "")), ""),
        ("/503", true, long, 503, "", Some(("auth: ", "")), ""),
        (
            "/drop",
            true,
            long,
            503,
            "",
            Some(("auth: ", "the answer broke off")),
            "",
        ),
        (
            "/hang",
            true,
            200,
            503,
            "",
            Some(("auth: ", "no answer within 200 ms")),
            "",
        ),
        (
            "/ok",
            false,
            long,
            503,
            "",
            Some(("auth: ", "no connection to the upstream")),
            "",
        ),
    ];
    let service = service();
    for guest in GUESTS {
        for (path, listens, milliseconds, status, refused_by, failure, id) in table {
            let address = if listens { service.address() } else { nobody() };
            let proxy = proxy_with(guest, address, milliseconds);
            let response = proxy
                .client()
                .request(&format!("GET {path}"), &[("x-request-id", "id-7")]);
            let what = format!("{guest} {path} {listens}");
            if path == "/403" {
                let (_, metrics) = proxy.ask("GET /metrics", "");
                for expected in [
                    "proxywasm_upstream_requests_total{upstream=\"auth\",status=\"4xx\"} 1".to_owned(),
                    format!("proxywasm_plugin_callouts_total{{plugin=\"{guest}\",kind=\"http\"}} 1"),
                ] {
                    assert!(metrics.contains(&expected), "{expected} is not in {metrics}");
                }
            }
            assert_eq!(response.status(), status, "{what}");
            assert_eq!(
                response.header("x-refused-by").unwrap_or_default(),
                refused_by,
                "{what}"
            );
            let reason = response.header("x-call-failure");
            match (&reason, failure) {
                (Some(reason), Some((asked, why))) => {
                    assert!(reason.starts_with(asked), "{what}: {reason}");
                    // The plugin of the older ABI does not ask for the reason.
                    assert!(guest == CALL_LEGACY || reason.contains(why), "{what}: {reason}");
                }
                _ => assert_eq!(reason.is_some(), failure.is_some(), "{what}: {reason:?}"),
            }
            assert_eq!(response.header("x-auth-id").unwrap_or_default(), id, "{what}");
        }
    }
}

/// How a plugin of the older ABI is told that there is no answer: as the text of the ABI has it, or as Envoy tells it.
#[test]
fn failures_as_another_host_tells_them() {
    let table = [
        (CalloutFailure::NoHeaders, "auth: no answer"),
        (CalloutFailure::Answer, "auth: not in order"),
    ];
    let service = service();
    for (callout_failure, expected) in table {
        for (path, address, milliseconds) in [("/ok", nobody(), 10_000), ("/hang", service.address(), 200)] {
            let config = PluginConfig {
                configuration: format!("auth authz {milliseconds}").into(),
                callout_failure,
                ..PluginConfig::new("call")
            };
            let proxy = proxy()
                .upstream_of_calls("auth", address)
                .wasm_with(&load(CALL_LEGACY), config)
                .start();
            let response = proxy.client().request(&format!("GET {path}"), &[]);
            assert_eq!(response.status(), 503, "{path}");
            assert_eq!(
                response.header("x-call-failure").as_deref(),
                Some(expected),
                "{path} {callout_failure:?}"
            );
        }
    }
}

#[test]
fn what_a_service_gets() {
    for guest in GUESTS {
        let service = service();
        let proxy = proxy_with(guest, service.address(), 10_000);
        proxy.client().request(
            "POST /ok?a=%20b",
            &[("x-request-id", "7"), ("content-length", "0")],
        );
        let request = service.received();
        assert_eq!(request.start, "GET /ok?a=%20b HTTP/1.1", "{guest}");
        assert_eq!(request.header("x-request-id").as_deref(), Some("7"), "{guest}");
        let host = request.header("host").unwrap_or_default();
        assert_ne!(
            host,
            service.address().to_string(),
            "the authority is the plugin's: {guest}"
        );
    }
}

#[test]
fn each_answer_belongs_to_its_request() {
    for guest in GUESTS {
        let service = service();
        let proxy = proxy_with(guest, service.address(), 20_000);
        let address = proxy.address();
        let clients: Vec<_> = (0..50)
            .map(|client| {
                thread::spawn(move || {
                    let mut connection = Client::connect(address);
                    for round in 0..4 {
                        let id = format!("{client}-{round}");
                        let response = connection.request("GET /ok", &[("x-request-id", &id)]);
                        assert_eq!(response.header("x-auth-id"), Some(id));
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        let asked: BTreeSet<String> = (0..200)
            .map(|_| service.received().header("x-request-id").unwrap())
            .collect();
        assert_eq!(asked.len(), 200, "{guest}: each request asks once");
    }
}

#[test]
fn clients_that_leave() {
    for guest in GUESTS {
        let service = service();
        let proxy = proxy_with(guest, service.address(), 60_000);
        let mut clients: Vec<_> = (0..10).map(|_| proxy.client()).collect();
        for client in &mut clients {
            client.send("GET /hang HTTP/1.1\r\nhost: a\r\nx-request-id: 1\r\n\r\n");
        }
        for _ in 0..10 {
            service.received();
        }
        drop(clients);
        if guest == CALL_COMPONENT {
            // It cancels its calls, and so their connections are closed.
            for _ in 0..10 {
                service.received();
            }
        }
        let response = proxy.client().request("GET /403", &[]);
        assert_eq!(response.status(), 403, "{guest}: the others are served");
    }
}

#[test]
fn calls_that_outlive_their_stream() {
    let reports = Origin::fixed("HTTP/1.1 204 No Content\r\n\r\n");
    let proxy = proxy()
        .upstream_of_calls("reports", reports.address())
        .guest(REPORT_COMPONENT, "")
        .start();
    assert_eq!(proxy.client().request("GET /a", &[]).status(), 200);
    let report = reports.received();
    assert_eq!(report.start, "POST /report HTTP/1.1");
    assert_eq!(report.body, b"GET /a 200");
}

#[test]
fn a_runner_that_stops() {
    let service = service();
    let proxy = proxy()
        .upstream_of_calls("reports", service.address())
        .guest(REPORT_COMPONENT, "")
        .start();
    let mut client = proxy.client();
    for _ in 0..3 {
        client.request("GET /a", &[]);
        service.received();
    }
    drop(client);
    proxy.shut_down();
    for _ in 0..3 {
        // Every call that was under way is given up.
        service.received();
    }
}

/// Asks `auth` before each request goes on, with the body `ask`. An answer as it comes: it counts the bytes of the body, and resumes the
/// request at the end, with the count in the request header `x-size`.
const COUNTING: &str = r#"(module
    (import "wasi-http" "dispatch_http_call" (func $dispatch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi-http" "resume_http_request" (func $resume (param i32) (result i32)))
    (import "wasi-common" "set_map_values" (func $set_map (param i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (global $size (mut i32) (i32.const 0))
    (global $context (mut i32) (i32.const 0))
    ;; Iovecs: 0 the upstream, 8 the head, 16 the body, 24 the header to add
    (data (i32.const 0) "\80\00\00\00\04\00\00\00\00\01\00\00\3f\00\00\00\84\00\00\00\03\00\00\00\00\02\00\00\1a\00\00\00")
    (data (i32.const 128) "authask")
    (data (i32.const 256) "\03\00\00\00\07\00\00\00\04\00\00\00\05\00\00\00\04\00\00\00\0a\00\00\00\05\00\00\00")
    (data (i32.const 284) ":methodPOST:path/big:authorityauth!")
    (data (i32.const 512) "\01\00\00\00\06\00\00\00\08\00\00\00x-size")
    (func (export "proxy_abi_version_2021_04"))
    (func $check (param $status i32) (if (local.get $status) (then unreachable)))
    (func (export "proxy_on_http_request_headers") (param $context i32) (param i32 i32) (result i32)
        (global.set $context (local.get $context))
        (call $check (call $dispatch (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16) (i32.const 1)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))
        (i32.const 3))
    (func (export "proxy_on_http_call_response_headers") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_http_call_response_body") (param $callout i32) (param $size i32) (param $end i32) (result i32)
        (global.set $size (i32.add (global.get $size) (local.get $size)))
        (if (local.get $end) (then
            (call $print (i32.const 537) (global.get $size))
            (call $check (call $set_map (global.get $context) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 24) (i32.const 1)))
            (call $check (call $resume (global.get $context)))))
        (i32.const 0))
    ;; Eight digits, the last one at an address.
    (func $print (param $at i32) (param $value i32)
        (if (i32.ge_u (local.get $at) (i32.const 530)) (then
            (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
            (call $print (i32.sub (local.get $at) (i32.const 1)) (i32.div_u (local.get $value) (i32.const 10)))))))"#;

#[test]
fn an_answer_that_is_larger_than_what_is_held_of_one() {
    const SIZE: usize = 20 << 20;
    let service = Origin::raw(|mut reader, seen| {
        let mut request = Message::read_head(&mut reader).unwrap().unwrap();
        request.read_body(&mut reader);
        seen.send(request).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
        reader.get_mut().write_all(head.as_bytes()).unwrap();
        reader.get_mut().write_all(&vec![b'x'; SIZE]).unwrap();
    });
    let mut config = PluginConfig::new("counting");
    config.limits.callout_bytes = 1 << 16;
    let proxy = proxy()
        .upstream_of_calls("auth", service.address())
        .wasm_with(&wat::parse_str(COUNTING).unwrap(), config)
        .start();
    let response = proxy.client().request("GET /a", &[]);
    assert_eq!(response.status(), 200, "the request went on to the echo");
    let echoed = String::from_utf8(response.body).unwrap();
    assert!(echoed.contains(&format!("x-size: {SIZE:08}")), "{echoed}");
    let request = service.received();
    assert_eq!(request.start, "POST /big HTTP/1.1");
    assert_eq!(request.header("host").as_deref(), Some("auth!"));
    assert_eq!(request.body, b"ask");
}

/// A server to which no connection can be made, but does not refuse any: its queue is full. It is for as long as this lives.
fn full() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
    }
    (address, listener, waiting)
}

/// A proxy whose plugin calls `auth` by HTTP and, if that answers, `authz` by gRPC. One of both is tested.
fn with_upstream(guest: &str, tested: &str, upstream: &str, good: SocketAddr, milliseconds: u32) -> Proxy {
    let other = if tested == "auth" { "authz" } else { "auth" };
    configured(&format!(
        r#"
workers: 1
admin: {{ address: '127.0.0.1:0' }}
listeners: [{{ address: '127.0.0.1:0', plugins: [call] }}]
plugins: [{{ name: call, file: '{}', configuration: 'auth authz {milliseconds}' }}]
upstreams:
  - {{ name: {tested}, {upstream} }}
  - {{ name: {other}, url: 'http://{good}' }}
"#,
        guests::path(guest).display()
    ))
}

/// What is counted of an upstream: its errors by their reason, and answers.
fn counted(proxy: &Proxy, upstream: &str) -> Vec<String> {
    let (_, page) = proxy.ask("GET /metrics", "");
    let label = format!("upstream=\"{upstream}\",");
    let names = [
        "proxywasm_upstream_errors_total",
        "proxywasm_upstream_requests_total",
    ];
    let lines = page
        .lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)) && line.contains(&label));
    let found = lines.filter_map(|line| {
        let (rest, count) = line.rsplit_once("\"} ")?;
        let (_, reason) = rest.rsplit_once('"')?;
        (count != "0").then(|| format!("{reason} {count}"))
    });
    found.collect()
}

/// Waits until this is counted. The client may have its response before the task of the call has ended.
fn expect_counted(proxy: &Proxy, upstream: &str, expected: &[&str], what: &str) {
    let begun = Instant::now();
    loop {
        let counted = counted(proxy, upstream);
        if counted == expected {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{what}: {counted:?}, not {expected:?}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn why_there_was_no_answer_is_counted() {
    let (full, _listener, _waiting) = full();
    let service = service();
    let closing = Origin::raw(|_, _| {});
    let url = |address: SocketAddr| format!("url: 'http://{address}'");
    // The upstream, the path, the time of the plugin, and what is counted.
    let table = [
        (url(nobody()), "/ok", 10_000, vec!["connect 1"]),
        (
            format!("{}, connect_timeout: 200ms", url(full)),
            "/ok",
            10_000,
            vec!["connect_timeout 1"],
        ),
        (url(service.address()), "/hang", 200, vec!["timeout 1"]),
        (url(closing.address()), "/ok", 10_000, vec!["reset 1"]),
        (
            "url: 'http://nobody.invalid:80'".to_owned(),
            "/ok",
            10_000,
            vec!["no_endpoint 1"],
        ),
        // It has answered, and then broke off.
        (url(service.address()), "/drop", 10_000, vec!["2xx 1"]),
        (url(service.address()), "/404", 10_000, vec!["4xx 1"]),
    ];
    for guest in GUESTS {
        for (upstream, path, milliseconds, expected) in &table {
            let proxy = with_upstream(guest, "auth", upstream, nobody(), *milliseconds);
            proxy.client().request(&format!("GET {path}"), &[]);
            expect_counted(&proxy, "auth", expected, &format!("{guest} {upstream} {path}"));
        }
    }
    let hanging = GrpcServer::start();
    let silent = Origin::raw(|reader, _| {
        thread::sleep(Duration::from_secs(3600));
        drop(reader);
    });
    let table = [
        (url(nobody()), 10_000, vec!["connect 1"]),
        (
            format!("{}, connect_timeout: 200ms", url(full)),
            10_000,
            vec!["connect_timeout 1"],
        ),
        (url(silent.address()), 300, vec!["timeout 1"]),
        // It has sent its initial metadata, and then no message.
        (url(hanging.address()), 300, vec!["2xx 1"]),
        (url(closing.address()), 10_000, vec!["reset 1"]),
    ];
    for guest in GUESTS {
        for (upstream, milliseconds, expected) in &table {
            let proxy = with_upstream(guest, "authz", upstream, service.address(), *milliseconds);
            proxy.client().request("GET /ok", &[("x-request-id", "hang")]);
            expect_counted(&proxy, "authz", expected, &format!("{guest} {upstream} by gRPC"));
        }
    }
}

#[test]
fn limits_of_an_upstream_hold_for_calls() {
    for guest in GUESTS {
        let service = service();
        // One is under way, one waits, and the third is one too many.
        let limits = format!(
            "url: 'http://{}', limits: {{ requests: 1, pending: 1 }}",
            service.address()
        );
        let proxy = with_upstream(guest, "auth", &limits, nobody(), 60_000);
        let figure = |name: &str| {
            let line = format!("proxywasm_upstream_{name}{{upstream=\"auth\"}} ");
            let (_, page) = proxy.ask("GET /metrics", "");
            let value = page.lines().find_map(|line_of| line_of.strip_prefix(&line));
            value.unwrap().parse::<u32>().unwrap()
        };
        let mut first = proxy.client();
        first.send("GET /hang HTTP/1.1\r\nhost: h\r\n\r\n");
        assert!(service.received().start.contains("/hang"));
        let mut second = proxy.client();
        second.send("GET /403 HTTP/1.1\r\nhost: h\r\n\r\n");
        while figure("pending_requests") == 0 {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(figure("active_requests"), 1);
        let third = proxy.client().request("GET /403", &[]);
        assert_eq!(third.status(), 503, "{guest}");
        expect_counted(&proxy, "auth", &["overloaded 1"], guest);
        assert_eq!(service.received_now().count(), 0, "{guest}: only one was sent");
    }
}

/// Calls that wait for a place go out when there is one.
#[test]
fn a_call_that_waits_is_sent() {
    let service = service();
    for guest in GUESTS {
        let limits = format!(
            "url: 'http://{}', limits: {{ requests: 1, pending: 100 }}",
            service.address()
        );
        let proxy = with_upstream(guest, "auth", &limits, nobody(), 60_000);
        let mut clients: Vec<Client> = (0..8).map(|_| proxy.client()).collect();
        for client in &mut clients {
            client.send("GET /403 HTTP/1.1\r\nhost: h\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.receive(false).status(), 403, "{guest}");
        }
        expect_counted(&proxy, "auth", &["4xx 8"], guest);
        assert_eq!(service.received_now().count(), 8);
    }
}
