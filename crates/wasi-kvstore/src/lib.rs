//! wasi-kvstore
