//! The older ABIs as guests and hosts see them.
#![cfg(test)]

mod addresses;
mod allocator;
mod buffers;
mod bytestreams;
mod callbacks;
mod functions;
mod grpc;
mod http_call;
mod imports;
mod log_and_time;
mod maps;
mod metrics;
mod older;
mod properties;
mod queues;
mod sdk;
mod shared_data;
mod start;
mod streams;
mod support;
mod ticks;
