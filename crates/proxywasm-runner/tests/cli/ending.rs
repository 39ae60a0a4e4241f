//! How the process ends.

use super::{Folder, Running, output, text};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A running proxy with patience, and a connection through it that does not end.
fn busy(folder: &Folder) -> (Running, [TcpStream; 2]) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = folder.file(
        "proxy.yaml",
        format!(
            "workers: 1
admin: {{ address: 127.0.0.1:0 }}
drain: {{ deadline: 10m, idle: 1ms }}
listeners: [{{ address: 127.0.0.1:0, protocol: tcp, upstream: 'tcp://{}' }}]
",
            server.local_addr().unwrap()
        ),
    );
    let running = Running::start(&["serve", text(&file)], 3);
    let mut client = TcpStream::connect(&running.address).unwrap();
    client.write_all(b"a").unwrap();
    let (mut served, _) = server.accept().unwrap();
    served.read_exact(&mut [0]).unwrap();
    (running, [client, served])
}

fn wait_until_closed(running: &Running) {
    let start = Instant::now();
    while TcpStream::connect(&running.address).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "it still listens");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = Folder::new("second-signal");
    let (running, [mut client, _served]) = busy(&folder);
    running.signal("-TERM");
    wait_until_closed(&running);
    running.signal("-INT");
    let log = running.end();
    assert!(log.contains("SIGTERM: stopping"), "{log}");
    assert!(log.contains("SIGINT again: stopping at once"), "{log}");
    assert!(log.contains("did not end in time: 1 TCP connections"), "{log}");
    let _ = client.read(&mut [0]);
}

#[test]
fn operators_drain_it() {
    let folder = Folder::new("drain");
    let (running, connections) = busy(&folder);
    let admin = running.lines[2].split("http://").nth(1).unwrap().to_owned();
    let admin = admin.as_str();
    for live in [&[][..], &["--live"]] {
        let asked = output(&[&["health", "--admin", admin], live].concat());
        let expected = if live.is_empty() { "serving\n" } else { "alive\n" };
        assert_eq!(std::str::from_utf8(&asked.stdout).unwrap(), expected);
        assert!(asked.status.success());
    }
    let mut asking = TcpStream::connect(admin).unwrap();
    asking
        .write_all(b"POST /drain HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    wait_until_closed(&running);
    let asked = output(&["health", "--admin", admin]);
    assert_eq!(std::str::from_utf8(&asked.stdout).unwrap(), "draining\n");
    assert!(!asked.status.success());
    // What goes on still does.
    let [mut client, mut served] = connections;
    client.write_all(b"b").unwrap();
    served.read_exact(&mut [0]).unwrap();
    drop((client, served));
    let log = running.end();
    let asked = output(&["health", "--admin", admin]);
    assert!(!asked.status.success());
    let error = String::from_utf8(asked.stderr).unwrap();
    assert!(
        error.contains(&format!("cannot ask http://{admin}/ready")),
        "{error}"
    );
    assert!(log.contains("POST /drain: stopping"), "{log}");
    assert!(!log.contains("did not end in time"), "{log}");
}
