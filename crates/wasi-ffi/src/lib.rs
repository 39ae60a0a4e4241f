//! The interface `wasi-ffi` of the Proxy-Wasm talk of April 2021: functions that the embedder offers to plugins, and calls of the embedder into plugins.
//!
//! Today this crate holds the interface and no implementation. Everything in [`bindings`] is generated from
//! `witx/wasi_ffi.witx`: the types, the trait [`WasiFfi`](bindings::wasi_ffi::WasiFfi) with one function for each hostcall, the
//! linker glue [`add_to_linker`], the typed [`Callbacks`](bindings::Callbacks) of a plugin.
//! A host that wants to offer `wasi-ffi` implements the trait. `proxywasm-host` does not offer it yet.
//!
//! # Example
//!
//! ```
//! use wasi_ffi::bindings;
//!
//! assert_eq!(bindings::MODULE, "wasi-ffi");
//! assert!(bindings::HOSTCALLS.contains(&"call_custom_function"));
//! assert!(bindings::CALLBACKS.contains(&"proxy_on_custom_callback"));
//! ```
#![forbid(unsafe_code)]

pub mod bindings;

pub use bindings::add_to_linker;
