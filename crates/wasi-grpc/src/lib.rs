//! `wasi-grpc`: gRPC calls and streams of plugins, as seed page "wasi-grpc" of the Proxy-Wasm talk of April 2021 has them.
//!
//! A plugin calls a method of an upstream that it knows by name, once ([`Grpc::dispatch_call`]) or as a stream ([`Grpc::open_stream`]),
//! and is called for what comes back: metadata, messages, the status. A message is bytes; what they mean is the plugin's matter. A
//! plugin that returns `pause` for a piece of a stream slows the upstream down, and one that sends more than the upstream takes is told
//! so.
//!
//! [`Grpc`] is a state machine without connection and without clock: it checks what a plugin asks, queues [`Effect`]s, takes
//! [`Event`]s and says which callback is due ([`Delivery`]). It neither resolves names nor retries nor balances load, and knows
//! nothing of protobuf. With feature `tonic`, `backend` has the connection.
//!
//! # Example
//!
//! A guest that makes a unary call and keeps the status and the size of the answer, on a bare linker:
//!
//! ```
//! use std::collections::BTreeSet;
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, CallScope, CalloutStatus, Common, CommonView, PluginSettings};
//! use wasi_grpc::{Callbacks, Effect, Event, Grpc, GrpcCallbacks, GrpcView, Part};
//! use wasmtime::{AsContextMut, Engine, Linker, Module, Store};
//!
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     grpc: Grpc,
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
//! impl GrpcView for State {
//!     fn grpc(&mut self) -> (&mut Common, &mut Grpc) {
//!         (&mut self.common, &mut self.grpc)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-grpc" "dispatch_grpc_call"
//!         (func $dispatch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     ;; iovecs of the upstream, the service, the method and the message, one each
//!     (data (i32.const 0) "\40\00\00\00\03\00\00\00" "\43\00\00\00\04\00\00\00" "\47\00\00\00\03\00\00\00" "\4a\00\00\00\02\00\00\00")
//!     (data (i32.const 64) "geo" "geo." "Get" "hi")
//!     (global (export "status") (mut i32) (i32.const -1))
//!     (global (export "size") (mut i32) (i32.const -1))
//!     (func (export "call") (result i32)
//!         (call $dispatch (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16) (i32.const 1)
//!             (i32.const 0) (i32.const 0) (i32.const 24) (i32.const 1) (i32.const 1000) (i32.const 256)))
//!     (func (export "proxy_on_grpc_call_response") (param $callout i32) (param $status i32) (param $size i32) (result i32)
//!         (global.set 0 (local.get $status))
//!         (global.set 1 (local.get $size))
//!         (i32.const 0)))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_grpc::add_to_linker(&mut linker)?;
//! let upstreams = Arc::new(BTreeSet::from(["geo".to_owned()]));
//! let state = State { memory: MemorySlot::default(), common: Common::default(), grpc: Grpc::new(upstreams) };
//! let mut store = Store::new(&engine, state);
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//! let callbacks = Callbacks::load(&mut store, &instance)?;
//!
//! let common = &mut store.data_mut().common;
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("caller", AbiPolicy::COMPONENT)));
//! common.scope = CallScope::new(plugin_id, plugin_id, "call");
//! assert_eq!(instance.get_typed_func::<(), u32>(&mut store, "call")?.call(&mut store, ())?, 0);
//!
//! // The host makes the call, and hands over what it gets.
//! let Effect::Open { callout_id, request } = store.data_mut().grpc.take_effects().remove(0) else { unreachable!() };
//! assert_eq!((&request.upstream[..], &request.path[..]), ("geo", "/geo./Get"));
//! let (common, grpc) = store.data_mut().grpc();
//! grpc.receive(callout_id, Event::Message(Bytes::from("hello")));
//! let status = CalloutStatus { code: 0, message: Bytes::new() };
//! grpc.receive(callout_id, Event::End { status, trailing_metadata: Some([("took", "1ms")].into_iter().collect()) });
//! let part = grpc.next_delivery(common, callout_id).unwrap().part;
//! assert_eq!(part, Part::CallResponse { status: 0, message_size: 5 });
//!
//! let returned = callbacks.answer(store.as_context_mut(), plugin_id, callout_id, part)?;
//! let (common, grpc) = store.data_mut().grpc();
//! assert!(grpc.answered(common, callout_id, returned));
//! assert!(common.callouts.owner(callout_id).is_none(), "the call is over");
//! assert_eq!(instance.get_global(&mut store, "size").unwrap().get(&mut store).i32(), Some(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "tonic")]
pub mod backend;
pub mod bindings;
mod call;
pub mod callbacks;
pub mod core;
pub mod event;
pub mod hostcalls;
pub mod request;

pub use self::core::Grpc;
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::GrpcCallbacks;
pub use event::{Delivery, Effect, Event, Part, Phase, code};
pub use request::{Request, Target};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Store data that holds the state of wasi-grpc.
pub trait GrpcView: wasi_common::CommonView {
    /// The shared state and that of wasi-grpc.
    fn grpc(&mut self) -> (&mut wasi_common::Common, &mut Grpc);
}
