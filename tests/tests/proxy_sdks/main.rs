//! The plugins that do the same with each SDK, over real sockets: whatever a plugin is built with, the same comes of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

mod failures;
mod inspection;
mod rows;
mod state;
mod together;

use proxywasm_host::PluginConfig;
use proxywasm_tests::harness::{Message, Origin};
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Barrier};

/// What the plugins call themselves in these tests.
const NAME: &str = "green";

/// A plugin that is called `NAME`, asks the upstream `service`, and counts ticks every so many milliseconds, or none with 0.
///
/// One SDK needs a `root_id`. Each plugin has shared data of its own.
fn config(guest: &str, tick: u32) -> PluginConfig {
    named(guest, NAME, tick)
}

/// The same, under a name.
fn named(guest: &str, name: &str, tick: u32) -> PluginConfig {
    PluginConfig {
        root_id: "sdk".to_owned(),
        vm_id: guest.to_owned(),
        configuration: format!("{name} {tick} service").into(),
        ..PluginConfig::new(guest)
    }
}

/// Answers requests whose path begins with `/echo` with what they had as their body, others with `Hello`.
fn origin() -> Origin {
    Origin::start(|request| {
        let body = match request.start.contains(" /echo") {
            true => request.body.clone(),
            false => b"Hello".to_vec(),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nserver-secret: abc\r\n\r\n");
        [head.as_bytes(), &body].concat()
    })
}

/// A service that plugins call: `/404` is not found, at `/drop` it breaks off, and everything else it answers with the path.
fn service() -> Origin {
    service_with_gate(Arc::new(Barrier::new(1)))
}

/// The same; a request for `/gate` is told to the test, and waits for it at a barrier.
fn service_with_gate(gate: Arc<Barrier>) -> Origin {
    Origin::raw(move |reader, seen| answer(reader, &seen, &gate))
}

fn answer(mut reader: BufReader<TcpStream>, seen: &Sender<Message>, gate: &Barrier) {
    while let Ok(Some(request)) = Message::read_head(&mut reader) {
        let path = request.start.split(' ').nth(1).unwrap().to_owned();
        let status = match path.as_str() {
            "/drop" => return,
            "/404" => "404 Not Found",
            "/gate" => {
                let _ = seen.send(request);
                gate.wait();
                "200 OK"
            }
            _ => "200 OK",
        };
        let body = format!("for {path}");
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
