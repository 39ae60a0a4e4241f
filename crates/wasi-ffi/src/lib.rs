//! wasi-ffi
