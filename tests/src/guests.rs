//! The sample plugins: prebuilt ones, or those in the folder that `PROXYWASM_GUESTS` names (`cargo xtask
//! guests --check` sets it).

#![allow(
    clippy::panic,
    reason = "a test that cannot read its plugin has to fail, and says why"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use wasmparser::{ExternalKind, Parser, Payload};

/// Changes headers and trailers; ABI 0.2.1.
pub const HEADERS_LEGACY: &str = "headers_legacy";
/// Rewrites bodies; ABI 0.2.1.
pub const BODY_LEGACY: &str = "body_legacy";
/// Answers requests without the right token itself; ABI 0.2.1.
pub const AUTH_LEGACY: &str = "auth_legacy";
/// Turns its configuration into response headers; ABI 0.2.1.
pub const CONFIGURATION_LEGACY: &str = "configuration_legacy";
/// Changes headers and trailers; component ABI.
pub const HEADERS_COMPONENT: &str = "headers_component";
/// Rewrites bodies; component ABI.
pub const BODY_COMPONENT: &str = "body_component";
/// Answers requests without the right token itself; component ABI.
pub const AUTH_COMPONENT: &str = "auth_component";
/// Turns its configuration into response headers; component ABI.
pub const CONFIGURATION_COMPONENT: &str = "configuration_component";
/// Traps on demand; ABI 0.2.1.
pub const TRAP_LEGACY: &str = "trap_legacy";
/// Never returns, on demand; ABI 0.2.1.
pub const LOOP_LEGACY: &str = "loop_legacy";
/// Eats all memory, on demand; ABI 0.2.1.
pub const BOMB_LEGACY: &str = "bomb_legacy";
/// Adds one request header; ABI 0.2.1.
pub const ADD_HEADER_LEGACY: &str = "add_header_legacy";
/// Adds one request header; component ABI.
pub const ADD_HEADER_COMPONENT: &str = "add_header_component";
/// Forwards everything, from every callback; ABI 0.2.1.
pub const FORWARD_LEGACY: &str = "forward_legacy";
/// Forwards everything, from every callback; component ABI.
pub const FORWARD_COMPONENT: &str = "forward_component";
/// Asks an HTTP and a gRPC service about each request; ABI 0.2.1.
pub const CALL_LEGACY: &str = "call_legacy";
/// Asks an HTTP and a gRPC service about each request; component ABI.
pub const CALL_COMPONENT: &str = "call_component";
/// Reports each request to an upstream; component ABI.
pub const REPORT_COMPONENT: &str = "report_component";
/// Reads answers of calls and gRPC streams as they come; ABI 0.2.1.
pub const STREAM_LEGACY: &str = "stream_legacy";
/// Reads answers of calls and gRPC streams as they come; component ABI.
pub const STREAM_COMPONENT: &str = "stream_component";
/// Counts requests in a store; ABI 0.2.1.
pub const STORE_LEGACY: &str = "store_legacy";
/// Counts requests in a store; component ABI.
pub const STORE_COMPONENT: &str = "store_component";
/// Puts requests into a queue, or takes them out; ABI 0.2.1.
pub const QUEUE_LEGACY: &str = "queue_legacy";
/// Puts requests into a queue, or takes them out; component ABI.
pub const QUEUE_COMPONENT: &str = "queue_component";
/// Counts timers that fire; component ABI.
pub const TIMER_COMPONENT: &str = "timer_component";
/// Counts ticks; ABI 0.2.1.
pub const TICK_LEGACY: &str = "tick_legacy";
/// Keeps metrics of requests; ABI 0.2.1.
pub const METRICS_LEGACY: &str = "metrics_legacy";
/// Keeps metrics of requests; component ABI.
pub const METRICS_COMPONENT: &str = "metrics_component";
/// Counts and changes what TCP streams carry; ABI 0.2.1.
pub const TCP_LEGACY: &str = "tcp_legacy";
/// Counts and changes what TCP streams carry; component ABI.
pub const TCP_COMPONENT: &str = "tcp_component";
/// Calls functions of the embedder, and is called by it; ABI 0.2.1.
pub const FFI_LEGACY: &str = "ffi_legacy";
/// Calls functions of the embedder, and is called by it; component ABI.
pub const FFI_COMPONENT: &str = "ffi_component";
/// Writes log lines, and follows the log level; component ABI.
pub const LOG_COMPONENT: &str = "log_component";
/// Counts requests in a store, in C; component ABI.
pub const C_COMPONENT: &str = "c_component";
/// Does what the plugins of all SDKs do; the crate `proxy-wasm` 0.2, ABI 0.2.1.
pub const SDK_RUST: &str = "sdk_rust";
/// Does what the plugins of all SDKs do; the crate `proxy-wasm` 0.1, ABI 0.1.0.
pub const SDK_RUST01: &str = "sdk_rust01";
/// Does what the plugins of all SDKs do; Go, ABI 0.2.0.
pub const SDK_GO: &str = "sdk_go";
/// Does what the plugins of all SDKs do; C++, ABI 0.2.1.
pub const SDK_CPP: &str = "sdk_cpp";
/// Does what the plugins of all SDKs do; AssemblyScript, ABI 0.2.0.
pub const SDK_ASSEMBLYSCRIPT: &str = "sdk_assemblyscript";

/// The plugins that do the same with each SDK.
pub const SDKS: [&str; 5] = [SDK_RUST, SDK_RUST01, SDK_GO, SDK_CPP, SDK_ASSEMBLYSCRIPT];
/// Makes the hostcalls that a request asks for, and reports every callback and hostcall; ABI 0.2.1.
pub const PROBE_LEGACY: &str = "probe_legacy";

/// All plugins.
pub const ALL: &[&str] = &[
    HEADERS_LEGACY,
    BODY_LEGACY,
    AUTH_LEGACY,
    CONFIGURATION_LEGACY,
    HEADERS_COMPONENT,
    BODY_COMPONENT,
    AUTH_COMPONENT,
    CONFIGURATION_COMPONENT,
    TRAP_LEGACY,
    LOOP_LEGACY,
    BOMB_LEGACY,
    ADD_HEADER_LEGACY,
    ADD_HEADER_COMPONENT,
    FORWARD_LEGACY,
    FORWARD_COMPONENT,
    CALL_LEGACY,
    CALL_COMPONENT,
    REPORT_COMPONENT,
    STREAM_LEGACY,
    STREAM_COMPONENT,
    STORE_LEGACY,
    STORE_COMPONENT,
    QUEUE_LEGACY,
    QUEUE_COMPONENT,
    TIMER_COMPONENT,
    TICK_LEGACY,
    METRICS_LEGACY,
    METRICS_COMPONENT,
    TCP_LEGACY,
    TCP_COMPONENT,
    FFI_LEGACY,
    FFI_COMPONENT,
    LOG_COMPONENT,
    C_COMPONENT,
    SDK_RUST,
    SDK_RUST01,
    SDK_GO,
    SDK_CPP,
    SDK_ASSEMBLYSCRIPT,
    PROBE_LEGACY,
];

/// The manifest of the plugins.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// The plugins by name.
    pub guests: BTreeMap<String, Entry>,
}

/// What the manifest tells about a plugin.
#[derive(Debug, Deserialize)]
pub struct Entry {
    /// Version of the ABI: `0.1.0`, `0.2.0`, `0.2.1`, or `2021-04` for the component ABI.
    pub abi: String,
    /// Source folder, relative to the repository.
    pub source: String,
    /// SHA-256 of the module, in hexadecimal.
    pub sha256: String,
    /// Bytes of the module.
    pub size: usize,
}

/// The folder of the plugins.
pub fn folder() -> PathBuf {
    env::var_os("PROXYWASM_GUESTS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/guests/prebuilt")),
        PathBuf::from,
    )
}

/// The file of a plugin.
pub fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.wasm"))
}

/// Reads the manifest.
///
/// # Panics
/// Where there is none, or none that can be read.
pub fn manifest() -> Manifest {
    let path = folder().join("MANIFEST.json");
    let text = fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a plugin, and checks that it is of the ABI that the manifest tells.
///
/// # Panics
/// Where it is not in the manifest, cannot be read, or lacks the marker of its ABI.
pub fn load(name: &str) -> Vec<u8> {
    let path = path(name);
    let wasm = fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()));
    let manifest = manifest();
    let Some(entry) = manifest.guests.get(name) else {
        panic!(
            "the manifest in {} does not know {name}; run `cargo xtask guests`",
            folder().display()
        );
    };
    let marker = format!("proxy_abi_version_{}", entry.abi.replace(['.', '-'], "_"));
    let exports = exported_functions(&wasm);
    assert!(
        exports.contains(&marker),
        "{name} is of ABI {}, but does not export {marker}",
        entry.abi
    );
    wasm
}

/// Names of the functions that a module exports.
///
/// # Panics
/// Where it is no module.
pub fn exported_functions(wasm: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.unwrap_or_else(|error| panic!("not a module: {error}"));
        let Payload::ExportSection(exports) = payload else {
            continue;
        };
        for export in exports {
            let export = export.unwrap_or_else(|error| panic!("not a module: {error}"));
            if export.kind == ExternalKind::Func {
                names.push(export.name.to_owned());
            }
        }
    }
    names
}
