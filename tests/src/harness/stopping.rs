//! A proxy on its way to its end.

use super::{Client, PATIENCE, Proxy};
use proxywasm_runner::Hurry;
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A proxy that was told to stop, and may take its time.
pub struct Stopping {
    address: SocketAddr,
    hurry: Hurry,
    thread: JoinHandle<()>,
}

// === impl Stopping ===

impl Stopping {
    pub(super) fn new(proxy: Proxy, hurry: Hurry) -> Self {
        Self {
            address: proxy.address(),
            hurry,
            thread: std::thread::spawn(move || proxy.shut_down()),
        }
    }

    /// Waits until clients are told that their connections end.
    ///
    /// # Panics
    /// They are not, or new ones are not accepted.
    pub fn wait_until_told(&self) {
        wait("no client is told", || {
            let answer = Client::connect(self.address).request("GET /", &[]);
            answer.header("connection").as_deref() == Some("close")
        });
    }

    /// Waits until no more connections are accepted.
    ///
    /// # Panics
    /// They are.
    pub fn wait_until_closed(&self) {
        wait("connections are still accepted", || {
            TcpStream::connect(self.address).is_err()
        });
    }

    /// Ends its patience, and waits for the end.
    ///
    /// # Panics
    /// It has ended already, or does not.
    pub fn cut_short(self) {
        assert!(!self.thread.is_finished(), "it did not wait");
        self.hurry.now();
        self.end();
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// It does not come.
    pub fn end(self) {
        wait("it does not end", || self.thread.is_finished());
        self.thread.join().unwrap();
    }
}

fn wait(otherwise: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{otherwise}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
