//! `wasi-metrics`: counters, gauges and histograms of plugins, as the wasi-metrics page of the Proxy-Wasm talk of April 2021 has them.
//!
//! [`Metrics`] knows the metrics of one instance by id; the figures are in a [`Registry`] that all workers of a process share, so that
//! there is one figure for each name, and an instance that takes over from one that failed goes on with it. Changing a metric takes no
//! lock. The host puts a scope before each name, by default the plugin's name; names may be any bytes. The registry bounds how many
//! metrics there are, and [`Registry::render`] writes them in the text format of Prometheus.
//!
//! It is no exporter: it serves no page and pushes nothing. It has no labels, which the talk does not have either; [`Registry::metrics`]
//! is for who wants to export in another way.
//!
//! # Example
//!
//! A figure that two instances of a plugin share. The crate's README has an example with all types.
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, CallScope, Common, CommonView, PluginSettings};
//! use wasi_metrics::{Metrics, MetricsView, Registry};
//! use wasmtime::{Engine, Linker, Module, Store};
//!
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     metrics: Metrics,
//! }
//! # impl GuestMemoryView for State {
//! #     fn memory_slot(&mut self) -> &mut MemorySlot {
//! #         &mut self.memory
//! #     }
//! # }
//! # impl CommonView for State {
//! #     fn common(&mut self) -> &mut Common {
//! #         &mut self.common
//! #     }
//! # }
//!
//! impl MetricsView for State {
//!     fn metrics(&mut self) -> (&mut Common, &mut Metrics) {
//!         (&mut self.common, &mut self.metrics)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-metrics" "create_metric" (func $create (param i32 i32 i32 i32) (result i32)))
//!     (import "wasi-metrics" "increment_metric_value" (func $increment (param i32 i64) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\08\00\00\00\08\00\00\00requests")  ;; one iovec, and what it points to
//!     (func (export "count") (result i32)
//!         (drop (call $create (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))  ;; a counter
//!         (call $increment (i32.load (i32.const 16)) (i64.const 1))))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_metrics::add_to_linker(&mut linker)?;
//! let module = Module::new(&engine, wat::parse_str(guest)?)?;
//! let registry = Arc::new(Registry::default());
//! for _ in 0..2 {
//!     let mut common = Common::default();
//!     let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("my-plugin", AbiPolicy::COMPONENT)));
//!     common.scope = CallScope::new(plugin_id, plugin_id, "count");
//!     let metrics = Metrics::new(Arc::clone(&registry));
//!     let mut store = Store::new(&engine, State { memory: MemorySlot::default(), common, metrics });
//!     let instance = linker.instantiate(&mut store, &module)?;
//!     assert_eq!(instance.get_typed_func::<(), u32>(&mut store, "count")?.call(&mut store, ())?, 0);
//! }
//! assert!(registry.render().ends_with("\nplugin_my_plugin_requests 2\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod backend;
pub mod bindings;
pub mod core;
pub mod hostcalls;
mod name;
pub mod series;

pub use self::core::Metrics;
pub use backend::{CONTENT_TYPE, Registry, RegistrySettings};
pub use bindings::add_to_linker;
pub use series::{Figure, Series};

/// Store data that holds metrics.
pub trait MetricsView: wasi_common::CommonView {
    /// The shared state and the metrics.
    fn metrics(&mut self) -> (&mut wasi_common::Common, &mut Metrics);
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
