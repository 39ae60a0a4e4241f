//! `wasi-bytestream`: TCP streams as plugins see them, as the seed page "wasi-bytestream" of the Proxy-Wasm talk of April 2021 has them.
//!
//! A plugin is called when a client has connected ([`Phase::NewConnection`]), for the data of both directions and when a connection
//! closes, and returns an [`Action`]. It reads and changes the data through `wasi-common`, resumes what it holds and closes connections.
//!
//! This crate is no proxy: it has no sockets and moves no bytes. [`Bytestream`] checks what a plugin asks and queues [`Effect`]s;
//! whoever drives the streams carries them out after the callback has returned, so that nothing ever re-enters a guest.
//!
//! # Example
//!
//! A guest that turns clients away which say `no`, on a bare linker with `wasi-common` beside, by which it reads the data:
//!
//! ```
//! use std::sync::Arc;
//! use wasi_bytestream::{Bytestream, BytestreamCallbacks, BytestreamView, Callbacks, Effect, Side};
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, Access, Action, CallScope, Common, CommonView, Context, ContextType, PluginSettings};
//! use wasmtime::{AsContextMut, Engine, Linker, Module, Store};
//!
//! #[derive(Default)]
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     bytestream: Bytestream,
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
//! impl BytestreamView for State {
//!     fn bytestream(&mut self) -> (&mut Common, &mut Bytestream) {
//!         (&mut self.common, &mut self.bytestream)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-common" "get_buffer" (func $get_buffer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
//!     (import "wasi-bytestream" "close_downstream" (func $close (param i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\10\00\00\00\02\00\00\00")    ;; one iovec: two bytes at 16
//!     (func (export "proxy_on_downstream_data") (param $context i32) (param $size i32) (param $end i32) (result i32)
//!         ;; buffer 1 is the data from the downstream; the first two bytes of it go to the iovec, their number to 8
//!         (drop (call $get_buffer (local.get $context) (i32.const 1) (i32.const 0) (i32.const 2)
//!             (i32.const 0) (i32.const 1) (i32.const 8)))
//!         (if (i32.eq (i32.load16_u (i32.const 16)) (i32.const 0x6f6e))    ;; "no"
//!             (then (drop (call $close (local.get $context))) (return (i32.const 3))))
//!         (i32.const 0)))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_common::add_to_linker(&mut linker)?;
//! wasi_bytestream::add_to_linker(&mut linker)?;
//! let mut store = Store::new(&engine, State::default());
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//! let callbacks = Callbacks::load(&mut store, &instance)?;
//!
//! // One plugin, and one stream whose first bytes are at it.
//! let common = &mut store.data_mut().common;
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("porter", AbiPolicy::COMPONENT)));
//! let stream = common.streams.open(1);
//! let context_id = common.contexts.add_context(Context::new(plugin_id, stream, 0, ContextType::Bytestream));
//! let lane = common.streams.get_mut(stream).and_then(|stream| stream.lane(0, Side::Downstream.direction())).unwrap();
//! lane.body.push("no, thanks".into());
//! lane.body_access = Access::Write;
//! common.scope = CallScope::new(plugin_id, context_id, "on_downstream_data");
//!
//! let action = callbacks.data(store.as_context_mut(), Side::Downstream, context_id, 10, false)?;
//! assert_eq!(action, Ok(Action::Pause));
//! let effects = store.data_mut().bytestream.take_effects();
//! assert_eq!(effects, [Effect::Close { context_id, side: Side::Downstream }]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod bindings;
pub mod callbacks;
pub mod core;
pub mod hostcalls;

pub use self::core::{Bytestream, Effect, Phase, Side, is_legal};
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::BytestreamCallbacks;
pub use wasi_common::{Action, CloseSource, Returned, UnknownAction};

/// Store data that holds the state of wasi-bytestream.
pub trait BytestreamView: wasi_common::CommonView {
    /// The shared state and that of wasi-bytestream.
    fn bytestream(&mut self) -> (&mut wasi_common::Common, &mut Bytestream);
}

/// The example of the README is run as a test.
#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
