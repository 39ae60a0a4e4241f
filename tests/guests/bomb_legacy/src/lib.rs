//! Allocates memory until it traps, in the callback that the request header `x-bomb` names, or with the
//! configuration `bomb-on-start` while it starts (Proxy-Wasm ABI 0.2.1).

use std::hint::black_box;

use faults::Fault;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        faults::root(Fault { header: "x-bomb", on_start: b"bomb-on-start", commit: allocate })
    });
}}

/// Bytes taken at a time.
const BLOCK: usize = 1 << 20;

// Not inlined, so that backtraces show it.
#[inline(never)]
fn allocate(_callback: &str) {
    let mut blocks = Vec::new();
    loop {
        // Written to, so that it is memory and not a promise of memory.
        blocks.push(black_box(vec![0xA5_u8; BLOCK]));
    }
}
