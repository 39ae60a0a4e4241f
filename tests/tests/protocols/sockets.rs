//! UNIX sockets on both sides, and the PROXY protocol.

use proxywasm_runner::{Address, Endpoint, ProxyVersion, TcpTarget, UpstreamTarget};
use proxywasm_tests::guests::{HEADERS_LEGACY, TCP_COMPONENT};
use proxywasm_tests::harness::{Curl, PATIENCE, proxy};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use crate::properties::reader;

/// A path for a socket of a test.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("proxywasm-{name}-{}.sock", std::process::id()))
}

fn http_to(path: &std::path::Path) -> UpstreamTarget {
    format!("http://unix:{}", path.display()).parse().unwrap()
}

#[test]
fn unix_sockets() {
    if !Curl::is_installed() {
        return;
    }
    let (front, back) = (path("front"), path("back"));
    // What is left of a process that was killed is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&back).unwrap());
    let server = proxy().listen(Address::Unix(back.clone())).workers(2).start();
    let before = proxy()
        .listen(Address::Unix(front.clone()))
        .target(http_to(&back))
        .guest(HEADERS_LEGACY, "")
        .start();
    for option in ["--http1.1", "--http2-prior-knowledge"] {
        let socket = front.to_str().unwrap();
        let answer = Curl::run(&[option, "--unix-socket", socket, "http://name.test/a"]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.starts_with("GET /a HTTP/1.1\n"), "{answer:?}");
        assert!(answer.body.contains("host: name.test\n"), "{answer:?}");
        assert!(answer.body.contains("x-plugin: headers\n"), "{answer:?}");
    }
    before.shut_down();
    server.shut_down();
    assert!(!front.exists() && !back.exists());
}

#[test]
fn upstreams_that_are_not_there() {
    let nowhere = path("nowhere");
    let proxy = proxy().target(http_to(&nowhere)).start();
    assert_eq!(proxy.client().request("GET /", &[]).status(), 502);
}

#[test]
fn clients_behind_a_proxy() {
    let proxy = proxy()
        .proxy_protocol()
        .wasm("reader", &reader("source\\00address"))
        .start();
    let request = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x03\xe8\0\x50";
    for (header, expected) in [
        (
            &b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n"[..],
            "192.0.2.1:1000",
        ),
        (
            b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 80\r\n",
            "[2001:db8::1]:1000",
        ),
        (v2, "192.0.2.1:1000"),
    ] {
        let mut client = proxy.client();
        // In pieces, as a network may bring it.
        for piece in header.chunks(7) {
            client.send(piece);
            std::thread::sleep(Duration::from_millis(1));
        }
        client.send(request);
        let answer = client.receive(false);
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, expected),
            "{header:?}"
        );
    }
    // What does not begin with a header is closed.
    let mut client = proxy.client();
    client.send(request);
    assert!(client.try_receive(false).is_none());
}

#[test]
fn upstreams_that_are_told_of_clients() {
    for (version, begins) in [
        (ProxyVersion::V1, &b"PROXY TCP4 127.0.0.1 127.0.0.1 "[..]),
        (
            ProxyVersion::V2,
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01",
        ),
    ] {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = TcpTarget {
            endpoint: Endpoint::new(server.local_addr().unwrap().into()),
            idle_timeout: PATIENCE,
            proxy_protocol: Some(version),
        };
        let proxy = proxy()
            .target(UpstreamTarget::Tcp(target))
            .guest(TCP_COMPONENT, "count")
            .start();
        let mut client = proxy.client();
        client.send("hello").shut_down_sending();
        let mut bytes = Vec::new();
        let (mut connection, _) = server.accept().unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection.read_to_end(&mut bytes).unwrap();
        assert!(bytes.starts_with(begins), "{bytes:?}");
        assert!(bytes.ends_with(b"hello"), "{bytes:?}");
        connection.write_all(b"bye").unwrap();
        drop(connection);
        assert_eq!(client.receive_bytes(3), b"bye");
    }
}
