//! The interface `wasi-grpc` of the Proxy-Wasm talk of April 2021: gRPC calls and streams that a plugin opens to an upstream.
//!
//! Today this crate holds the interface and no implementation. Everything in [`bindings`] is generated from
//! `witx/wasi_grpc.witx`: the types, the trait [`WasiGrpc`](bindings::wasi_grpc::WasiGrpc) with one function for each hostcall, the
//! linker glue [`add_to_linker`], the typed [`Callbacks`](bindings::Callbacks) of a plugin.
//! A host that wants to offer `wasi-grpc` implements the trait. `proxywasm-host` does not offer it yet.
//!
//! # Example
//!
//! ```
//! use wasi_grpc::bindings;
//!
//! assert_eq!(bindings::MODULE, "wasi-grpc");
//! assert!(bindings::HOSTCALLS.contains(&"dispatch_grpc_call"));
//! assert!(bindings::CALLBACKS.contains(&"proxy_on_grpc_call_response"));
//! ```
#![forbid(unsafe_code)]

pub mod bindings;

pub use bindings::add_to_linker;
