//! A configuration that changes while it is served.

use crate::{Folder, PLUGIN, Running, text};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Waits until requests are answered with a status.
fn wait_for(running: &Running, status: u16) {
    let begun = Instant::now();
    while !running.get("/").starts_with(&format!("HTTP/1.1 {status} ")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "never {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn by_a_signal_and_by_its_files() {
    let folder = Folder::new("updating");
    let with = |status: u16, rest: &str| {
        format!(
            "workers: 1
listeners: [{{ address: 127.0.0.1:0, routes: [{{ respond: {{ status: {status} }} }}] }}]
{rest}"
        )
    };
    for watch in [false, true] {
        let rest = format!("updates: {{ watch: {watch} }}\n");
        let file = folder.file("proxy.yaml", with(210, &rest));
        let running = Running::start(&["serve", text(&file)], 1);
        wait_for(&running, 210);
        for status in [220, 230] {
            folder.file("proxy.yaml", with(status, &rest));
            if !watch {
                running.signal("-HUP");
            }
            wait_for(&running, status);
        }
        folder.file("proxy.yaml", with(240, "log: { filter: 'info,a=b=c' }\n"));
        running.signal("-HUP");
        // The one after it is in order again, and so it was read.
        std::thread::sleep(Duration::from_millis(500));
        assert!(running.get("/").starts_with("HTTP/1.1 230 "));
        folder.file("proxy.yaml", with(250, &rest));
        running.signal("-HUP");
        wait_for(&running, 250);
        let log = running.stop("-TERM");
        assert!(
            log.contains("reload: everything stays as it was: ") && log.contains("proxy.yaml:3:16: "),
            "{log}"
        );
        assert!(
            log.contains("reload: listener 127.0.0.1:0: other settings"),
            "{log}"
        );
    }
}

/// Answers with a status: this one, and one more for each byte of its configuration, of which it does not accept nine.
fn plugin(status: u16) -> Vec<u8> {
    let text = format!(
        r#"(module
    (import "env" "proxy_send_local_response"
        (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (global $more (mut i32) (i32.const 0))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (global.set $more (local.get 1))
        (i32.ne (local.get 1) (i32.const 9)))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $answer (i32.add (i32.const {status}) (global.get $more))
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 1)))"#
    );
    wat::parse_str(text).unwrap()
}

/// Asks for a reload at the admin address; the answer tells what came of it.
fn reload(admin: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    let request =
        "POST /reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn plugins_of_the_command_line() {
    let folder = Folder::new("updating-run");
    let code = folder.file("plugin.wasm", plugin(210));
    let other = folder.file("other.wasm", wat::parse_str(PLUGIN).unwrap());
    let configuration = folder.file("plugin.conf", "");
    let config = format!("@{}", text(&configuration));
    let running = Running::start(
        &[
            "run",
            "--plugin",
            text(&code),
            "--config",
            &config,
            "--plugin",
            text(&other),
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "2",
            "--admin",
            "127.0.0.1:0",
        ],
        4,
    );
    let admin = running.lines[3].trim_start_matches("admin on http://").to_owned();
    wait_for(&running, 210);
    folder.file("plugin.wasm", plugin(220));
    wait_for(&running, 220);
    folder.file("plugin.conf", "ab");
    wait_for(&running, 222);
    // What is wrong is told, and what serves goes on.
    let table: [(&str, &[u8], &str); 2] = [
        (
            "plugin.wasm",
            b"garbage",
            "plugin.wasm: the code does not compile",
        ),
        (
            "plugin.conf",
            b"nine bytes"[..9].as_ref(),
            "plugin `plugin` does not accept its configuration",
        ),
    ];
    for (name, content, message) in table {
        let before = std::fs::read(folder.0.join(name)).unwrap();
        folder.file(name, content);
        let answer = reload(&admin);
        assert!(
            answer.starts_with("HTTP/1.1 422 ") && answer.contains(message),
            "{answer}"
        );
        assert!(running.get("/").starts_with("HTTP/1.1 222 "), "{name}");
        folder.file(name, before);
        let answer = reload(&admin);
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("nothing has changed"),
            "{answer}"
        );
    }
    // Put in its place, as by a compiler.
    folder.file("next.wasm", plugin(230));
    std::fs::rename(folder.0.join("next.wasm"), &code).unwrap();
    running.signal("-HUP");
    wait_for(&running, 232);
    let log = running.stop("-TERM");
    assert!(
        log.contains("reload: plugin plugin: other code, listener") && !log.contains("plugin other: "),
        "{log}"
    );
}
