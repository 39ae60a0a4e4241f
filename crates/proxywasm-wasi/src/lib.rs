//! proxywasm-wasi
