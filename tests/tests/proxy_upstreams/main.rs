//! Upstreams of several servers over real sockets: who gets what, and what happens when some of them fail.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

mod balance;
mod failures;
mod health;
mod limits;
mod timeouts;

use proxywasm_tests::harness::{Message, PATIENCE, Proxy, configured};
use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a server answers; nothing: it closes the connection instead.
type Answer = dyn Fn(&Message) -> Option<Vec<u8>> + Send + Sync;

/// A server that can be stopped, as by a crash, and started again on its port.
struct Server {
    address: SocketAddr,
    answer: Arc<Answer>,
    /// Requests that it got.
    seen: Arc<AtomicUsize>,
    running: Option<Running>,
}

struct Running {
    stop: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// One that answers with its name.
    fn named(name: &'static str) -> Self {
        Self::start(move |_| Some(ok(name)))
    }

    fn start(answer: impl Fn(&Message) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let mut server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            answer: Arc::new(answer),
            seen: Arc::default(),
            running: None,
        };
        server.start_again();
        server
    }

    fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::clone(&self.answer), Arc::clone(&self.seen));
        let (stopped, opened) = (Arc::clone(&stop), Arc::clone(&connections));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                opened.lock().unwrap().push(stream.try_clone().unwrap());
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || serve(stream, &*answer, &seen));
            }
        });
        self.running = Some(Running {
            stop,
            connections,
            accepting,
        });
    }

    fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.store(true, Ordering::Relaxed);
        // So that it looks.
        drop(TcpStream::connect(self.address));
        running.accepting.join().unwrap();
        for connection in running.connections.lock().unwrap().drain(..) {
            // It may be closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }
}

fn serve(stream: TcpStream, answer: &Answer, seen: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
        request.read_body(&mut reader);
        seen.fetch_add(1, Ordering::Relaxed);
        let answered = answer(&request).is_some_and(|bytes| reader.get_mut().write_all(&bytes).is_ok());
        if !answered {
            let _ = reader.get_ref().shutdown(Shutdown::Both);
            return;
        }
    }
}

fn ok(body: &str) -> Vec<u8> {
    response(200, body)
}

fn response(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// A proxy that sends all to one upstream of these servers.
fn before(servers: &[&Server], settings: &str) -> Proxy {
    let endpoints: Vec<String> = servers
        .iter()
        .map(|server| format!("{{ url: 'http://{}' }}", server.address))
        .collect();
    configured(&format!(
        "
workers: 1
listeners: [{{ address: 127.0.0.1:0, upstream: it }}]
upstreams: [{{ name: it, endpoints: [{}], {settings} }}]
",
        endpoints.join(", ")
    ))
}

/// How often which body came of so many requests, one after the other.
fn answers(proxy: &Proxy, count: usize) -> BTreeMap<String, usize> {
    let mut client = proxy.client();
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        *counts.entry(client.request("GET /", &[]).text()).or_insert(0) += 1;
    }
    counts
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let counts = expected.iter().map(|(name, count)| ((*name).to_owned(), *count));
    counts.collect()
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}
