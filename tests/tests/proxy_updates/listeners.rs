//! Listeners that come, go and change.

use crate::{counter, status};
use proxywasm_tests::harness::{Client, ConfigFolder, capture_log};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

const PLUGIN: &str = "plugins: [{ name: p, file: p.wasm }]\n";

#[test]
fn come_and_go() {
    let log = capture_log();
    for accept in ["per_worker", "one_acceptor"] {
        let listener = |respond: u16| {
            format!(
                "  - {{ address: '127.0.0.1:0', accept: {accept}, routes: [{{ respond: {{ status: {respond} }} }}] }}\n"
            )
        };
        let one = format!("workers: 2\nlisteners:\n{}", listener(210));
        let two = format!("{one}{}", listener(220));
        let proxy = ConfigFolder::new(&one).start_quietly();
        let mut kept = proxy.client();
        assert_eq!(status(&mut kept), 210);
        assert_eq!(
            proxy.update(&two),
            ["listener 127.0.0.1:0 (number 2): added"],
            "{accept}"
        );
        let added = proxy.addresses()[1];
        assert_eq!(proxy.addresses()[0], proxy.address());
        let mut client = Client::connect(added);
        assert_eq!(status(&mut client), 220, "{accept}");
        // A request is under way when it goes.
        client.send("POST / HTTP/1.1\r\nhost: h\r\n");
        assert_eq!(proxy.update(&one).len(), 1);
        let answer = client.send("content-length: 0\r\n\r\n").receive(false);
        assert_eq!(answer.status(), 220, "{accept}");
        // It may have been answered before the worker knew.
        assert!(client.is_closed(), "{accept}");
        let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        proxywasm_tests::harness::wait_until("nobody listens", || {
            TcpStream::connect(added).is_err_and(refused)
        });
        assert_eq!(status(&mut kept), 210, "{accept}");
        assert_eq!(status(&mut proxy.client()), 210, "{accept}");
        proxy.shut_down();
    }
    assert!(!log.lines().iter().any(|line| line.contains("panicked")));
}

#[test]
fn of_unix_sockets() {
    let folder = ConfigFolder::new("listeners: []\nbackground: [{ plugin: p }]\n");
    folder.put_wat("p.wasm", &counter(210));
    let path = folder.path("socket");
    let without = format!("listeners: []\nbackground: [{{ plugin: p }}]\n{PLUGIN}");
    folder.write(&without);
    let proxy = folder.start_quietly();
    for _ in 0..2 {
        proxy.update(&without.replace(
            "listeners: []",
            &format!("listeners: [{{ address: 'unix:{}' }}]", path.display()),
        ));
        let mut client = UnixStream::connect(&path).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        proxy.update(&without);
        assert!(!path.exists(), "its file is gone");
    }
}

/// Routes, limits and chains of a listener change under a connection that stays open.
#[test]
fn change_under_open_connections() {
    let text = |rest: &str| format!("listeners: [{{ address: '127.0.0.1:0', {rest} }}]\n{PLUGIN}");
    let folder = ConfigFolder::new(&text("routes: [{ respond: { status: 230 } }]"));
    folder.put_wat("p.wasm", &counter(210));
    let proxy = folder.start_quietly();
    let mut client = proxy.client();
    assert_eq!(status(&mut client), 230);
    let table = [
        ("routes: [{ respond: { status: 231 } }]", 231),
        ("routes: [{ match: { path: /a }, respond: { status: 230 } }]", 404),
        ("plugins: [p]", 211),
        ("routes: [{ plugins: [p], respond: { status: 231 } }]", 212),
        ("http: { max_headers: 1 }", 200),
    ];
    for (rest, expected) in table {
        assert!(!proxy.update(&text(rest)).is_empty(), "{rest}");
        assert_eq!(status(&mut client), expected, "{rest}");
    }
    // What a client may take counts for new connections.
    let answer = proxy.client().request("GET /", &[("a", "1"), ("b", "2")]);
    assert_eq!(answer.status(), 431);
}
