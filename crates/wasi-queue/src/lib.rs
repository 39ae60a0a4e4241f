//! wasi-queue
