//! wasi-common
