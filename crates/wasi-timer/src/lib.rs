//! wasi-timer
