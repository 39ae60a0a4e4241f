//! Updates at run time over real sockets: other configurations, other code of plugins, while clients are served.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

mod causes;
mod crash_loop;
mod listeners;
mod load;
mod plugins;
mod refusals;
mod upstreams;

use proxywasm_tests::harness::{Client, ConfigFolder, Proxy};
use serde_json::Value;

/// Answers each request with a status that is `base` and how many it has seen: in the memory of its instance, so a new one counts from
/// one. A request with a body is held until all of it is there. Logs `start BASE` and `end BASE`.
pub(crate) fn counter(base: u32) -> String {
    format!(
        r#"(module
        (import "wasi-http" "send_http_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (global $seen (mut i32) (i32.const 0))
        (data (i32.const 0) "\20\00\00\00\09\00\00\00\30\00\00\00\07\00\00\00")
        (data (i32.const 32) "start {base}")
        (data (i32.const 48) "end {base}")
        (func (export "proxy_abi_version_2021_04"))
        (func (export "proxy_on_plugin_start") (param i32 i32) (result i32)
            (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))) (i32.const 1))
        (func (export "proxy_on_plugin_shutdown") (param i32) (result i32)
            (drop (call $log (i32.const 2) (i32.const 8) (i32.const 1))) (i32.const 1))
        (func $count (param $context i32) (result i32)
            (call $answer (local.get $context) (i32.add (i32.const {base}) (global.get $seen))
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
        (func (export "proxy_on_http_request_headers") (param $context i32) (param i32) (param $ends i32) (result i32)
            (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
            (if (result i32) (local.get $ends) (then (call $count (local.get $context))) (else (i32.const 4))))
        (func (export "proxy_on_http_request_body") (param $context i32) (param i32) (param $ends i32) (result i32)
            (if (result i32) (local.get $ends) (then (call $count (local.get $context))) (else (i32.const 4)))))"#
    )
}

/// A listener with a plugin `p` of the file `p.wasm`.
pub(crate) const ONE: &str = "
workers: 1
listeners: [{ address: '127.0.0.1:0', plugins: [p] }]
plugins: [{ name: p, file: p.wasm }]
";

/// The headers of a request to the admin address.
pub(crate) const RELOAD: [(&str, &str); 2] = [("host", "127.0.0.1"), ("content-length", "0")];

/// A folder with that, where the plugin counts from 210.
pub(crate) fn one() -> ConfigFolder {
    let folder = ConfigFolder::new(ONE);
    folder.put_wat("p.wasm", &counter(210));
    folder
}

/// What the admin address says of plugins.
pub(crate) fn plugins(proxy: &Proxy) -> Value {
    let (status, text) = proxy.ask("GET /plugins", "");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Whether the page for Prometheus has a line.
pub(crate) fn has_figure(proxy: &Proxy, line: &str) -> bool {
    let (_, page) = proxy.ask("GET /metrics", "");
    page.lines().any(|of_page| of_page == line)
}

/// The status of the answer to a request on a connection.
pub(crate) fn status(client: &mut Client) -> u16 {
    client.request("GET /", &[]).status()
}
