//! wasi-http
