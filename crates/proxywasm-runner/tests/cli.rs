//! The binary, as a person at a terminal meets it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Adds `x-seen: yes` to nothing: exports all that ABI 0.2.1 asks of a plugin, and lets everything pass. Refuses to start with a
/// configuration of three bytes.
const PLUGIN: &str = r#"(module
    (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1 16)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.ne (local.get 1) (i32.const 3))))"#;

/// A folder of files that is removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("proxywasm-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn plugin(&self) -> PathBuf {
        self.file("plugin.wasm", wat::parse_str(PLUGIN).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxywasm"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A runner that was started by the binary.
struct Running {
    process: Child,
    lines: Vec<String>,
    address: String,
}

impl Running {
    fn start(arguments: &[&str], lines: usize) -> Self {
        let mut process = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let lines: Vec<String> = stdout.lines().take(lines).map(Result::unwrap).collect();
        let address = lines
            .first()
            .and_then(|line| line.split("://").nth(1)?.split(',').next());
        let address = address
            .unwrap_or_else(|| panic!("no address: {lines:?}"))
            .to_owned();
        Self {
            process,
            lines,
            address,
        }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Sends a signal; returns what was logged.
    fn stop(mut self, signal: &str) -> String {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(10), "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(
            self.process.wait().unwrap().success(),
            "a stop that was asked for is no failure"
        );
        let mut log = String::new();
        self.process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

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
                "--listen",
                "127.0.0.1:0",
                "--workers",
                "2",
            ],
            2,
        );
        assert!(
            running.lines[0].ends_with("2 workers, upstream: the built-in echo"),
            "{:?}",
            running.lines
        );
        assert_eq!(running.lines[1], "  plugin plugin: ABI 0.2.1");
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
plugins:
  - name: first
    file: plugin.wasm
    configuration: { key: [1, two] }
    callbacks_off: [response_body, request_trailers]
    environment: { KEY: value }
    failure: reload
    limits: { held_body: 64 KiB, memory: 16 MiB, headers: 100 }
    deadlines: { callback: 50ms, start: 1s }
  - name: second
    file: plugin.wasm
    configuration_base64: AAECAw==
    instances: fresh_per_stream
    failure: open
    headers_pause: hold_headers
    log_level: debug
    allowed_hostcalls: [proxy_log]
",
    );
    let running = Running::start(&["serve", text(&file)], 5);
    assert_eq!(
        running.lines[1..3],
        ["  plugin first: ABI 0.2.1", "  plugin second: ABI 0.2.1"]
    );
    assert_eq!(running.lines[4], "  no plugins");
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

#[test]
fn faulty_files_are_pointed_at() {
    let folder = Folder::new("faulty");
    folder.plugin();
    folder.file("garbage.wasm", "garbage");
    let listener = "listeners: [{ address: 127.0.0.1:0, plugins: [a] }]\n";
    let table: &[(String, &str, &str)] = &[
        ("listeners:\n  - adress: 127.0.0.1:0\n".into(), "2:5", "adress"),
        ("listeners:\n  - address: here\n".into(), "2:14", "address"),
        ("listeners: []\n".into(), "1:12", "no listener is configured"),
        (
            "workers: 0\nlisteners: [{ address: 127.0.0.1:0 }]\n".into(),
            "1:1",
            "nonzero",
        ),
        (listener.into(), "1:47", "no plugin is called `a`"),
        (
            "listeners: []\nbackground: [{ plugin: a }]\n".into(),
            "2:24",
            "no plugin is called `a`",
        ),
        (
            "listeners: []\nbackground: [{ plugin: a, run: twice }]\n".into(),
            "2:32",
            "per_worker",
        ),
        (
            "listeners: []\nbackground: [{ plugin: a }, { plugin: a }]\nplugins: [{ name: a, file: plugin.wasm }]\n"
                .into(),
            "2:39",
            "`a` runs in the background already",
        ),
        (
            "listeners: []\nupstreams: [{ name: a, url: 'https://h' }]\n".into(),
            "2:29",
            "TLS to upstreams",
        ),
        (
            "listeners: []\nupstreams: [{ name: a, url: 'tcp://h:1' }]\n".into(),
            "2:29",
            "plugins cannot call `tcp://h:1`",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nupstreams: [{ name: a, url: 'http://h' }, { name: a, url: 'http://i' }]\n"
                .into(),
            "2:51",
            "two upstreams are called `a`",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nupstreams: [{ name: '', url: 'http://h' }]\n".into(),
            "2:21",
            "an upstream needs a name",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0, upstream: 'https://h' }]\n".into(),
            "1:47",
            "TLS to upstreams",
        ),
        (
            format!("{listener}plugins:\n  - name: a\n    file: missing.wasm\n"),
            "4:11",
            "cannot read the plugin",
        ),
        (
            format!("{listener}plugins:\n  - name: a\n    file: garbage.wasm\n"),
            "4:11",
            "does not compile",
        ),
        (
            format!("{listener}plugins:\n  - name: a\n    file: plugin.wasm\n    configuration: abc\n"),
            "3:11",
            "does not accept its configuration",
        ),
        (
            format!(
                "{listener}plugins:\n  - name: a\n    file: plugin.wasm\n    configuration_base64: '?'\n"
            ),
            "5:27",
            "is not Base64",
        ),
        (
            format!(
                "{listener}plugins:\n  - {{ name: a, file: plugin.wasm }}\n  - {{ name: a, file: plugin.wasm }}\n"
            ),
            "4:13",
            "two plugins are called `a`",
        ),
        (
            format!(
                "{listener}plugins:\n  - name: a\n    file: plugin.wasm\n    limits: {{ memory: 1 TiB }}\n"
            ),
            "5:15",
            "a size such as",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis: { prefix: x }\n".into(),
            "2:10",
            "missing field `url`",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis: { url: 'redis://h', prefix: 'a{b}' }\n".into(),
            "2:36",
            "`prefix` has to be made of letters",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis:\n  url: redis://h\n  lease: 10ms\n".into(),
            "4:10",
            "at least 3s",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nredis: { url: 127.0.0.1:6379 }\n".into(),
            "2:15",
            "give one like redis://host:6379",
        ),
        (
            "listeners: [{ address: 127.0.0.1:0 }]\nqueues: { item: 1 ell }\n".into(),
            "2:11",
            "a size such as",
        ),
        ("listeners: [".into(), "1:12", ""),
    ];
    for (config, position, message) in table {
        let file = folder.file("proxy.yaml", config);
        let output = output(&["serve", text(&file)]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{config}\n{error}");
        assert!(output.stdout.is_empty(), "nothing listens: {config}");
        let place = format!("error: {}:{position}: ", file.display());
        assert!(
            error.contains(&place) && error.contains(message),
            "{config}\nexpected {place}{message}\n{error}"
        );
        let line: usize = position.split(':').next().unwrap().parse().unwrap();
        let column: usize = position.split(':').nth(1).unwrap().parse().unwrap();
        let shown = format!(
            "{line} | {}\n  | {}^",
            config.lines().nth(line - 1).unwrap(),
            " ".repeat(column - 1)
        );
        assert!(error.contains(&shown), "{error}\nexpected\n{shown}");
    }
    // Messages end up in logs, where no password belongs.
    let file = folder.file(
        "proxy.yaml",
        "listeners: [{ address: 127.0.0.1:0 }]\nredis: { url: 'redis://u:secret@' }\n",
    );
    let error = String::from_utf8(output(&["serve", text(&file)]).stderr).unwrap();
    assert!(error.contains(":2:15: ") && !error.contains("secret"), "{error}");
    let missing = output(&["serve", "no-such-file.yaml"]);
    assert!(
        String::from_utf8(missing.stderr)
            .unwrap()
            .contains("no-such-file.yaml: cannot read the configuration")
    );
}

#[test]
fn faulty_arguments() {
    let folder = Folder::new("arguments");
    let plugin = folder.plugin();
    let garbage = folder.file("garbage.wasm", "garbage");
    let plugin = text(&plugin);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let table: &[(&[&str], i32, &str)] = &[
        (
            &["run", "--plugin", plugin, "--config", "abc"],
            1,
            "plugin `plugin` does not accept its configuration",
        ),
        (
            &["run", "--plugin", plugin, "--config", "@missing"],
            1,
            "cannot read the configuration missing",
        ),
        (
            &["run", "--plugin", plugin, "--config", "a", "--config", "b"],
            1,
            "more --config than --plugin",
        ),
        (
            &["run", "--plugin", "missing.wasm"],
            1,
            "cannot read the plugin missing.wasm",
        ),
        (
            &["run", "--plugin", text(&garbage)],
            1,
            "garbage.wasm: the code does not compile",
        ),
        (
            &["run", "--plugin", plugin, "--listen", &taken],
            1,
            "cannot listen on 127.0.0.1:",
        ),
        (
            &["run", "--plugin", plugin, "--upstream", "https://h"],
            2,
            "TLS to upstreams is not supported",
        ),
        (
            &["run", "--plugin", plugin, "--call-upstream", "http://h"],
            2,
            "write `NAME=http://HOST[:PORT]`",
        ),
        (
            &["run", "--plugin", plugin, "--call-upstream", "a=echo"],
            2,
            "it is no HTTP server",
        ),
        (
            &["run", "--plugin", plugin, "--log", "a=b=c"],
            1,
            "`a=b=c` is no log filter",
        ),
        (&["run"], 2, "--plugin"),
    ];
    for (arguments, code, message) in table {
        let output = output(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments:?} {error}");
        assert!(error.contains(message), "{arguments:?} {error}");
    }
}

#[test]
fn inspect() {
    let folder = Folder::new("inspect");
    let plugin = folder.plugin();
    let shown = output(&["inspect", text(&plugin)]);
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "abi:      ABI 0.2.1",
        "markers:  proxy_abi_version_0_2_1",
        "memory:   64 KiB, may grow to 1024 KiB",
        "  env proxy_log (func (param i32 i32 i32) (result i32))",
        "  proxy_on_request_headers (func (param i32 i32 i32) (result i32))",
        "accepted: yes; its configuration may still keep it from starting",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }

    let json = output(&["inspect", "--json", text(&plugin)]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["abi"], "ABI 0.2.1");
    assert_eq!(json["memories"][0]["initial_bytes"], 65536);
    assert_eq!(json["imports"][0]["name"], "proxy_log");
    assert_eq!(json["refused"], serde_json::json!([]));

    // What is there to no effect is told.
    let idle = [
        (
            r#"(module
                (import "env" "proxy_clear_route_cache" (func (result i32)))
                (memory (export "memory") 1)
                (func (export "malloc") (param i32) (result i32) (i32.const 0))
                (func (export "proxy_abi_version_0_1_0")))"#,
            "proxy_clear_route_cache is not offered yet",
        ),
        (
            r#"(module
                (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
                (func (export "proxy_on_http_request_metadata") (param i32 i32) (result i32) (i32.const 0)))"#,
            "proxy_on_http_request_metadata is never called",
        ),
    ];
    for (idle, note) in idle {
        let idle = folder.file("idle.wasm", wat::parse_str(idle).unwrap());
        let shown = String::from_utf8(output(&["inspect", text(&idle)]).stdout).unwrap();
        assert!(shown.contains(&format!("note:     {note}")), "{shown}");
    }

    let refused = [
        (r#"(module (memory (export "memory") 1))"#, "so it is no plugin"),
        (
            r#"(module (import "env" "no_such_call" (func)) (memory (export "memory") 1)
                (func (export "malloc") (param i32) (result i32) (i32.const 0)) (func (export "proxy_abi_version_0_2_1")))"#,
            "the module imports `env` `no_such_call`",
        ),
        (
            r#"(module (func (export "proxy_abi_version_2021_04")))"#,
            "exports no memory",
        ),
    ];
    for (wat, reason) in refused {
        let plugin = folder.file("refused.wasm", wat::parse_str(wat).unwrap());
        let shown = output(&["inspect", text(&plugin)]);
        assert_eq!(shown.status.code(), Some(1));
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(
            shown.contains("accepted: no\n") && shown.contains(reason),
            "{shown}"
        );
    }
}

#[test]
fn without_arguments_it_tells_what_it_can() {
    let help = output(&[]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("Usage: proxywasm") && help.contains("proxywasm run --plugin plugin.wasm"),
        "{help}"
    );
}
