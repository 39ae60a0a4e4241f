//! TLS of TCP listeners and upstreams: plugins see what is in it.

use proxywasm_runner::tls::{ClientTls, ServerTls};
use proxywasm_runner::{Endpoint, TcpTarget, UpstreamTarget};
use proxywasm_tests::guests::TCP_COMPONENT;
use proxywasm_tests::harness::{
    Authority, Curl, PATIENCE, ProxyBuilder, client_tls, proxy, server_settings, server_tls,
};
use std::net::SocketAddr;

fn to(address: SocketAddr, tls: Option<ClientTls>) -> UpstreamTarget {
    UpstreamTarget::Tcp(TcpTarget {
        endpoint: Endpoint {
            tls,
            ..Endpoint::new(address.into())
        },
        idle_timeout: PATIENCE,
        proxy_protocol: None,
    })
}

/// A listener of bytes with and without a plugin.
fn with_and_without() -> [ProxyBuilder; 2] {
    [proxy(), proxy().guest(TCP_COMPONENT, "count")]
}

#[test]
fn of_clients() {
    if !Curl::is_installed() {
        return;
    }
    let authority = Authority::new();
    let server = proxy().start();
    let mut settings = server_settings(vec![authority.certificate(&["a.test"])]);
    settings.alpn = Vec::new();
    let tls = ServerTls::load(settings).unwrap();
    let ca = authority.file();
    let body = "x".repeat(3_000_000);
    for builder in with_and_without() {
        let proxy = builder
            .target(to(server.address(), None))
            .tls(tls.clone())
            .start();
        let connect_to = format!("a.test:443:{}", proxy.address());
        let base = [
            "--connect-to",
            &connect_to,
            "--cacert",
            ca.to_str().unwrap(),
            "https://a.test/a",
        ];
        let answer = Curl::run(&base);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.starts_with("GET /a HTTP/1.1\n"), "{answer:?}");
        let answer = Curl::run_with_body(&[&base[..], &["--data-binary", "@-"]].concat(), body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.error);
        assert!(answer.body == body);
        // The end of a connection passes too.
        let answer = Curl::run(&[&base[..], &["-H", "connection: close"]].concat());
        assert_eq!((answer.status, answer.exit), (200, 0), "{answer:?}");
    }
}

#[test]
fn of_upstreams() {
    let authority = Authority::new();
    let server = proxy()
        .tls(server_tls(vec![authority.certificate(&["up.test"])]))
        .start();
    let body = vec![b'x'; 3_000_000];
    for builder in with_and_without() {
        let tls = client_tls(&authority, "up.test");
        let proxy = builder.target(to(server.address(), Some(tls))).start();
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.request_with_body("POST /", &[], &body);
            assert_eq!(answer.status(), 200);
            assert!(answer.body == body);
        }
        let answer = client.request("GET /", &[("connection", "close")]);
        assert_eq!(answer.status(), 200);
        assert!(client.is_closed());
    }
}

#[test]
fn upstreams_that_are_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = proxy()
        .tls(server_tls(vec![other.certificate(&["up.test"])]))
        .start();
    let tls = client_tls(&authority, "up.test");
    let proxy = proxy().target(to(server.address(), Some(tls))).start();
    let mut client = proxy.client();
    client.try_send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(client.try_receive(false).is_none());
}
