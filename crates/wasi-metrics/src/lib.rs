//! The interface `wasi-metrics` of the Proxy-Wasm talk of April 2021: counters, gauges and histograms of plugins.
//!
//! Today this crate holds the interface and no implementation. Everything in [`bindings`] is generated from
//! `witx/wasi_metrics.witx`: the types, the trait [`WasiMetrics`](bindings::wasi_metrics::WasiMetrics) with one function for each hostcall, the
//! linker glue [`add_to_linker`].
//! A host that wants to offer `wasi-metrics` implements the trait. `proxywasm-host` does not offer it yet.
//!
//! # Example
//!
//! ```
//! use wasi_metrics::bindings;
//!
//! assert_eq!(bindings::MODULE, "wasi-metrics");
//! assert!(bindings::HOSTCALLS.contains(&"create_metric"));
//! assert!(bindings::CALLBACKS.is_empty());
//! ```
#![forbid(unsafe_code)]

pub mod bindings;

pub use bindings::add_to_linker;
