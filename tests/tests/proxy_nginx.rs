//! A real origin server behind the proxy: nginx, without plugins and with the headers plugin on both ABIs. Skipped, with a
//! message, where nginx is not installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_tests::guests::{HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Client, Message, Nginx, Proxy, chunked, proxy};
use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

const LARGE: usize = 100 << 20;

const CHAINS: &[&[&str]] = &[&[], &[HEADERS_LEGACY], &[HEADERS_COMPONENT]];

#[test]
fn all_kinds_of_messages() {
    let Some(nginx) = Nginx::start() else { return };
    fs::write(nginx.file("hello"), "hello").unwrap();
    for chain in CHAINS {
        let proxy = proxy().guests(chain).upstream(nginx.address()).start();
        let steps: &[fn(&Proxy, &Nginx, &[&str])] = &[
            get,
            head,
            put_with_content_length,
            put_chunked,
            put_after_continue,
            no_content,
            not_modified,
            not_found,
            put_large,
            get_large,
            leave_mid_body,
        ];
        for step in steps {
            step(&proxy, &nginx, chain);
        }
        proxy.shut_down();
    }
}

fn check_plugin(response: &Message, chain: &[&str]) {
    assert_eq!(
        response.header("x-plugin").is_some(),
        !chain.is_empty(),
        "{chain:?} {response:?}"
    );
}

fn get(proxy: &Proxy, _: &Nginx, chain: &[&str]) {
    let mut client = proxy.client();
    for _ in 0..3 {
        let response = client.request("GET /files/hello", &[]);
        assert_eq!((response.status(), response.text().as_str()), (200, "hello"));
        assert_eq!(response.header("x-method").as_deref(), Some("GET"));
        assert_eq!(
            response.header("x-plugin-seen").is_some(),
            !chain.is_empty(),
            "the request passed the plugin"
        );
        assert_eq!(response.header("server-secret").is_some(), chain.is_empty());
        check_plugin(&response, chain);
    }
}

fn head(proxy: &Proxy, _: &Nginx, chain: &[&str]) {
    let mut client = proxy.client();
    let response = client.request("HEAD /files/hello", &[]);
    assert_eq!(
        (response.status(), response.header("content-length").as_deref()),
        (200, Some("5"))
    );
    check_plugin(&response, chain);
    assert_eq!(
        client.request("GET /files/hello", &[]).text(),
        "hello",
        "on the same connection"
    );
}

fn put_with_content_length(proxy: &Proxy, nginx: &Nginx, chain: &[&str]) {
    let body = "0123456789".repeat(20_000);
    let response = proxy
        .client()
        .request_with_body("PUT /files/length", &[], body.as_bytes());
    assert!([201, 204].contains(&response.status()), "{response:?}");
    check_plugin(&response, chain);
    assert!(fs::read_to_string(nginx.file("length")).unwrap() == body);
}

fn put_chunked(proxy: &Proxy, nginx: &Nginx, chain: &[&str]) {
    let mut client = proxy.client();
    client.send(
        "PUT /files/chunked HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n",
    );
    client.send(chunked(&[b"one ", b"two"], &[("x-sum", "42")]));
    let response = client.receive(false);
    assert!([201, 204].contains(&response.status()), "{response:?}");
    check_plugin(&response, chain);
    assert_eq!(fs::read_to_string(nginx.file("chunked")).unwrap(), "one two");
}

fn put_after_continue(proxy: &Proxy, nginx: &Nginx, chain: &[&str]) {
    let mut client = proxy.client();
    client
        .send("PUT /files/expected HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.receive(false).status(), 100, "{chain:?}");
    let response = client.send("12345").receive(false);
    assert!([201, 204].contains(&response.status()), "{response:?}");
    check_plugin(&response, chain);
    assert_eq!(fs::read_to_string(nginx.file("expected")).unwrap(), "12345");
}

fn no_content(proxy: &Proxy, _: &Nginx, chain: &[&str]) {
    let response = proxy.client().request("GET /status/204", &[]);
    assert_eq!(
        (response.status(), response.header("content-length")),
        (204, None)
    );
    check_plugin(&response, chain);
}

fn not_modified(proxy: &Proxy, _: &Nginx, chain: &[&str]) {
    let mut client = proxy.client();
    let etag = client.request("GET /files/hello", &[]).header("etag").unwrap();
    let response = client.request("GET /files/hello", &[("if-none-match", etag.as_str())]);
    assert_eq!((response.status(), response.header("etag")), (304, Some(etag)));
    check_plugin(&response, chain);
    assert_eq!(
        client.request("GET /files/hello", &[]).text(),
        "hello",
        "on the same connection"
    );
}

fn not_found(proxy: &Proxy, _: &Nginx, chain: &[&str]) {
    let response = proxy.client().request("GET /status/404", &[]);
    assert!(response.status() == 404 && response.text().contains("nginx"));
    check_plugin(&response, chain);
}

fn put_large(proxy: &Proxy, nginx: &Nginx, chain: &[&str]) {
    let mut client = proxy.client();
    client.send(format!(
        "PUT /files/large HTTP/1.1\r\nhost: h\r\ncontent-length: {LARGE}\r\n\r\n"
    ));
    let mut sender = client.sender();
    let piece: Vec<u8> = (0..=255).cycle().take(1 << 16).collect();
    for _ in 0..LARGE / piece.len() {
        sender.write_all(&piece).unwrap();
    }
    let response = client.receive(false);
    assert!([201, 204].contains(&response.status()), "{response:?}");
    check_plugin(&response, chain);
    let stored = fs::read(nginx.file("large")).unwrap();
    assert!(
        stored.len() == LARGE && stored.chunks(piece.len()).all(|chunk| chunk == piece),
        "{chain:?}"
    );
}

/// What [`put_large`] stored.
fn get_large(proxy: &Proxy, _: &Nginx, chain: &[&str]) {
    let mut client: Client = proxy.client();
    client.send("GET /files/large HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    let head = client.receive_head();
    assert_eq!(head.header("content-length"), Some(LARGE.to_string()));
    check_plugin(&head, chain);
    assert_eq!(client.count_to_end(), LARGE, "{chain:?}");
}

fn leave_mid_body(proxy: &Proxy, nginx: &Nginx, chain: &[&str]) {
    let mut client = proxy.client();
    client
        .send("PUT /files/left HTTP/1.1\r\nhost: h\r\ncontent-length: 1000000\r\n\r\n")
        .send([b'x'; 1000]);
    std::thread::sleep(Duration::from_millis(50));
    drop(client);
    let mut client = proxy.client();
    client
        .send("GET /files/large HTTP/1.1\r\nhost: h\r\n\r\n")
        .receive_bytes(100_000);
    drop(client);
    // The proxy serves on, and nginx stored nothing.
    let start = Instant::now();
    assert_eq!(
        proxy.client().request("GET /files/hello", &[]).text(),
        "hello",
        "{chain:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(!nginx.file("left").exists());
}
