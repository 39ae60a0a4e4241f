//! A client.

use super::PATIENCE;
use super::wire::Message;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// A connection of a client.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<TcpStream>,
}

// === impl Client ===

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// Nobody listens there.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            reader: BufReader::new(stream),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// The connection is closed.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.reader.get_ref().write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends bytes, and tells whether the connection took them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.get_ref().write_all(bytes.as_ref()).is_ok()
    }

    /// A request without a body: `GET /path` with headers, each ending in a line feed, and its response.
    ///
    /// # Panics
    /// No response comes.
    pub fn request(&mut self, request: &str, headers: &[(&str, &str)]) -> Message {
        self.send(head(request, headers));
        self.receive(request.starts_with("HEAD "))
    }

    /// A request with a body and a content-length, and its response.
    ///
    /// # Panics
    /// No response comes.
    pub fn request_with_body(&mut self, request: &str, headers: &[(&str, &str)], body: &[u8]) -> Message {
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", length.as_str())]].concat();
        self.send(head(request, &headers)).send(body);
        self.receive(false)
    }

    /// Receives a response. One to `HEAD` has no body, whatever its head says.
    ///
    /// # Panics
    /// None comes.
    pub fn receive(&mut self, to_head: bool) -> Message {
        self.try_receive(to_head).expect("a response")
    }

    /// Receives a response; `None` if the connection ends instead.
    pub fn try_receive(&mut self, to_head: bool) -> Option<Message> {
        let mut message = Message::read_head(&mut self.reader).ok()??;
        let status = message.status();
        if to_head || status < 200 || status == 204 || status == 304 {
            message.complete = true;
        } else {
            message.read_body(&mut self.reader);
        }
        Some(message)
    }

    /// Reads exactly so many bytes.
    ///
    /// # Panics
    /// They do not come.
    pub fn receive_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads until the other side closes, and tells how many bytes came. To be used for bodies that are too large to keep.
    ///
    /// # Panics
    /// The connection breaks.
    pub fn count_to_end(&mut self) -> usize {
        let mut buffer = vec![0; 64 << 10];
        let mut count = 0;
        loop {
            match self.reader.read(&mut buffer).unwrap() {
                0 => return count,
                read => count += read,
            }
        }
    }

    /// Reads the head of a response, not its body.
    ///
    /// # Panics
    /// None comes.
    pub fn receive_head(&mut self) -> Message {
        Message::read_head(&mut self.reader).unwrap().expect("a response")
    }

    /// Whether the other side has closed, or closes soon.
    pub fn is_closed(&mut self) -> bool {
        match self.reader.read(&mut [0]) {
            Ok(read) => read == 0,
            // Nothing has come for as long as one waits here.
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    /// Ends the sending half.
    ///
    /// # Panics
    /// The connection is closed.
    pub fn shut_down_sending(&mut self) {
        self.reader.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// A second handle on the connection, to send while the first receives.
    ///
    /// # Panics
    /// The system gives none.
    pub fn sender(&self) -> TcpStream {
        self.reader.get_ref().try_clone().unwrap()
    }
}

fn head(request: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{request} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str("host: example.test\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}
