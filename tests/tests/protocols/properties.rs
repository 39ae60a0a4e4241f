//! What plugins can ask about connections.

use proxywasm_runner::tls::{ClientCertificates, ServerTls};
use proxywasm_tests::harness::{
    Authority, Curl, Origin, client_tls, configured, proxy, server_settings, server_tls,
};

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

/// A plugin of ABI 0.2.1 that puts a property on each response, as the header `x-value`: its bytes, or `yes` if it is this number.
fn teller(path: &str, number: Option<i64>) -> Vec<u8> {
    let length = path.replace('.', "\0").len();
    let path = path.replace('.', "\\00");
    let (fits, value) = match number {
        None => (
            String::from("(i32.const 1)"),
            "(i32.load (i32.const 16)) (i32.load (i32.const 20))",
        ),
        Some(number) => (
            format!("(i64.eq (i64.load (i32.load (i32.const 16))) (i64.const {number}))"),
            "(i32.const 520) (i32.const 3)",
        ),
    };
    let text = format!(
        r#"(module
        (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (data (i32.const 1024) "{path}")
        (data (i32.const 512) "x-value")
        (data (i32.const 520) "yes")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (if (i32.eqz (call $get (i32.const 1024) (i32.const {length}) (i32.const 16) (i32.const 20)))
                (then (if {fits}
                    (then (drop (call $add (i32.const 2) (i32.const 512) (i32.const 7) {value}))))))
            (i32.const 0)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn of_upstreams() {
    let authority = Authority::new();
    let certificate = authority.certificate(&["up.test"]);
    let server = proxy().tls(server_tls(vec![certificate])).start();
    // The property, and what it begins with, if it is there.
    let table = [
        ("upstream.tls_version", Some("TLSv1.3")),
        ("upstream.subject_peer_certificate", Some("CN=up.test")),
        ("upstream.dns_san_peer_certificate", Some("up.test")),
        ("upstream.uri_san_peer_certificate", None),
        ("upstream.local_address", Some("127.0.0.1:")),
        ("upstream.transport_failure_reason", None),
        ("response.code_details", Some("via_upstream")),
    ];
    for (path, expected) in table {
        let proxy = proxy()
            .tls_upstream(server.address(), client_tls(&authority, "up.test"))
            .wasm("teller", &teller(path, None))
            .start();
        let value = proxy.client().request("GET /", &[]).header("x-value");
        let fits = match (&value, expected) {
            (Some(value), Some(expected)) => value.starts_with(expected),
            (value, expected) => value.is_none() && expected.is_none(),
        };
        assert!(fits, "{path}: {value:?}");
    }
}

#[test]
fn of_responses_that_no_upstream_gave() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let closing = Origin::raw(|_, _| ());
    let authority = Authority::new();
    let untrusted = proxy()
        .tls(server_tls(vec![authority.certificate(&["x.test"])]))
        .start();
    let folder = authority.folder();
    let routes = |upstream: String| {
        format!(
            "
listeners:
  - address: 127.0.0.1:0
    plugins: [teller]
    virtual_hosts:
      - hosts: ['*']
        routes:
          - {{ match: {{ path: /up }}, upstream: up, timeout: 100ms }}
          - {{ match: {{ path: /direct }}, respond: {{ status: 204 }} }}
upstreams: [{{ name: up, url: '{upstream}', retries: {{ attempts: 0 }} }}]
plugins: [{{ name: teller, file: {} }}]
",
            folder.join("teller.wasm").display()
        )
    };
    let hanging = Origin::raw(|_, _| std::thread::park());
    let reset = "upstream_reset_before_response_started";
    // Where the upstream is, the path; the status, the flags, and how the details begin.
    let table = [
        (
            format!("http://{nobody}"),
            "/up",
            502,
            32,
            format!("{reset}{{remote_connection_failure}}"),
        ),
        (
            format!("http://{}", closing.address()),
            "/up",
            502,
            64,
            format!("{reset}{{connection_termination}}"),
        ),
        (
            format!("http://{}", hanging.address()),
            "/up",
            504,
            4,
            "upstream_response_timeout".to_owned(),
        ),
        (
            format!("http://{nobody}"),
            "/none",
            404,
            256,
            "route_not_found".to_owned(),
        ),
        (
            format!("http://{nobody}"),
            "/direct",
            204,
            0,
            "direct_response".to_owned(),
        ),
        (
            format!("https://{}", untrusted.address()),
            "/up",
            502,
            32,
            format!("{reset}{{remote_connection_failure}}"),
        ),
    ];
    for (upstream, path, status, flags, details) in table {
        let told = |property: &str, number| {
            std::fs::write(folder.join("teller.wasm"), teller(property, number)).unwrap();
            let proxy = configured(&routes(upstream.clone()));
            let answer = proxy.client().request(&format!("GET {path}"), &[]);
            assert_eq!(answer.status(), status, "{upstream} {path}");
            answer.header("x-value").unwrap_or_default()
        };
        assert_eq!(told("response.flags", Some(flags)), "yes", "{upstream} {path}");
        assert_eq!(told("response.code_details", None), details, "{upstream} {path}");
        let reason = told("upstream.transport_failure_reason", None);
        assert_eq!(reason.is_empty(), flags != 32, "{upstream} {path}: {reason}");
        let host = told("virtual_host_name", None);
        assert_eq!(host, if status == 404 { "" } else { "*" }, "{upstream} {path}");
    }
}
