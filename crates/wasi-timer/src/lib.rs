//! The interface `wasi-timer` of the Proxy-Wasm talk of April 2021: timers of plugins, periodic and one-off.
//!
//! Today this crate holds the interface and no implementation. Everything in [`bindings`] is generated from
//! `witx/wasi_timer.witx`: the types, the trait [`WasiTimer`](bindings::wasi_timer::WasiTimer) with one function for each hostcall, the
//! linker glue [`add_to_linker`], the typed [`Callbacks`](bindings::Callbacks) of a plugin.
//! A host that wants to offer `wasi-timer` implements the trait. `proxywasm-host` does not offer it yet.
//!
//! # Example
//!
//! ```
//! use wasi_timer::bindings;
//!
//! assert_eq!(bindings::MODULE, "wasi-timer");
//! assert!(bindings::HOSTCALLS.contains(&"create_timer"));
//! assert!(bindings::CALLBACKS.contains(&"proxy_on_timer_ready"));
//! ```
#![forbid(unsafe_code)]

pub mod bindings;

pub use bindings::add_to_linker;
