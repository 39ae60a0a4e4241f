//! How a proxy stops: what clients are told, what goes on, what is cut.

#![cfg(test)]

mod deadline;
mod http1;
mod http2;

use proxywasm_runner::DrainSettings;
use proxywasm_tests::harness::Origin;
use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// Not at all, for all that is to be seen.
const SHORT: Duration = Duration::from_millis(1);

fn settings(delay: Duration, deadline: Duration, idle: Duration) -> DrainSettings {
    DrainSettings {
        delay,
        deadline,
        idle,
    }
}

/// An origin that answers each request with `done` when it is let.
fn held() -> (Origin, Sender<()>) {
    let (release, released) = channel();
    let released = Mutex::new(released);
    let origin = Origin::raw(move |mut reader, requests| {
        while let Ok(Some(request)) = proxywasm_tests::harness::Message::read_head(&mut reader) {
            let _ = requests.send(request);
            let _ = released.lock().unwrap().recv();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
            if reader.get_mut().write_all(answer).is_err() {
                return;
            }
        }
    });
    (origin, release)
}
