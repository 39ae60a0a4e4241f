//! An origin server.

use super::PATIENCE;
use super::wire::Message;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// A server that answers by a function, one thread for each connection. Ends with the test's process.
pub struct Origin {
    address: SocketAddr,
    requests: Receiver<Message>,
}

// === impl Origin ===

impl Origin {
    /// Answers each request, once it has come whole, with the bytes that `answer` gives.
    ///
    /// # Panics
    /// The system gives no socket.
    pub fn start(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::raw(move |mut reader, requests| {
            while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
                request.read_body(&mut reader);
                let bytes = answer(&request);
                let _ = requests.send(request);
                if reader.get_mut().write_all(&bytes).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers each request with these bytes.
    pub fn fixed(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_| bytes.clone())
    }

    /// Serves each connection by a function, which sends on what the test is to see.
    ///
    /// # Panics
    /// The system gives no socket.
    pub fn raw(serve: impl Fn(BufReader<TcpStream>, Sender<Message>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (serve, sender) = (Arc::clone(&serve), sender.clone());
                thread::spawn(move || serve(BufReader::new(stream), sender));
            }
        });
        Self { address, requests }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that it got besides.
    pub fn received_now(&self) -> impl Iterator<Item = Message> {
        self.requests.try_iter()
    }

    /// The next request that it got.
    ///
    /// # Panics
    /// It gets none.
    pub fn received(&self) -> Message {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }
}
