//! `wasi-timer`: timers of plugins, periodic and one-off, as the wasi-timer page of the Proxy-Wasm talk of April 2021 has them.
//!
//! [`Timers`] holds the timers of one instance and says which is due when. A periodic timer keeps its schedule: periods that passed
//! while the host was busy are made up by one callback, and no callback comes early for it. A one-off timer's id is valid in its
//! callback and ends with it. A plugin has as many timers as [`wasi_common::Limits::handles`] allows.
//!
//! It is no clock and no event loop: it never waits. Whoever drives the instance passes the time in, waits until
//! [`Timers::next_due`], and calls the plugin.
//!
//! # Example
//!
//! A guest that sets itself a one-off timer over and over. The crate's README has one with a periodic timer.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, CallScope, Common, CommonView, PluginSettings};
//! use wasi_timer::{Callbacks, TimerCallbacks, TimerView, Timers};
//! use wasmtime::{AsContextMut, Engine, Linker, Module, Store};
//!
//! #[derive(Default)]
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     timers: Timers,
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
//! impl TimerView for State {
//!     fn timers(&mut self) -> (&mut Common, &mut Timers) {
//!         (&mut self.common, &mut self.timers)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-timer" "create_timer" (func $create (param i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (func (export "proxy_on_timer_ready") (param $timer i32)
//!         ;; each time twice the period: 10 ms, 20 ms, 40 ms ...; the id is written to address 4
//!         (i32.store (i32.const 0) (i32.mul (i32.load (i32.const 0)) (i32.const 2)))
//!         (drop (call $create (i32.load (i32.const 0)) (i32.const 1) (i32.const 4))))
//!     (data (i32.const 0) "\05\00\00\00"))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_timer::add_to_linker(&mut linker)?;
//! let mut store = Store::new(&engine, State::default());
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//! let callbacks = Callbacks::load(&mut store, &instance)?;
//!
//! // One plugin, and a first timer of its own.
//! let mut now = Instant::now();
//! let (common, timers) = store.data_mut().timers();
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("doubling", AbiPolicy::COMPONENT)));
//! common.scope = CallScope::new(plugin_id, plugin_id, "on_timer_ready");
//! timers.create(common, Duration::ZERO, true).unwrap();
//! timers.arm(now);
//!
//! let mut waited = Vec::new();
//! while let Some(due) = store.data().timers.next_due().filter(|_| waited.len() < 4) {
//!     waited.push(due.duration_since(now).as_millis()); // here a host waits
//!     now = due;
//!     for timer in store.data_mut().timers.take_due(now) {
//!         if store.data_mut().timers.begin(timer) {
//!             callbacks.on_timer_ready(store.as_context_mut(), timer)?;
//!             store.data_mut().timers.end(timer, now);
//!         }
//!     }
//!     store.data_mut().timers.arm(now);
//! }
//! assert_eq!(waited, [0, 10, 20, 40]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod bindings;
pub mod callbacks;
pub mod core;
pub mod hostcalls;

pub use self::core::{TimerKey, Timers};
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::TimerCallbacks;

/// Store data that holds timers.
pub trait TimerView: wasi_common::CommonView {
    /// The shared state and the timers.
    fn timers(&mut self) -> (&mut wasi_common::Common, &mut Timers);
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
