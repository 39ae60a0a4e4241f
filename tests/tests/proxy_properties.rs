//! Properties over sockets: a plugin asks for every one of the catalogue in each phase, and gets it from when on the catalogue says.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use proxywasm_host::{KnownBy, PluginConfig, Services, Since, TracingSink, WELL_KNOWN};
use proxywasm_runner::{Node, functions};
use proxywasm_tests::harness::{Origin, ProxyBuilder, capture_log, proxy};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Properties that nothing here has a value for: no TLS, no names of routes and upstreams, no failures.
const WITHOUT_VALUE: [&str; 21] = [
    "connection.requested_server_name",
    "connection.tls_version",
    "connection.subject_local_certificate",
    "connection.subject_peer_certificate",
    "connection.dns_san_local_certificate",
    "connection.dns_san_peer_certificate",
    "connection.uri_san_local_certificate",
    "connection.uri_san_peer_certificate",
    "connection.sha256_peer_certificate_digest",
    "connection.peer_certificate",
    "upstream.request_attempt_count",
    "upstream.num_endpoints",
    "upstream.tls_version",
    "upstream.subject_peer_certificate",
    "upstream.dns_san_peer_certificate",
    "upstream.uri_san_peer_certificate",
    "upstream.sha256_peer_certificate_digest",
    "upstream.transport_failure_reason",
    "cluster_name",
    "route_name",
    "virtual_host_name",
];

/// What stands for `NAME` in the catalogue.
const NAMES: [(&str, &str); 4] = [
    ("node.metadata.NAME", "node.metadata.zone"),
    ("request.headers.NAME", "request.headers.x-many"),
    ("response.headers.NAME", "response.headers.x-up"),
    ("response.trailers.NAME", "response.trailers.x-sum"),
];

/// The phases in which the guest asks.
const PHASES: [&str; 6] = ["root", "request", "response", "log", "new", "upstream"];

/// Asks for each path, in each phase that it is called in, and logs `LABEL-PHASE path=value;path=value;...` with what is there.
fn guest(label: &str, paths: &[String]) -> Vec<u8> {
    let (mut data, mut table) = (String::new(), String::new());
    let mut at = 4096;
    for path in paths {
        let word = |number: usize| -> String {
            let bytes = (number as u32).to_le_bytes();
            bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
        };
        // The path as it is asked for, and as it is shown.
        data += &format!("(data (i32.const {at}) \"{}{path}\")", path.replace('.', "\\00"));
        table += &format!("{}{}", word(at), word(path.len()));
        at += 2 * path.len();
    }
    let mut texts = String::new();
    let reports = PHASES.map(|phase| {
        let name = format!("{label}-{phase}");
        let at = 200 + texts.len();
        texts += &name;
        format!("(call $report (i32.const {at}) (i32.const {}))", name.len())
    });
    let [root, request, response, log, new, upstream] = reports;
    let text = format!(
        r#"(module
        (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 8)
        {data}
        (data (i32.const 1024) "{table}")
        (data (i32.const 100) "mine\00deepvalue")
        (data (i32.const 200) "{texts}")
        (global $next (mut i32) (i32.const 65536))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param $size i32) (result i32)
            (global.get $next)
            (global.set $next (i32.add (global.get $next) (local.get $size))))
        (func $report (param $name i32) (param $name_len i32)
            (local $out i32) (local $index i32) (local $path i32) (local $len i32)
            (local.set $out (i32.const 262144))
            (memory.copy (local.get $out) (local.get $name) (local.get $name_len))
            (local.set $out (i32.add (local.get $out) (local.get $name_len)))
            (i32.store8 (local.get $out) (i32.const 32))
            (local.set $out (i32.add (local.get $out) (i32.const 1)))
            (loop $each
                (local.set $path (i32.load (i32.add (i32.const 1024) (i32.mul (local.get $index) (i32.const 8)))))
                (local.set $len (i32.load (i32.add (i32.const 1028) (i32.mul (local.get $index) (i32.const 8)))))
                (if (i32.eqz (call $get (local.get $path) (local.get $len) (i32.const 16) (i32.const 20)))
                    (then
                        (memory.copy (local.get $out) (i32.add (local.get $path) (local.get $len)) (local.get $len))
                        (local.set $out (i32.add (local.get $out) (local.get $len)))
                        (i32.store8 (local.get $out) (i32.const 61))
                        (local.set $out (i32.add (local.get $out) (i32.const 1)))
                        (memory.copy (local.get $out) (i32.load (i32.const 16)) (i32.load (i32.const 20)))
                        (local.set $out (i32.add (local.get $out) (i32.load (i32.const 20))))
                        (i32.store8 (local.get $out) (i32.const 59))
                        (local.set $out (i32.add (local.get $out) (i32.const 1)))))
                (local.set $index (i32.add (local.get $index) (i32.const 1)))
                (br_if $each (i32.lt_u (local.get $index) (i32.const {count}))))
            (drop (call $log (i32.const 2) (i32.const 262144) (i32.sub (local.get $out) (i32.const 262144))))
            (global.set $next (i32.const 65536)))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            {root} (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (call $set (i32.const 100) (i32.const 9) (i32.const 109) (i32.const 5)) (then unreachable))
            {request} (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            {response} (i32.const 0))
        (func (export "proxy_on_log") (param i32)
            {log})
        (func (export "proxy_on_new_connection") (param i32) (result i32)
            {new} (i32.const 0))
        (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
            {upstream} (i32.const 0)))"#,
        count = paths.len(),
    );
    wat::parse_str(text).unwrap()
}

/// The paths of the catalogue, the second spelling of some, and others.
fn paths() -> Vec<String> {
    let named = |path: &str| {
        let example = NAMES.iter().find(|(name, _)| *name == path);
        example.map_or(path, |(_, example)| *example).to_owned()
    };
    let rows = WELL_KNOWN.iter().filter(|row| row.path != "filter_state.NAME");
    let mut paths: Vec<String> = rows.map(|row| named(row.path)).collect();
    let others = [
        "xds.node.id",
        "source",
        "mine.deep",
        "filter_state.wasm.other",
        "xds",
    ];
    paths.extend(others.map(str::to_owned));
    paths
}

fn services() -> Services {
    let node = Node {
        id: Some("runner-1".to_owned()),
        cluster: Some("edge".to_owned()),
        metadata: [("zone".to_owned(), "z1".into())].into_iter().collect(),
    };
    Services {
        functions: functions(),
        properties: Some(Arc::new(node)),
        ..Services::new(Arc::new(TracingSink))
    }
}

fn asking(name: &str) -> ProxyBuilder {
    proxy()
        .services(services())
        .wasm_with(&guest(name, &paths()), PluginConfig::new(name))
}

/// What the plugin got in a phase, by path.
fn reported(plugin: &str, phase: &str) -> BTreeMap<String, String> {
    let begin = format!("plugin: {plugin}-{phase} ");
    let line = capture_log().wait_for(&begin);
    let text = line.split(&begin).nth(1).unwrap();
    let text = text.rsplit_once(';').map_or("", |(text, _)| text);
    let values = text.split(';').filter_map(|value| value.split_once('='));
    values
        .map(|(path, value)| (path.to_owned(), value.to_owned()))
        .collect()
}

/// Whether the catalogue has a property in a phase of an HTTP stream.
fn is_there(path: &str, phase: &str) -> bool {
    let until = match phase {
        "root" => Since::Always,
        "request" => Since::RequestHead,
        "response" => Since::ResponseHead,
        _ => Since::End,
    };
    let named = |row: &&proxywasm_host::WellKnown| row.path == path || NAMES.contains(&(row.path, path));
    let row = WELL_KNOWN.iter().find(named).unwrap();
    row.known_by != KnownBy::Nobody && row.since <= until && !WITHOUT_VALUE.contains(&path)
}

#[test]
fn of_an_http_stream() {
    capture_log();
    let answer = "HTTP/1.1 203 Yes\r\nx-up: 1\r\ngrpc-status: 5\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n";
    let origin = Origin::fixed(format!("{answer}3\r\nabc\r\n0\r\nx-sum: 9\r\n\r\n"));
    let proxy = asking("of-http").upstream(origin.address()).start();
    let headers = [
        ("x-many", "a"),
        ("x-many", "b"),
        ("referer", "http://r/"),
        ("user-agent", "test"),
        ("x-request-id", "id-1"),
    ];
    let mut client = proxy.client();
    let answered = client.request_with_body("POST /p?q=1", &headers, b"hello");
    assert_eq!(answered.status(), 203);
    let upstream = origin.address();
    let phases = ["root", "request", "response", "log"].map(|phase| (phase, reported("of-http", phase)));
    for (phase, found) in &phases {
        let catalogue = paths();
        let catalogue = &catalogue[..catalogue.len() - 5];
        let wrong: Vec<_> = catalogue
            .iter()
            .filter(|path| {
                found.contains_key(*path)
                    != (is_there(path, phase) || *path == "filter_state" && *phase != "root")
            })
            .collect();
        assert!(wrong.is_empty(), "{phase}: {wrong:?} in {found:?}");
    }
    let port = upstream.port().to_string();
    let table: [(&str, &str, &str); 18] = [
        ("root", "plugin_name", "of-http"),
        ("root", "xds.node.id", "runner-1"),
        ("root", "node.metadata.zone", "z1"),
        ("request", "request.path", "/p?q=1"),
        ("request", "request.url_path", "/p"),
        ("request", "request.query", "q=1"),
        ("request", "request.protocol", "HTTP/1.1"),
        ("response", "request.headers.x-many", "a,b"),
        ("response", "request.method", "POST"),
        ("log", "request.id", "id-1"),
        ("log", "request.useragent", "test"),
        ("log", "response.code_details", "via_upstream"),
        ("log", "response.trailers.x-sum", "9"),
        ("log", "node.cluster", "edge"),
        ("log", "mine.deep", "value"),
        ("log", "filter_state.wasm.other", ""),
        ("response", "upstream.address", &port),
        ("request", "source.address", "127.0.0.1:"),
    ];
    for (phase, path, expected) in table {
        let (_, found) = phases.iter().find(|(name, _)| *name == phase).unwrap();
        match expected {
            "" => assert_eq!(found.get(path), None, "{phase} {path}"),
            expected => assert!(
                found.get(path).is_some_and(|value| value.contains(expected)),
                "{phase} {path}: {:?}",
                found.get(path)
            ),
        }
    }
    proxy.shut_down();
}

#[test]
fn of_a_byte_stream() {
    capture_log();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    let server = thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
    let proxy = asking("of-bytes").tcp_upstream(upstream).start();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"hello");
    drop(client);
    server.join().unwrap();
    let phases = ["new", "upstream", "log"].map(|phase| (phase, reported("of-bytes", phase)));
    for (phase, found) in phases {
        for path in [
            "source.address",
            "destination.port",
            "connection.id",
            "connection_id",
            "connection.mtls",
            "source",
        ] {
            assert!(found.contains_key(path), "{phase} {path}");
        }
        for path in [
            "request.path",
            "request.headers",
            "request.time",
            "response.code",
            "request",
        ] {
            assert!(!found.contains_key(path), "{phase} {path}: bytes are no request");
        }
        let expected = (phase != "new").then(|| upstream.to_string());
        assert_eq!(found.get("upstream.address"), expected.as_ref(), "{phase}");
        assert_eq!(found.contains_key("request.duration"), phase == "log", "{phase}");
    }
    proxy.shut_down();
}
