//! wasi-context
