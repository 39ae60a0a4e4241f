//! What all components of the Proxy-Wasm host share, and the component `wasi-common` itself: buffers, header maps and
//! properties of streams, as seed page "wasi-common" of the Proxy-Wasm talk of April 2021 names them.
//!
//! This crate owns the things every other component needs: [`Status`] and the other types of the interface, guest memory
//! ([`guest`]), the ordered [`ByteMap`] and its packed form ([`packed`]), [`Buffer`]s, properties ([`property`]), the
//! [`ContextTable`] of plugins and streams, the [`CalloutTable`], the [`CallScope`] (whose callback is executing), [`Limits`] and
//! [`Permissions`], the [`HandleTable`] and the [`AbiPolicy`] that tells the generations of the ABI apart.
//!
//! It is not a host: it enters no guest, moves no message, and knows nothing of sockets. It says what a plugin may see and change
//! now; whoever drives the streams (crate `proxywasm-host`) puts messages here and takes them away.
//!
//! All semantics are in [`Common`], typed and free of guest memory. [`hostcalls`] is the codec of the component ABI over it; the
//! older ABIs are a second codec over the same functions.
//!
//! # Example
//!
//! A bare linker, a guest that appends to a request body, and no host:
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::{AbiPolicy, Access, CallScope, Common, CommonView, Context, ContextType, Direction, PluginSettings};
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasmtime::{Engine, Linker, Module, Store};
//!
//! #[derive(Default)]
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
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
//! let guest = r#"(module
//!     (import "wasi-common" "set_buffer" (func $set_buffer (param i32 i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\08\00\00\00\07\00\00\00, world")    ;; one iovec, and what it points to
//!     (func (export "greet") (param $context i32) (result i32)
//!         ;; buffer 3 is the request body; an offset at its end or beyond appends
//!         (call $set_buffer (local.get $context) (i32.const 3) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 1))))"#;
//!
//! let engine = Engine::default();
//! let module = Module::new(&engine, wat::parse_str(guest)?)?;
//! let mut linker = Linker::new(&engine);
//! wasi_common::add_to_linker(&mut linker)?;
//! let mut store = Store::new(&engine, State::default());
//! let instance = linker.instantiate(&mut store, &module)?;
//!
//! // One plugin, and one stream whose request body is at the plugin.
//! let common = store.data_mut().common();
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("greeter", AbiPolicy::COMPONENT)));
//! let stream = common.streams.open(1);
//! let context = Context::new(plugin_id, stream, 0, ContextType::Http);
//! let context_id = common.contexts.add_context(context);
//! let lane = common.streams.get_mut(stream).and_then(|stream| stream.lane(0, Direction::Request)).unwrap();
//! lane.body.push("Hello".into());
//! lane.body_access = Access::Write;
//!
//! common.scope = CallScope::new(plugin_id, context_id, "greet");
//! let greet = instance.get_typed_func::<u32, u32>(&mut store, "greet")?;
//! assert_eq!(greet.call(&mut store, context_id)?, 0);
//!
//! let lane = store.data_mut().common.streams.get_mut(stream).and_then(|stream| stream.lane(0, Direction::Request)).unwrap();
//! assert_eq!(lane.body.range(0, usize::MAX).collect::<Vec<_>>().concat(), b"Hello, world");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

// The generated bindings name this crate as every other component does.
extern crate self as wasi_common;

pub mod action;
pub mod bindings;
pub mod buffer;
pub mod callout;
pub mod context;
pub mod copied;
pub mod core;
pub mod guest;
pub mod handle;
pub mod hostcalls;
#[cfg(feature = "http")]
pub mod http;
pub mod limits;
pub mod map;
pub mod packed;
pub mod permissions;
pub mod policy;
pub mod property;
pub mod scope;
pub mod stream;

pub use self::core::{BufferRef, Common, MapChange};
pub use action::{Returned, UnknownAction};
pub use bindings::add_to_linker;
pub use bindings::types::{
    Action, BufferType, CloseSource, ContextType, LogLevel, MapType, MetricType, Status,
};
pub use buffer::Buffer;
pub use callout::{
    Callout, CalloutFault, CalloutFlow, CalloutKind, CalloutStatus, CalloutTable, CustomParameters,
};
pub use context::{Context, ContextTable, Plugin, PluginSettings};
pub use handle::HandleTable;
pub use limits::{Limits, MapLimits};
pub use map::ByteMap;
pub use permissions::{Allowed, Permissions, Upstreams};
pub use policy::AbiPolicy;
pub use property::{Declaration, PropertyPath, PropertySource, PropertyStore, PropertyValue};
pub use scope::CallScope;
pub use stream::{Access, Direction, Flow, MapSource, Piece, Reply, Stream, StreamKey, StreamTable, Times};

/// Store data that holds the shared state.
pub trait CommonView: guest::GuestMemoryView {
    /// The shared state.
    fn common(&mut self) -> &mut Common;
}
