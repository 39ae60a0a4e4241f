//! TLS of clients.

use proxywasm_runner::tls::{ClientCertificates, MinimumVersion, ServerTls};
use proxywasm_tests::guests::{CONFIGURATION_COMPONENT, HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{
    Authority, Curl, PATIENCE, Proxy, is_installed, proxy, server_settings, server_tls,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Whether the clients are there that these tests use.
fn has_clients() -> bool {
    Curl::is_installed() && is_installed("openssl")
}

/// Asks for a name at the proxy, which only curl knows the address of.
fn ask(proxy: &Proxy, authority: &Authority, name: &str, arguments: &[&str]) -> Curl {
    let connect_to = format!("{name}:443:{}", proxy.address());
    let (ca, url) = (authority.file(), format!("https://{name}/a"));
    let base = [
        "--connect-to",
        &connect_to,
        "--cacert",
        ca.to_str().unwrap(),
        &url,
    ];
    Curl::run(&[&base[..], arguments].concat())
}

/// What `openssl s_client` says.
fn s_client(proxy: &Proxy, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &proxy.address().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn versions_of_http_by_alpn() {
    if !has_clients() {
        return;
    }
    let authority = Authority::new();
    let tls = server_tls(vec![authority.certificate(&["a.test"])]);
    for guest in [HEADERS_COMPONENT, HEADERS_LEGACY] {
        let proxy = proxy().tls(tls.clone()).guest(guest, "").start();
        for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
            let answer = ask(&proxy, &authority, "a.test", &[option]);
            assert_eq!(
                (answer.status, answer.version.as_str()),
                (200, version),
                "{answer:?}"
            );
            assert!(answer.head.contains("x-context-answered: yes"), "{answer:?}");
            assert!(answer.body.starts_with("GET /a HTTP/1.1\n"), "{answer:?}");
            assert!(answer.body.contains("host: a.test\n"), "{answer:?}");
        }
        let text = s_client(&proxy, &["-alpn", "h2,http/1.1", "-servername", "a.test"]);
        assert!(text.contains("ALPN protocol: h2"), "{text}");
    }
}

#[test]
fn names() {
    if !has_clients() {
        return;
    }
    let authority = Authority::new();
    let certificates = [
        &["first.test"][..],
        &["a.test", "b.test"],
        &["*.wild.test"],
        &["exact.wild.test"],
    ];
    let proxy = proxy()
        .tls(server_tls(
            certificates
                .iter()
                .map(|names| authority.certificate(names))
                .collect(),
        ))
        .start();
    // What is asked for, and whose certificate comes.
    let table = [
        ("first.test", "first.test"),
        ("a.test", "a.test"),
        ("B.TEST", "a.test"),
        ("x.wild.test", "*.wild.test"),
        ("exact.wild.test", "exact.wild.test"),
        ("wild.test", "first.test"),
        ("a.b.wild.test", "first.test"),
        ("unknown.test", "first.test"),
    ];
    for (name, expected) in table {
        let text = s_client(&proxy, &["-servername", name]);
        assert!(
            text.contains(&format!("subject=CN = {expected}\n")),
            "{name}: {text}"
        );
    }
    let text = s_client(&proxy, &["-noservername"]);
    assert!(text.contains("subject=CN = first.test\n"), "{text}");
    assert_eq!(ask(&proxy, &authority, "y.wild.test", &[]).status, 200);
    // curl does not take the certificate of another name: status 60.
    assert_eq!(ask(&proxy, &authority, "unknown.test", &[]).exit, 60);
}

#[test]
fn minimum_versions() {
    if !has_clients() {
        return;
    }
    let authority = Authority::new();
    let certificate = authority.certificate(&["a.test"]);
    let table = [
        (MinimumVersion::Tls12, &[("1.2", true), ("1.3", true)][..]),
        (MinimumVersion::Tls13, &[("1.2", false), ("1.3", true)]),
    ];
    for (minimum_version, versions) in table {
        let mut settings = server_settings(vec![certificate.clone()]);
        settings.minimum_version = minimum_version;
        let proxy = proxy().tls(ServerTls::load(settings).unwrap()).start();
        for (version, spoken) in versions {
            let answer = ask(&proxy, &authority, "a.test", &["--tls-max", version]);
            assert_eq!(
                answer.status == 200,
                *spoken,
                "{minimum_version:?} {version}: {answer:?}"
            );
        }
    }
}

#[test]
fn certificates_of_clients() {
    if !has_clients() {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let certificate = authority.certificate(&["a.test"]);
    let own = authority.certificate(&["client.test"]);
    let foreign = other.certificate(&["client.test"]);
    let shown = |files: &proxywasm_runner::tls::CertificateFiles| {
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        vec![
            "--cert".to_owned(),
            path(&files.certificate),
            "--key".to_owned(),
            path(&files.key),
        ]
    };
    let table = [
        (ClientCertificates::None, true, true, true),
        (ClientCertificates::Optional(authority.file()), true, true, false),
        (ClientCertificates::Required(authority.file()), false, true, false),
    ];
    for (clients, none, known, unknown) in table {
        let mut settings = server_settings(vec![certificate.clone()]);
        settings.clients = clients.clone();
        let proxy = proxy().tls(ServerTls::load(settings).unwrap()).start();
        for (arguments, served) in [(vec![], none), (shown(&own), known), (shown(&foreign), unknown)] {
            for version in ["1.2", "1.3"] {
                let arguments = arguments.iter().map(String::as_str);
                let arguments: Vec<&str> = arguments.chain(["--tls-max", version]).collect();
                let answer = ask(&proxy, &authority, "a.test", &arguments);
                assert_eq!(
                    answer.status == 200,
                    served,
                    "{clients:?} {arguments:?}: {answer:?}"
                );
            }
        }
    }
}

#[test]
fn plugins_see_what_is_decrypted() {
    if !has_clients() {
        return;
    }
    let authority = Authority::new();
    let proxy = proxy()
        .tls(server_tls(vec![authority.certificate(&["a.test"])]))
        .guest(CONFIGURATION_COMPONENT, "x-a: b")
        .start();
    for option in ["--http1.1", "--http2"] {
        let answer = ask(&proxy, &authority, "a.test", &[option]);
        assert!(answer.head.contains("x-a: b"), "{answer:?}");
        assert!(answer.head.contains("x-property-path: /a"), "{answer:?}");
    }
}

#[test]
fn clients_that_speak_no_tls() {
    if !has_clients() {
        return;
    }
    let authority = Authority::new();
    let proxy = proxy()
        .tls(server_tls(vec![authority.certificate(&["a.test"])]))
        .start();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    // An alert of TLS, unless the reset of the connection has overtaken it.
    assert!(matches!(answer.first(), None | Some(0x15)), "{answer:?}");
    assert_eq!(ask(&proxy, &authority, "a.test", &[]).status, 200);
}
