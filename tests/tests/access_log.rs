//! The access log of a running proxy.
#![cfg(test)]

use proxywasm_runner::tls::{ClientCertificates, ServerTls};
use proxywasm_tests::guests;
use proxywasm_tests::harness::{Authority, Client, Curl, Origin, Proxy, configured, proxy, server_settings};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A folder that goes when this does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("proxywasm-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The lines of a file, once it has so many.
fn lines(file: &Path, count: usize) -> Vec<String> {
    let mut text = String::new();
    for _ in 0..3000 {
        text = std::fs::read_to_string(file).unwrap_or_default();
        if text.lines().count() >= count && text.ends_with('\n') {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), count, "{lines:?}");
    lines
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn start(log: &Path, rest: &str) -> Proxy {
    configured(&format!(
        "workers: 1\nadmin: {{ address: '127.0.0.1:0' }}\n{}",
        rest.replace("LOG", &log.display().to_string())
    ))
}

#[test]
fn requests_and_why_they_were_answered() {
    let folder = Folder::new("requests");
    let log = folder.file("access.log");
    let origin =
        Origin::start(|_| "HTTP/1.1 201 Created\r\ncontent-length: 5\r\nx-answer: yes\r\n\r\nhello".into());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = start(
        &log,
        &format!(
            r#"
listeners:
  - name: front
    address: 127.0.0.1:0
    access_log:
      file: LOG
      format: json
      fields: [listener, method, path, authority, protocol, status, reason, bytes_received, bytes_sent, client, request_id,
        user_agent, route, upstream, upstream_address, attempts, response_header:x-answer, request_header:x-own, duration]
    routes:
      - match: {{ path: /there }}
        name: there
        upstream: good
      - match: {{ path: /nobody }}
        upstream: gone
      - match: {{ path: /plugin }}
        plugins: [auth]
        upstream: good
      - match: {{ path: /own }}
        respond: {{ status: 204 }}
upstreams:
  - {{ name: good, url: 'http://{origin}' }}
  - {{ name: gone, url: 'http://{nobody}' }}
plugins:
  - {{ name: auth, file: '{auth}', configuration: let-me-in }}
"#,
            origin = origin.address(),
            auth = guests::path(guests::AUTH_COMPONENT).display(),
        ),
    );
    let mut client = proxy.client();
    let own = [("x-own", "a\"b"), ("user-agent", "test")];
    assert_eq!(
        client.request_with_body("POST /there?a=b", &own, b"123").status(),
        201
    );
    assert_eq!(client.request("GET /nobody", &[]).status(), 502);
    assert_eq!(client.request("GET /plugin", &[]).status(), 401);
    assert_eq!(client.request("GET /own", &[]).status(), 204);
    assert_eq!(client.request("GET /else", &[]).status(), 404);
    assert_eq!(client.request("GET /%zz", &[]).status(), 400);
    let lines = lines(&log, 6);
    let there = json(&lines[0]);
    for (field, expected) in [
        ("listener", "front"),
        ("method", "POST"),
        ("path", "/there?a=b"),
        ("authority", "example.test"),
        ("protocol", "HTTP/1.1"),
        ("user_agent", "test"),
        ("route", "there"),
        ("upstream", "good"),
        ("response_header:x-answer", "yes"),
        ("request_header:x-own", "a\"b"),
    ] {
        assert_eq!(there[field], expected, "{field} of {there}");
    }
    assert_eq!(there["status"], 201);
    assert_eq!(
        (&there["bytes_received"], &there["bytes_sent"]),
        (&3.into(), &5.into())
    );
    assert_eq!(there["attempts"], 1);
    assert_eq!(there["reason"], Value::Null);
    assert_eq!(there["upstream_address"], origin.address().to_string());
    assert!(there["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert!(there["duration"].as_f64().is_some());
    let reasons: Vec<_> = lines.iter().map(|line| json(line)["reason"].clone()).collect();
    assert_eq!(
        reasons,
        [
            Value::Null,
            "upstream_connect".into(),
            "plugin:auth".into(),
            "direct".into(),
            "no_route".into(),
            "refused".into()
        ]
    );
}

#[test]
fn a_client_that_leaves_and_a_file_that_is_moved() {
    let folder = Folder::new("moved");
    let (log, moved) = (folder.file("access.log"), folder.file("access.log.1"));
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = start(
        &log,
        &format!(
            r#"
listeners:
  - address: 127.0.0.1:0
    upstream: http://{}
    access_log: {{ file: LOG, format: '%{{path}} %{{status}} %{{reason}} %{{upstream}}' }}
"#,
            upstream.local_addr().unwrap()
        ),
    );
    let address = upstream.local_addr().unwrap();
    let mut client = proxy.client();
    client.send("GET /left HTTP/1.1\r\nhost: a.test\r\n\r\n");
    let (server, _) = upstream.accept().unwrap();
    drop(client);
    assert_eq!(
        lines(&log, 1),
        [format!("/left - client_closed http://{address}")]
    );
    drop(server);
    std::fs::rename(&log, &moved).unwrap();
    // Not all at once: it is looked once in a while whether the file is where it was.
    let mut sent = 0;
    for _ in 0..3000 {
        if log.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(upstream);
    for _ in 0..2 {
        assert_eq!(proxy.client().request("GET /there", &[]).status(), 502);
        sent += 1;
    }
    let expected = format!("/there 502 upstream_connect http://{address}");
    assert_eq!(lines(&log, sent), vec![expected; sent]);
    assert_eq!(lines(&moved, 1).len(), 1);
    let (_, metrics) = proxy.ask("GET /metrics", "");
    let line = format!(
        "proxywasm_access_log_written_total{{file=\"{}\"}} 3",
        log.display()
    );
    assert!(metrics.contains(&line), "{line} is not in {metrics}");
}

#[test]
fn streams_of_tcp() {
    let folder = Folder::new("tcp");
    let log = folder.file("access.log");
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let proxy = start(
        &log,
        &format!(
            r#"
listeners:
  - address: 127.0.0.1:0
    protocol: tcp
    upstream: tcp://{address}
    access_log: {{ file: LOG, format: '%{{protocol}} %{{bytes_received}} %{{bytes_sent}} %{{upstream_address}} %{{reason}}' }}
"#
        ),
    );
    let mut client = Client::connect(proxy.address());
    client.send("12345");
    let (mut server, _) = upstream.accept().unwrap();
    server.read_exact(&mut [0; 5]).unwrap();
    server.write_all(b"123").unwrap();
    assert_eq!(client.receive_bytes(3), b"123");
    drop(server);
    drop(client);
    assert_eq!(lines(&log, 1), [format!("TCP 5 3 {address} -")]);
}

#[test]
fn connections_of_tls() {
    if !Curl::is_installed() {
        return;
    }
    let folder = Folder::new("tls");
    let log = folder.file("access.log");
    let authority = Authority::new();
    let client = authority.certificate(&["client.test"]);
    let mut settings = server_settings(vec![authority.certificate(&["a.test"])]);
    settings.clients = ClientCertificates::Optional(authority.file());
    let template = "%{protocol} %{authority} %{tls_version} %{tls_server_name} %{tls_subject} %{status}";
    let proxy = proxy()
        .tls(ServerTls::load(settings).unwrap())
        .access_log(&log, template)
        .start();
    let connect_to = format!("a.test:443:{}", proxy.address());
    let (ca, certificate, key) = (authority.file(), client.certificate, client.key);
    let mut arguments = vec![
        "--connect-to",
        &connect_to,
        "--cacert",
        ca.to_str().unwrap(),
        "https://a.test/",
    ];
    assert_eq!(Curl::run(&arguments).status, 200);
    arguments.extend([
        "--http1.1",
        "--cert",
        certificate.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ]);
    assert_eq!(Curl::run(&arguments).status, 200);
    assert_eq!(
        lines(&log, 2),
        [
            "HTTP/2.0 a.test TLSv1.3 a.test - 200",
            "HTTP/1.1 a.test TLSv1.3 a.test CN=client.test 200"
        ]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    use proxywasm_runner::config::ConfigFile;
    let listener = "listeners:\n  - address: 127.0.0.1:0\n    access_log: ";
    for (entry, expected) in [
        ("{ format: '%{statsu}' }", "did you mean `status`?"),
        ("{ format: '%{status' }", "has no `}`"),
        ("{ format: json, fields: [statsu] }", "did you mean `status`?"),
        ("{ fields: [status] }", "`fields` are for `format: json`"),
    ] {
        let text = format!("{listener}{entry}\n");
        let error = ConfigFile::parse(Path::new("proxy.yaml"), text)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && error.contains("proxy.yaml:3:"),
            "{error}"
        );
    }
}
