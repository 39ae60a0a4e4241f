//! The interface `wasi-queue` of the Proxy-Wasm talk of April 2021: queues that plugins share.
//!
//! Today this crate holds the interface and no implementation. Everything in [`bindings`] is generated from
//! `witx/wasi_queue.witx`: the types, the trait [`WasiQueue`](bindings::wasi_queue::WasiQueue) with one function for each hostcall, the
//! linker glue [`add_to_linker`], the typed [`Callbacks`](bindings::Callbacks) of a plugin.
//! A host that wants to offer `wasi-queue` implements the trait. `proxywasm-host` does not offer it yet.
//!
//! # Example
//!
//! ```
//! use wasi_queue::bindings;
//!
//! assert_eq!(bindings::MODULE, "wasi-queue");
//! assert!(bindings::HOSTCALLS.contains(&"open_shared_queue"));
//! assert!(bindings::CALLBACKS.contains(&"proxy_on_shared_queue_ready"));
//! ```
#![forbid(unsafe_code)]

pub mod bindings;

pub use bindings::add_to_linker;
