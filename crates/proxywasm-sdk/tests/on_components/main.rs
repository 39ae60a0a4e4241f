//! The sample plugins that are written with this crate, and the one in C, on the bare component crates.

mod bytestream;
mod callouts;
mod harness;
mod http;
mod services;
