//! wasi-log
