//! Routes over real sockets: which upstream a request goes to, and what it and the client get.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

mod documentation;
mod headers;
mod of_upstream;
mod plugins;
mod table;

use proxywasm_tests::harness::{Message, Origin};

/// An upstream that answers with its name, and tells in headers what it got.
fn named(name: &'static str) -> Origin {
    Origin::start(move |request: &Message| {
        let told = [
            ("x-target", request.start.split(' ').nth(1).map(str::to_owned)),
            ("x-host", request.header("host")),
            ("x-got", request.header("x-edit")),
        ];
        let mut response = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-secret: 1\r\n",
            name.len()
        );
        for (name, value) in told {
            response.push_str(&format!("{name}: {}\r\n", value.unwrap_or_default()));
        }
        format!("{response}\r\n{name}").into()
    })
}
