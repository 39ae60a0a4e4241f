//! `wasi-ffi`: functions of the embedder that plugins call, and calls into plugins, as the wasi-ffi page of the Proxy-Wasm talk of
//! April 2021 has them.
//!
//! An embedder fills a [`FunctionRegistry`] with functions by name and number. A plugin resolves a name, calls the function with any
//! number of parameters, and fetches any number of results; [`Functions`] keeps them until they were fetched or the callback returns.
//! The other way round, [`FfiCallbacks`] calls a plugin with parameters and gets results.
//!
//! It is no way to run code in the background: a function runs within the hostcall, so it must be short, must not block, and cannot
//! enter a plugin.
//!
//! # Example
//!
//! The embedder calls a plugin, which answers with its own parameters. The crate's README has the other direction.
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, CallScope, Common, CommonView, PluginSettings};
//! use wasi_ffi::{Callbacks, FfiCallbacks, FfiView, Functions};
//! use wasmtime::{AsContextMut, Engine, Linker, Module, Store};
//!
//! #[derive(Default)]
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     functions: Functions,
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
//! impl FfiView for State {
//!     fn functions(&mut self) -> (&mut Common, &mut Functions) {
//!         (&mut self.common, &mut self.functions)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-common" "get_buffer" (func $get (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
//!     (import "wasi-ffi" "set_custom_callback_results" (func $set (param i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\40\00\00\00\00\01\00\00")  ;; one iovec: 256 bytes at 64
//!     (func (export "proxy_on_custom_callback") (param $callback i32) (param $size i32) (result i32)
//!         ;; buffer 7 is the parameters, all of them from offset 0; their size is written to address 8
//!         (drop (call $get (local.get $callback) (i32.const 7) (i32.const 0) (i32.const -1)
//!             (i32.const 0) (i32.const 1) (i32.const 8)))
//!         (i32.store (i32.const 4) (i32.load (i32.const 8)))
//!         (call $set (local.get $callback) (i32.const 0) (i32.const 1))))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_common::add_to_linker(&mut linker)?;
//! wasi_ffi::add_to_linker(&mut linker)?;
//! let mut store = Store::new(&engine, State::default());
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//! let callbacks = Callbacks::load(&mut store, &instance)?;
//!
//! let common = &mut store.data_mut().common;
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("echo", AbiPolicy::COMPONENT)));
//! common.scope = CallScope::new(plugin_id, plugin_id, "on_custom_callback");
//! let results = callbacks.on_custom_callback(store.as_context_mut(), plugin_id, 9, &[b"a", b"bc"])??;
//!
//! // The parameters came as one packed list, which is one result now.
//! assert_eq!(results, [&b"\x02\0\0\0\x01\0\0\0\x02\0\0\0abc"[..]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod bindings;
pub mod call;
pub mod callbacks;
pub mod core;
pub mod hostcalls;
pub mod registry;

pub use self::core::Functions;
pub use bindings::{Callbacks, add_to_linker};
pub use call::CallContext;
pub use callbacks::{CallbackError, FfiCallbacks};
pub use registry::{Function, FunctionError, FunctionRegistry, RegisterError};

/// Store data that holds calls of functions.
pub trait FfiView: wasi_common::CommonView {
    /// The shared state and the calls.
    fn functions(&mut self) -> (&mut wasi_common::Common, &mut Functions);
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
