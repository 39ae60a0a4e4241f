//! wasi-bytestream
