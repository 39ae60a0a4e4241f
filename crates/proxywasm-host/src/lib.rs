//! proxywasm-host
