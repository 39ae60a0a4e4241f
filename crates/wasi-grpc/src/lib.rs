//! wasi-grpc
