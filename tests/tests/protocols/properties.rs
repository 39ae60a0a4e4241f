//! What plugins can ask about connections.

use proxywasm_runner::tls::{ClientCertificates, ServerTls};
use proxywasm_tests::harness::{Authority, Curl, proxy, server_settings};

/// A plugin of ABI 0.2.1 that answers each request with a property: 200 and its bytes, or 404.
pub(crate) fn reader(path: &str) -> Vec<u8> {
    let length = path.replace("\\00", "\0").len();
    let text = format!(
        r#"(module
        (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_send_local_response" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (data (i32.const 1024) "{path}")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $send
                (select (i32.const 404) (i32.const 200)
                    (call $get (i32.const 1024) (i32.const {length}) (i32.const 16) (i32.const 20)))
                (i32.const 0) (i32.const 0)
                (i32.load (i32.const 16)) (i32.load (i32.const 20))
                (i32.const 0) (i32.const 0) (i32.const -1)))
            (i32.const 1)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn of_tls() {
    if !Curl::is_installed() {
        return;
    }
    let authority = Authority::new();
    let server = authority.certificate(&["a.test"]);
    let client = authority.certificate(&["client.test"]);
    let mut settings = server_settings(vec![server]);
    settings.clients = ClientCertificates::Optional(authority.file());
    let tls = ServerTls::load(settings).unwrap();
    let (certificate, key) = (client.certificate.to_str().unwrap(), client.key.to_str().unwrap());
    let shown = ["--cert", certificate, "--key", key];
    // The property, and what it is with a certificate of the client and without.
    let table = [
        ("connection\\00tls_version", Some("TLSv1.3"), Some("TLSv1.3")),
        (
            "connection\\00requested_server_name",
            Some("a.test"),
            Some("a.test"),
        ),
        ("connection\\00mtls", Some("\u{1}"), Some("\0")),
        (
            "connection\\00subject_peer_certificate",
            Some("CN=client.test"),
            None,
        ),
        (
            "connection\\00dns_san_peer_certificate",
            Some("client.test"),
            None,
        ),
        ("connection\\00uri_san_peer_certificate", None, None),
        ("request\\00scheme", Some("https"), Some("https")),
        ("request\\00protocol", Some("HTTP/2"), Some("HTTP/2")),
    ];
    let ca = authority.file();
    for (path, with, without) in table {
        let proxy = proxy().tls(tls.clone()).wasm("reader", &reader(path)).start();
        let connect_to = format!("a.test:443:{}", proxy.address());
        let base = [
            "--connect-to",
            &connect_to,
            "--cacert",
            ca.to_str().unwrap(),
            "https://a.test/",
        ];
        for (arguments, expected) in [([&base[..], &shown].concat(), with), (base.to_vec(), without)] {
            let answer = Curl::run(&arguments);
            let value = (answer.status == 200).then_some(answer.body.as_str());
            assert_eq!(value, expected, "{path}: {answer:?}");
        }
    }
}

#[test]
fn without_tls() {
    for (path, expected) in [
        ("connection\\00tls_version", None),
        ("connection\\00requested_server_name", None),
        ("connection\\00mtls", Some("\0")),
        ("request\\00scheme", Some("http")),
        ("request\\00protocol", Some("HTTP/1.1")),
    ] {
        let proxy = proxy().wasm("reader", &reader(path)).start();
        let answer = proxy.client().request("GET /", &[]);
        let value = (answer.status() == 200).then(|| answer.text());
        assert_eq!(value.as_deref(), expected, "{path}");
    }
}
