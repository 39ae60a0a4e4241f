//! A server that is killed and comes again.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An HTTP/1.1 server that answers everything with `hello`.
pub(crate) struct Upstream {
    address: SocketAddr,
    running: Mutex<Option<Running>>,
}

struct Running {
    stopped: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    acceptor: std::thread::JoinHandle<()>,
}

// === impl Upstream ===

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            running: Mutex::new(Some(Running::start(listener))),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as the kernel ends a process: whatever it was doing.
    pub(crate) fn kill(&self) {
        let Some(running) = self.running.lock().unwrap().take() else {
            return;
        };
        running.stopped.store(true, Ordering::SeqCst);
        // It waits for connections.
        let _ = TcpStream::connect(self.address);
        running.acceptor.join().unwrap();
        for connection in running.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn revive(&self) {
        let listener = TcpListener::bind(self.address).unwrap();
        *self.running.lock().unwrap() = Some(Running::start(listener));
    }
}

// === impl Running ===

impl Running {
    fn start(listener: TcpListener) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (is_stopped, all) = (Arc::clone(&stopped), Arc::clone(&connections));
        let acceptor = std::thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                if is_stopped.load(Ordering::SeqCst) {
                    break;
                }
                all.lock().unwrap().push(connection.try_clone().unwrap());
                std::thread::spawn(move || serve(connection));
            }
        });
        Self {
            stopped,
            connections,
            acceptor,
        }
    }
}

fn serve(mut connection: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
        }
        connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            .ok()?;
    }
}
