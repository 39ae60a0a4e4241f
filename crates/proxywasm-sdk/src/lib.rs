//! proxywasm-sdk
