//! TLS and HTTP/2 to upstreams.

use proxywasm_runner::tls::{ClientCertificates, ClientTls, ClientTlsSettings, HTTP_1, ServerTls};
use proxywasm_runner::{Endpoint, HttpProtocol, HttpTarget, UpstreamTarget};
use proxywasm_tests::guests::{HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{
    Authority, Proxy, capture_log, client_tls, proxy, server_settings, server_tls,
};

/// A proxy before another one that speaks TLS.
fn before(server: &Proxy, tls: ClientTls, protocol: HttpProtocol) -> UpstreamTarget {
    let endpoint = Endpoint {
        tls: Some(tls),
        ..Endpoint::new(server.address().into())
    };
    UpstreamTarget::Http(HttpTarget {
        protocol,
        ..HttpTarget::new(endpoint)
    })
}

#[test]
fn versions_of_http() {
    let authority = Authority::new();
    let certificates = || vec![authority.certificate(&["up.test"])];
    let both = proxy().tls(server_tls(certificates())).start();
    let mut only_http1 = server_settings(certificates());
    only_http1.alpn = vec![HTTP_1.to_vec()];
    let only_http1 = proxy().tls(ServerTls::load(only_http1).unwrap()).start();
    let table = [
        (&both, HttpProtocol::Auto, 200),
        (&both, HttpProtocol::Http1, 200),
        (&both, HttpProtocol::Http2, 200),
        (&only_http1, HttpProtocol::Auto, 200),
        (&only_http1, HttpProtocol::Http1, 200),
        (&only_http1, HttpProtocol::Http2, 502),
    ];
    for (server, protocol, status) in table {
        for guest in [HEADERS_COMPONENT, HEADERS_LEGACY] {
            let tls = client_tls(&authority, "up.test");
            let proxy = proxy()
                .target(before(server, tls, protocol))
                .guest(guest, "")
                .start();
            let mut client = proxy.client();
            for _ in 0..3 {
                let answer = client.request("GET /p", &[("x", "y")]);
                assert_eq!(answer.status(), status, "{protocol:?}");
                if status == 200 {
                    assert!(answer.text().starts_with("GET /p HTTP/1.1\n"), "{protocol:?}");
                    assert!(answer.text().contains("x-plugin: headers\n"), "{protocol:?}");
                }
            }
            let answer = client.request_with_body("POST /p", &[], b"body");
            assert_eq!(answer.status(), status, "{protocol:?}");
            assert!(status != 200 || answer.text() == "body", "{protocol:?}");
        }
    }
}

#[test]
fn certificates_that_are_not_trusted() {
    let log = capture_log();
    let (authority, other) = (Authority::new(), Authority::new());
    let table = [
        (authority.certificate(&["up.test"]), "up.test", 200, ""),
        (
            authority.certificate(&["other.test"]),
            "up.test",
            502,
            "certificate not valid for name",
        ),
        (
            authority.expired(&["up.test"]),
            "up.test",
            502,
            "certificate expired",
        ),
        (other.certificate(&["up.test"]), "up.test", 502, "UnknownIssuer"),
        (authority.certificate(&["127.0.0.1"]), "127.0.0.1", 200, ""),
    ];
    for (certificate, name, status, reason) in table {
        let server = proxy().tls(server_tls(vec![certificate])).start();
        let proxy = proxy()
            .tls_upstream(server.address(), client_tls(&authority, name))
            .start();
        assert_eq!(proxy.client().request("GET /", &[]).status(), status, "{reason}");
        if status != 200 {
            let line = log.wait_for(&format!(
                "no connection to the upstream {} by TLS: ",
                server.address()
            ));
            assert!(line.contains(reason), "{line}");
        }
    }
}

#[test]
fn servers_without_tls() {
    let log = capture_log();
    let authority = Authority::new();
    let server = proxy().start();
    let proxy = proxy()
        .tls_upstream(server.address(), client_tls(&authority, "up.test"))
        .start();
    assert_eq!(proxy.client().request("GET /", &[]).status(), 502);
    log.wait_for(&format!(
        "no connection to the upstream {} by TLS: ",
        server.address()
    ));
}

#[test]
fn certificates_that_are_shown() {
    let authority = Authority::new();
    let mut settings = server_settings(vec![authority.certificate(&["up.test"])]);
    settings.clients = ClientCertificates::Required(authority.file());
    let server = proxy().tls(ServerTls::load(settings).unwrap()).start();
    let with = ClientTls::load(ClientTlsSettings {
        ca: Some(authority.file()),
        server_name: Some("up.test".to_owned()),
        certificate: Some(authority.certificate(&["proxy.test"])),
        ..ClientTlsSettings::default()
    });
    let without = client_tls(&authority, "up.test");
    for (tls, status) in [(with.unwrap(), 200), (without, 502)] {
        let proxy = proxy().tls_upstream(server.address(), tls).start();
        assert_eq!(proxy.client().request("GET /", &[]).status(), status);
    }
}
