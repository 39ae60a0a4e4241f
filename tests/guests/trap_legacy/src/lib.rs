//! Traps in the callback that the request header `x-trap` names, or with the configuration `trap-on-start`
//! while it starts (Proxy-Wasm ABI 0.2.1).

use faults::Fault;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        faults::root(Fault { header: "x-trap", on_start: b"trap-on-start", commit: trap })
    });
}}

// Not inlined, so that backtraces show it.
#[inline(never)]
fn trap(callback: &str) {
    panic!("a trap was asked for in {callback}");
}
