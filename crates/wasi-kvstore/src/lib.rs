//! The interface `wasi-kvstore` of the Proxy-Wasm talk of April 2021: key-value stores that plugins share, with several values for a key and compare-and-swap.
//!
//! Today this crate holds the interface and no implementation. Everything in [`bindings`] is generated from
//! `witx/wasi_kvstore.witx`: the types, the trait [`WasiKvstore`](bindings::wasi_kvstore::WasiKvstore) with one function for each hostcall, the
//! linker glue [`add_to_linker`].
//! A host that wants to offer `wasi-kvstore` implements the trait. `proxywasm-host` does not offer it yet.
//!
//! # Example
//!
//! ```
//! use wasi_kvstore::bindings;
//!
//! assert_eq!(bindings::MODULE, "wasi-kvstore");
//! assert!(bindings::HOSTCALLS.contains(&"open_shared_kvstore"));
//! assert!(bindings::CALLBACKS.is_empty());
//! ```
#![forbid(unsafe_code)]

pub mod bindings;

pub use bindings::add_to_linker;
