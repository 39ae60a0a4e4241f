//! wasi-metrics
