//! What serves, from a file or from arguments.

use super::{Folder, Running, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

#[test]
fn run_until_a_signal() {
    let folder = Folder::new("run");
    let plugin = folder.plugin();
    for signal in ["-INT", "-TERM"] {
        let running = Running::start(
            &[
                "run",
                "--plugin",
                text(&plugin),
                "--plugin",
                text(&plugin),
                "--listen",
                "127.0.0.1:0",
                "--workers",
                "2",
            ],
            3,
        );
        assert!(
            running.lines[0].ends_with("2 workers, upstream: the built-in echo"),
            "{:?}",
            running.lines
        );
        assert_eq!(
            running.lines[1..],
            ["  plugin plugin: ABI 0.2.1", "  plugin plugin-2: ABI 0.2.1"]
        );
        let response = running.get("/hello");
        assert!(
            response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("GET /hello HTTP/1.1\n"),
            "{response}"
        );
        let log = running.stop(signal);
        assert!(
            log.contains(&format!("SIG{}: stopping", &signal[1..])) && log.contains("stopped"),
            "{log}"
        );
    }
}

#[test]
fn serve_a_file() {
    let folder = Folder::new("serve");
    folder.plugin();
    let file = folder.file(
        "proxy.yaml",
        "workers: 1
log: { filter: warn, plugin_messages: 5 }
listeners:
  - address: 127.0.0.1:0
    accept: one_acceptor
    plugins: [first, second]
    upstream: echo
  - address: 127.0.0.1:0
    routes:
      - { match: { path: /other }, upstream: it }
      - { respond: { status: 200, body: by a route } }
  - address: 127.0.0.1:0
    upstream: it
upstreams:
  - { name: it, url: 'http://127.0.0.1:1' }
plugins:
  - name: first
    file: plugin.wasm
    configuration: { key: [1, two] }
    callbacks_off: [response_body, request_trailers]
    environment: { KEY: value }
    failure: reload
    limits: { held_body: 64 KiB, memory: 16 MiB, headers: 100 }
    deadlines: { callback: 50ms, start: 1s, end: 2s }
  - name: second
    file: plugin.wasm
    configuration_base64: AAECAw==
    instances: fresh_per_stream
    failure: open
    headers_pause: hold_headers
    repeated_headers: joined
    synthesize_callout_errors: true
    log_level: debug
    allowed_hostcalls: [proxy_log]
",
    );
    let running = Running::start(&["serve", text(&file)], 7);
    assert_eq!(
        running.lines[1..3],
        ["  plugin first: ABI 0.2.1", "  plugin second: ABI 0.2.1"]
    );
    assert_eq!(running.lines[4], "  no plugins");
    for (line, upstream) in [(0, "the built-in echo"), (3, "as routes say"), (5, "it")] {
        assert!(
            running.lines[line].ends_with(&format!("1 workers, upstream: {upstream}")),
            "{:?}",
            running.lines
        );
    }
    assert!(running.get("/").contains("200 OK"));
    assert_eq!(running.stop("-TERM"), "", "the filter of the file is kept to");
}

#[test]
fn connections_as_bytes() {
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("tcp://{}", upstream.local_addr().unwrap());
    let folder = Folder::new("tcp");
    let plugin = folder.plugin();
    let file = folder.file(
        "proxy.yaml",
        format!(
            "workers: 1
listeners:
  - address: 127.0.0.1:0
    protocol: tcp
    plugins: [it]
    upstream: {target}
    connect_timeout: 1s
    idle_timeout: 1m
plugins:
  - {{ name: it, file: plugin.wasm, callbacks_off: [new_connection, downstream_data, upstream_close] }}
"
        ),
    );
    for arguments in [
        &["serve", text(&file)][..],
        &[
            "run",
            "--plugin",
            text(&plugin),
            "--name",
            "it",
            "--workers",
            "1",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &target,
        ],
    ] {
        let running = Running::start(arguments, 2);
        let address = &running.address;
        let expected = [
            format!("listening on tcp://{address}, 1 workers, upstream: {target}"),
            "  plugin it: ABI 0.2.1".to_owned(),
        ];
        assert_eq!(running.lines, expected);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"ping").unwrap();
        let mut server = upstream.accept().unwrap().0;
        let mut received = [0; 4];
        server.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"ping");
        drop((client, server));
        running.stop("-TERM");
    }
}

#[test]
fn plugins_in_the_background() {
    let folder = Folder::new("background");
    folder.plugin();
    let file = folder.file(
        "proxy.yaml",
        "
workers: 2
listeners: [{ address: 127.0.0.1:0 }]
background:
  - plugin: once
  - plugin: everywhere
    run: per_worker
plugins:
  - { name: once, file: plugin.wasm }
  - { name: everywhere, file: plugin.wasm }
",
    );
    let running = Running::start(&["serve", text(&file)], 4);
    assert_eq!(
        running.lines[2..],
        [
            "background plugin once: ABI 0.2.1, once",
            "background plugin everywhere: ABI 0.2.1, in each worker"
        ]
    );
    running.stop("-TERM");
}

/// Calls `auth` for each request, which does not wait for it. What could not be called is a trap.
const CALLER: &str = r#"(module
    (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "auth")
    (data (i32.const 16) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\06\00\00\00\0a\00\00\00\01\00\00\00")
    (data (i32.const 44) ":method\00GET\00:path\00/check\00:authority\00a\00")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (if (call $call (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 66) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 512)) (then unreachable))
        (i32.const 0)))"#;

#[test]
fn calls_of_plugins() {
    let service = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", service.local_addr().unwrap());
    let folder = Folder::new("calls");
    let plugin = folder.file("plugin.wasm", wat::parse_str(CALLER).unwrap());
    let serve = |file: &PathBuf, permitted: &str| {
        let config = format!(
            "workers: 1
listeners: [{{ address: 127.0.0.1:0, plugins: [it] }}]
upstreams:
  - name: other
    url: http://127.0.0.1:1
  - name: auth
    url: {url}
    connect_timeout: 1s
plugins:
  - {{ name: it, file: plugin.wasm, allowed_upstreams: [{permitted}], deadlines: {{ callout: 5s }} }}
"
        );
        std::fs::write(file, config).unwrap();
        Running::start(&["serve", text(file)], 1)
    };
    let file = folder.file("proxy.yaml", "");
    let named = format!("auth={url}");
    let options = ["--workers", "1", "--listen", "127.0.0.1:0"];
    let arguments = [
        &["run", "--plugin", text(&plugin), "--call-upstream", &named],
        &options[..],
    ]
    .concat();
    for running in [serve(&file, "auth"), Running::start(&arguments, 1)] {
        assert!(running.get("/a").starts_with("HTTP/1.1 200 OK"));
        let (stream, _) = service.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, "GET /check HTTP/1.1\r\n");
        running.stop("-TERM");
    }
    let running = serve(&file, "other");
    assert!(
        running.get("/a").starts_with("HTTP/1.1 503 "),
        "the plugin may not call it"
    );
    running.stop("-TERM");
}
