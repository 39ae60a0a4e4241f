//! Never returns from the callback that the request header `x-loop` names, or with the configuration
//! `loop-on-start` from its start (Proxy-Wasm ABI 0.2.1).

use std::hint::black_box;

use faults::Fault;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        faults::root(Fault { header: "x-loop", on_start: b"loop-on-start", commit: spin })
    });
}}

// Not inlined, so that backtraces show it.
#[inline(never)]
fn spin(_callback: &str) {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}
