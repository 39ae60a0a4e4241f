//! `wasi-context`: the life of plugins and of their stream contexts, as seed page "wasi-context" of the Proxy-Wasm talk of April
//! 2021 has it.
//!
//! A plugin starts with its configuration, gets a context for each stream, says goodbye to each, and may put its own end off until
//! it calls `plugin_shutdown`. This crate drives contexts; the table of them is [`wasi_common::ContextTable`], because every
//! component asks it.
//!
//! It decides no order between streams and keeps no clock: whoever drives the instance calls [`LifecycleCallbacks`] and carries
//! the [`Effect`]s out.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, CallScope, Common, CommonView, PluginSettings};
//! use wasi_context::{Callbacks, ConfigurationSizes, Effect, Lifecycle, LifecycleCallbacks, LifecycleView};
//! use wasmtime::{AsContextMut, Engine, Linker, Module, Store};
//!
//! #[derive(Default)]
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     lifecycle: Lifecycle,
//! }
//!
//! impl GuestMemoryView for State {
//!     fn memory_slot(&mut self) -> &mut MemorySlot {
//!         &mut self.memory
//!     }
//! }
//!
//! impl CommonView for State {
//!     fn common(&mut self) -> &mut Common {
//!         &mut self.common
//!     }
//! }
//!
//! impl LifecycleView for State {
//!     fn lifecycle(&mut self) -> (&mut Common, &mut Lifecycle) {
//!         (&mut self.common, &mut self.lifecycle)
//!     }
//! }
//!
//! // A plugin that refuses an empty configuration, puts its shutdown off and finishes it a callback later.
//! let guest = r#"(module
//!     (import "wasi-context" "plugin_shutdown" (func $finished (param i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (func (export "proxy_on_plugin_start") (param $plugin i32) (param $size i32) (result i32) (local.get $size))
//!     (func (export "proxy_on_plugin_shutdown") (param $plugin i32) (result i32) (i32.const 0))
//!     (func (export "later") (param $plugin i32) (result i32) (call $finished (local.get $plugin))))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_context::add_to_linker(&mut linker)?;
//! let mut store = Store::new(&engine, State::default());
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//! let callbacks = Callbacks::load(&mut store, &instance)?;
//!
//! let settings = Arc::new(PluginSettings::new("example", AbiPolicy::COMPONENT));
//! let plugin_id = store.data_mut().common.contexts.add_plugin(settings);
//! store.data_mut().common.scope = CallScope::new(plugin_id, plugin_id, "example");
//! let sizes = ConfigurationSizes { plugin: 0, vm: 0 };
//! assert!(!callbacks.start_plugin(store.as_context_mut(), plugin_id, sizes)?);
//!
//! let completed = callbacks.shut_plugin_down(store.as_context_mut(), plugin_id)?;
//! store.data_mut().common.contexts.plugin_mut(plugin_id).unwrap().shutting_down = !completed;
//! assert_eq!(instance.get_typed_func::<u32, u32>(&mut store, "later")?.call(&mut store, plugin_id)?, 0);
//! assert_eq!(store.data_mut().lifecycle.take_effects(), [Effect::PluginShutDown { plugin_id }]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod bindings;
pub mod callbacks;
pub mod core;
pub mod hostcalls;

pub use self::core::{Effect, Lifecycle};
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::{ConfigurationSizes, LifecycleCallbacks};

/// Store data that holds the state of wasi-context.
pub trait LifecycleView: wasi_common::CommonView {
    /// The shared state and that of wasi-context.
    fn lifecycle(&mut self) -> (&mut wasi_common::Common, &mut Lifecycle);
}
