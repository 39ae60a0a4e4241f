//! The admin address of a running proxy.

use proxywasm_tests::harness::{Client, proxy};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// Answers every request with the status 200 and the log level that it asks the host for, or 299 once it was told of a change.
const LEVEL: &str = r#"(module
    (import "wasi-log" "get_log_level" (func $level (param i32) (result i32)))
    (import "wasi-http" "send_http_response"
        (func $answer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (global $told (mut i32) (i32.const -1))
    (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_log_level_update") (param $level i32) (global.set $told (local.get $level)))
    (func (export "proxy_on_http_request_headers") (param $context i32) (param i32 i32) (result i32)
        (drop (call $level (i32.const 0)))
        (call $answer
            (local.get $context)
            ;; 200 + level, and 20 more where the host has told the same
            (i32.add (i32.add (i32.const 200) (i32.load (i32.const 0)))
                (i32.mul (i32.const 20) (i32.eq (global.get $told) (i32.load (i32.const 0)))))
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1))))"#;

#[test]
fn the_log_level_reaches_every_worker() {
    let proxy = proxy()
        .wasm("level", &wat::parse_str(LEVEL).unwrap())
        .workers(2)
        .admin()
        .start();
    let ask = |request: &str, body: &str| proxy.ask(request, body);
    // One connection for each of many clients, so that both workers get some.
    let levels = || -> Vec<u16> {
        let mut clients: Vec<Client> = (0..16).map(|_| proxy.client()).collect();
        let levels = clients
            .iter_mut()
            .map(|client| client.request("GET /", &[]).status());
        levels.collect()
    };
    assert_eq!(ask("GET /log_level", ""), (200, "as configured\n".into()));
    assert_eq!(levels(), vec![202; 16], "info, of which nobody was told");
    for (name, expected) in [("debug", 221), ("critical", 225)] {
        assert_eq!(ask("PUT /log_level", name), (200, format!("{name}\n")));
        assert_eq!(ask("GET /log_level", ""), (200, format!("{name}\n")));
        // The word goes to the workers by a channel; a test must not wait for ever.
        let mut seen = Vec::new();
        for _ in 0..500 {
            seen = levels();
            if seen.iter().all(|level| *level == expected) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(seen, vec![expected; 16], "{name}");
    }
    assert_eq!(ask("PUT /log_level", "loud").0, 400);
    assert_eq!(ask("POST /log_level", "").0, 405);
    assert_eq!(ask("GET /nothing", "").0, 404);
}

#[test]
fn pages_show_what_is_served() {
    let proxy = proxy()
        .wasm("level", &wat::parse_str(LEVEL).unwrap())
        .upstream_of_calls("calls", "127.0.0.1:9".parse().unwrap())
        .admin()
        .start();
    let ask = |page: &str| {
        let (status, text) = proxy.ask(&format!("GET {page}"), "");
        assert_eq!(status, 200, "{page}: {text}");
        text
    };
    assert_eq!(ask("/ready"), "serving\n");
    let json = |page: &str| -> Value { serde_json::from_str(&ask(page)).unwrap() };
    let client = proxy.client();
    let listener = &json("/listeners")[0];
    assert_eq!(listener["address"], proxy.address().to_string());
    assert_eq!(listener["protocol"], "http");
    assert_eq!(listener["upstream"], "the built-in echo");
    assert_eq!(listener["plugins"][0], "level");
    let upstream = &json("/upstreams")[0];
    assert_eq!(upstream["name"], "calls");
    assert_eq!(upstream["endpoints"][0]["address"], "http://127.0.0.1:9");
    assert_eq!(upstream["endpoints"][0]["available"], true);
    let plugin = &json("/plugins")[0];
    assert_eq!(plugin["name"], "level");
    assert_eq!(plugin["sha256"].as_str().unwrap().len(), 64);
    drop(client);
}

#[test]
fn it_tells_that_it_drains() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = proxy().upstream(upstream.local_addr().unwrap()).admin().start();
    let admin = proxy.admin_address().unwrap();
    // A request that is under way keeps the proxy from stopping.
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
    let (mut server, _) = upstream.accept().unwrap();
    assert!(server.read(&mut [0; 1024]).unwrap() > 0);
    let stopping = std::thread::spawn(move || proxy.shut_down());
    let mut status = 200;
    for _ in 0..500 {
        status = Client::connect(admin).request("GET /ready", &[]).status();
        if status != 200 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(status, 503);
    server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(client.receive(false).status(), 204);
    stopping.join().unwrap();
}
