//! Restarts in place.

use super::process::{Process, is_alive, signal, wait};
use super::{Folder, command, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Clients that go on until they are stopped.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

// === impl Load ===

impl Load {
    /// Has a client make request after request. Each says whether the next one needs another connection.
    fn run(&self, name: &str, mut request: impl FnMut() -> std::io::Result<()>) {
        while !self.stop.load(Ordering::Relaxed) {
            match request() {
                Ok(()) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
                Err(error) => {
                    self.failures.lock().unwrap().push(format!("{name}: {error}"));
                    return;
                }
            }
        }
    }

    /// Waits until so many more requests were answered.
    fn goes_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        wait("no requests are answered", || {
            assert_eq!(*self.failures.lock().unwrap(), [""; 0]);
            self.answered.load(Ordering::Relaxed) > before + 200
        });
    }
}

/// One request on a connection. Returns whether the connection stays.
fn request<S: Read + Write>(stream: &mut BufReader<S>, close: bool) -> std::io::Result<bool> {
    let connection = if close { "connection: close\r\n" } else { "" };
    let head = format!("GET / HTTP/1.1\r\nhost: h\r\n{connection}\r\n");
    stream.get_mut().write_all(head.as_bytes())?;
    let (mut length, mut stays, mut line) = (0, true, String::new());
    stream.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(std::io::Error::other(format!("answered with {line:?}")));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            "connection: close" => stays = false,
            other => {
                if let Some(value) = other.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(stays)
}

fn connect(address: &str) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(BufReader::new(stream))
}

fn config(workers: usize, socket: &str) -> String {
    format!(
        "workers: {workers}
admin: {{ address: 127.0.0.1:0 }}
listeners:
  - {{ address: 127.0.0.1:0 }}
  - {{ address: 127.0.0.1:0, accept: one_acceptor }}
  - {{ address: 'unix:{socket}' }}
"
    )
}

#[test]
fn no_request_fails() {
    let folder = Folder::new("restart");
    let socket = folder.0.join("proxy.sock");
    let file = folder.file("proxy.yaml", config(2, text(&socket)));
    let mut process = Process::start(&folder, command(&["serve", text(&file)]));
    let addresses = process.addresses(4);
    let load = Load::default();
    let mut processes = vec![process.id()];
    std::thread::scope(|scope| {
        for address in &addresses[..2] {
            scope.spawn(|| {
                load.run("new connections", || {
                    request(&mut connect(address)?, true).map(drop)
                });
            });
            scope.spawn(|| {
                let mut open = None;
                load.run("kept connections", || {
                    let mut stream = open.take().map_or_else(|| connect(address), Ok)?;
                    if request(&mut stream, false)? {
                        open = Some(stream);
                    }
                    Ok(())
                });
            });
        }
        scope.spawn(|| {
            load.run("the UNIX socket", || {
                let stream = UnixStream::connect(&socket)?;
                request(&mut BufReader::new(stream), true).map(drop)
            });
        });
        // Stops the clients also where the test fails.
        let restarted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // More workers than sockets, then fewer.
            for (times, workers) in [(1, 3), (2, 1)] {
                load.goes_on();
                std::fs::write(&file, config(workers, text(&socket))).unwrap();
                let old = *processes.last().unwrap();
                signal(old, "-USR2");
                let line = process.logged("the new process serves", times);
                let new = line.rsplit("process=").next().unwrap().trim().parse().unwrap();
                processes.push(new);
                if times == 1 {
                    process.end();
                }
                wait("the old process stays", || !is_alive(old));
                load.goes_on();
            }
        }));
        load.stop.store(true, Ordering::Relaxed);
        if let Err(failed) = restarted {
            processes.iter().for_each(|process| signal(*process, "-KILL"));
            std::panic::resume_unwind(failed);
        }
    });
    assert_eq!(*load.failures.lock().unwrap(), [""; 0]);
    assert!(socket.exists());
    // The address of operators was handed over, too.
    let mut admin = connect(&addresses[3]).unwrap();
    admin
        .get_mut()
        .write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut line = String::new();
    admin.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    let last = *processes.last().unwrap();
    signal(last, "-TERM");
    wait("the last process stays", || !is_alive(last));
    assert!(!socket.exists(), "the last one removes it");
}

#[test]
fn a_process_that_cannot_serve_changes_nothing() {
    let folder = Folder::new("failed-restart");
    let socket = folder.0.join("proxy.sock");
    let file = folder.file("proxy.yaml", config(1, text(&socket)));
    let mut process = Process::start(&folder, command(&["serve", text(&file)]));
    let address = process.addresses(4).swap_remove(0);
    for (times, broken) in [(1, "listeners: 7"), (2, "workers: 1\nlisteners: []")] {
        std::fs::write(&file, broken).unwrap();
        signal(process.id(), "-USR2");
        let line = process.logged("no restart; this process goes on", times);
        assert!(line.contains("the new process does not serve: "), "{line}");
        assert!(request(&mut connect(&address).unwrap(), true).is_ok());
        assert!(UnixStream::connect(&socket).is_ok());
    }
    assert!(
        process.log().contains("no listener is configured"),
        "{}",
        process.log()
    );
    signal(process.id(), "-TERM");
    process.end();
}
