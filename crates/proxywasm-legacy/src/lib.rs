//! proxywasm-legacy
