//! The interface `wasi-bytestream` of the Proxy-Wasm talk of April 2021: TCP streams that pass through a host: new connections, data in both directions, closing.
//!
//! Today this crate holds the interface and no implementation. Everything in [`bindings`] is generated from
//! `witx/wasi_bytestream.witx`: the types, the trait [`WasiBytestream`](bindings::wasi_bytestream::WasiBytestream) with one function for each hostcall, the
//! linker glue [`add_to_linker`], the typed [`Callbacks`](bindings::Callbacks) of a plugin.
//! A host that wants to offer `wasi-bytestream` implements the trait. `proxywasm-host` does not offer it yet.
//!
//! # Example
//!
//! ```
//! use wasi_bytestream::bindings;
//!
//! assert_eq!(bindings::MODULE, "wasi-bytestream");
//! assert!(bindings::HOSTCALLS.contains(&"resume_downstream"));
//! assert!(bindings::CALLBACKS.contains(&"proxy_on_downstream_data"));
//! ```
#![forbid(unsafe_code)]

pub mod bindings;

pub use bindings::add_to_linker;
