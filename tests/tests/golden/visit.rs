//! What clients do. The lines below `request: METHOD PATH`, or below `connect:` for a TCP connection:
//!
//! | line | what the client does |
//! |---|---|
//! | `name: value` | a header of the request |
//! | `body 'text'` | a body with a content-length; `'text'*N` is N times the text |
//! | `chunk 'text'`, `trailer name: value` | a body in chunks, and its trailers |
//! | `after TEXT` | begins once the plugin has reported TEXT; otherwise once the client before it is done |
//! | `wait TEXT` | waits until the plugin has reported TEXT |
//! | `send 'text'`, `read N`, `end` | data of a TCP connection, so many bytes of the other side, its end |
//! | `leave` | closes the connection, and reads nothing |

use crate::outcome::{line, quote};
use crate::world::Reports;
use proxywasm_tests::harness::{Client, chunked};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// One client.
pub(crate) struct Visit {
    /// `METHOD PATH`; empty for a TCP connection.
    request: String,
    lines: Vec<String>,
    /// What the plugin does with it.
    pub(crate) script: String,
}

impl Visit {
    pub(crate) fn parse(field: &str, lines: &[String]) -> Self {
        let (request, lines) = match lines.split_first() {
            Some((request, lines)) if field == "request" => (request.clone(), lines),
            _ => (String::new(), lines),
        };
        Self {
            request,
            lines: lines.to_vec(),
            script: String::new(),
        }
    }

    /// Whether it is a TCP connection.
    pub(crate) fn is_connection(&self) -> bool {
        self.request.is_empty()
    }

    /// What has to be reported before it begins.
    pub(crate) fn after(&self) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix("after "))
    }

    /// Does it, and says what the client got.
    pub(crate) fn make(&self, address: SocketAddr, case: &str, reports: &Reports) -> String {
        if self.is_connection() {
            self.connect(address, reports)
        } else {
            self.ask(address, case, reports)
        }
    }

    fn ask(&self, address: SocketAddr, case: &str, reports: &Reports) -> String {
        let mut client = Client::connect(address);
        let mut bytes = format!("{} HTTP/1.1\r\n", self.request).into_bytes();
        let is_header = |line: &&String| {
            let word = line.split(' ').next().unwrap_or_default();
            word.ends_with(':')
        };
        let mut headers: Vec<String> = self.lines.iter().filter(is_header).cloned().collect();
        if !headers.iter().any(|line| line.starts_with("host:")) {
            headers.insert(0, "host: example.test".to_owned());
        }
        headers.push(format!("x-case: {case}"));
        let probe = if self.lines.iter().any(|line| line.starts_with("x-probe")) {
            None
        } else {
            Some(&self.script)
        };
        headers.extend(probe.map(|script| format!("x-probe: {script}")));
        let bodies: Vec<&str> = self
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("body "))
            .collect();
        let chunks = self
            .lines
            .iter()
            .any(|line| line.starts_with("chunk ") || line.starts_with("trailer "));
        if chunks {
            headers.push("transfer-encoding: chunked".to_owned());
        }
        if let Some(body) = bodies.first() {
            headers.push(format!("content-length: {}", unquote(body).len()));
        }
        for header in headers {
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        let mut trailers = Vec::new();
        for step in &self.lines {
            let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
            match word {
                "body" => bytes.extend(unquote(rest)),
                "chunk" => {
                    let last = chunked(&[], &[]).len();
                    let chunk = chunked(&[&unquote(rest)], &[]);
                    bytes.extend(&chunk[..chunk.len() - last]);
                }
                "trailer" => trailers.push(rest.split_once(": ").expect("name: value")),
                "wait" => {
                    client.try_send(std::mem::take(&mut bytes));
                    reports.wait_for(case, rest);
                }
                "leave" => {
                    client.try_send(bytes);
                    drop(client);
                    return "left".to_owned();
                }
                _ => {}
            }
        }
        if chunks {
            bytes.extend(chunked(&[], &trailers));
        }
        client.try_send(bytes);
        match client.try_receive(self.request.starts_with("HEAD ")) {
            // How much of a response that breaks off has come by then is a matter of time.
            Some(message) if message.complete => line(&message),
            _ => "broken off".to_owned(),
        }
    }

    fn connect(&self, address: SocketAddr, reports: &Reports) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(proxywasm_tests::harness::PATIENCE))
            .unwrap();
        for step in &self.lines {
            let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
            match word {
                "send" => drop(stream.write_all(&unquote(rest))),
                "wait" => reports.wait_for("-", rest),
                "read" => drop(stream.read_exact(&mut vec![0; rest.parse().unwrap()])),
                "end" => drop(stream.shutdown(Shutdown::Write)),
                "leave" => return "left".to_owned(),
                other => panic!("`{other}` is nothing that a connection does"),
            }
        }
        let mut bytes = Vec::new();
        let end = match stream.read_to_end(&mut bytes) {
            Ok(_) => "end",
            Err(_) => "reset",
        };
        format!("{} {end}", quote(&bytes))
    }
}

/// The bytes of `'text'` and of `'text'*N`.
fn unquote(word: &str) -> Vec<u8> {
    let (text, times) = match word.rsplit_once("'*") {
        Some((text, times)) => (text, times.parse().unwrap()),
        None => (word.trim_end_matches('\''), 1),
    };
    text.trim_start_matches('\'')
        .replace("\\n", "\n")
        .repeat(times)
        .into_bytes()
}
