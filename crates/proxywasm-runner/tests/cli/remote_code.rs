//! Plugins whose code is on a server.

use super::{Folder, PLUGIN, Running, command, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::thread;

/// A server that has a plugin at `/p.wasm`, and nothing else. Ends with the test's process.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let code = wat::parse_str(PLUGIN).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let head: Vec<String> = reader
                .by_ref()
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let (status, body) = match head[0].starts_with("GET /p.wasm ") {
                true => ("200 OK", &code[..]),
                false => ("404 Not Found", &b""[..]),
            };
            let length = body.len();
            let stream = reader.get_mut();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            )
            .unwrap();
            stream.write_all(body).unwrap();
        }
    });
    address
}

/// What the binary says with these arguments, for a user whose home is a folder.
fn output(home: &Folder, arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    command.env("HOME", &home.0).env_remove("XDG_CACHE_HOME");
    command.output().unwrap()
}

fn configuration(url: &str) -> String {
    format!(
        "listeners: [{{ address: '127.0.0.1:0', plugins: [p], upstream: echo }}]\nplugins:\n  - name: p\n    code: {{ url: '{url}' }}\n"
    )
}

#[test]
fn check() {
    let folder = Folder::new("remote-check");
    let address = server();
    let there = folder.file("there.yaml", configuration(&format!("http://{address}/p.wasm")));
    let missing = folder.file("missing.yaml", configuration(&format!("http://{address}/q.wasm")));
    // File, whether it fetches, whether it succeeds, what it says.
    let table = [
        (&there, false, false, true, "not checked"),
        (&there, true, true, true, "is in order\n"),
        // From then on it is known.
        (
            &there,
            false,
            true,
            true,
            "as far as can be told without fetching",
        ),
        (&missing, true, true, false, "missing.yaml:4:"),
        (&missing, true, true, false, "the server answers 404"),
        (
            &missing,
            false,
            false,
            true,
            "as far as can be told without fetching",
        ),
    ];
    for (file, fetches, checks_all, succeeds, says) in table {
        let mut arguments = vec!["check", text(file)];
        if !fetches {
            arguments.push("--offline");
        }
        let output = output(&folder, &arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.success(), succeeds, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert_eq!(!said.contains("not checked"), checks_all, "{arguments:?}: {said}");
    }
}

#[test]
fn inspect_and_run() {
    let folder = Folder::new("remote-inspect");
    let url = format!("http://{}/p.wasm", server());
    let output = output(&folder, &["inspect", &url]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("ABI 0.2.1"), "{said}");
    let said = self::output(&folder, &["inspect", "oci://plugin"]).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("it names no registry"), "{said}");

    let running = Running::start(&["run", "--listen", "127.0.0.1:0", "--plugin", &url], 2);
    assert_eq!(running.lines[1], "  plugin p: ABI 0.2.1");
    assert!(running.get("/").starts_with("HTTP/1.1 200 OK\r\n"));
}
