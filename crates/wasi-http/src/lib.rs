//! `wasi-http`: HTTP streams as plugins see them, and HTTP calls that they make themselves, as the seed pages "wasi-http" of the
//! Proxy-Wasm talk of April 2021 have them.
//!
//! A plugin is called for headers, body, trailers and metadata of the request and of the response, and returns an [`Action`]. It
//! reads and changes them through `wasi-common`, answers a request itself ([`LocalResponse`]), resumes what it holds and closes
//! streams. A call of its own ([`Calls`]) goes to an upstream by name, and the answer comes whole, or in parts as it arrives.
//!
//! This crate is no proxy and no client: it moves no message and knows no clock. [`Http`] checks what a plugin asks and queues
//! [`Effect`]s; whoever drives it carries them out after the callback has returned, so that nothing ever re-enters a guest. What comes
//! back for a call is a [`CallEvent`], and the callback that is then due a [`Delivery`]. With feature `reqwest`, `backend` is a client
//! for calls over HTTP/1.1.
//!
//! # Example
//!
//! A guest that refuses every request, on a bare linker; the README has one that makes a call:
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, Action, CallScope, Common, CommonView, Context, ContextType, Direction, PluginSettings};
//! use wasi_http::{Callbacks, Effect, Http, HttpCallbacks, HttpView};
//! use wasmtime::{AsContextMut, Engine, Linker, Module, Store};
//!
//! #[derive(Default)]
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     http: Http,
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
//! impl HttpView for State {
//!     fn http(&mut self) -> (&mut Common, &mut Http) {
//!         (&mut self.common, &mut self.http)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-http" "send_http_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\08\00\00\00\03\00\00\00no\n")
//!     (func (export "proxy_on_http_request_headers") (param $context i32) (param i32 i32) (result i32)
//!         ;; status 403, no headers, one iovec of body, no gRPC status
//!         (drop (call $answer (local.get $context) (i32.const 403)
//!             (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -1)))
//!         (i32.const 3)))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_http::add_to_linker(&mut linker)?;
//! let mut store = Store::new(&engine, State::default());
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//! let callbacks = Callbacks::load(&mut store, &instance)?;
//!
//! let common = &mut store.data_mut().common;
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("refuse", AbiPolicy::COMPONENT)));
//! let stream = common.streams.open(1);
//! let context_id = common.contexts.add_context(Context::new(plugin_id, stream, 0, ContextType::Http));
//! common.scope = CallScope::new(plugin_id, context_id, "on_http_request_headers");
//!
//! let action = callbacks.headers(store.as_context_mut(), Direction::Request, context_id, 0, true)?;
//! assert_eq!(action, Ok(Action::Pause));
//! match store.data_mut().http.take_effects().remove(0) {
//!     Effect::Respond { response, .. } => assert_eq!((response.status, &response.body[..]), (403, &b"no\n"[..])),
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "reqwest")]
pub mod backend;
pub mod bindings;
pub mod callbacks;
pub mod calls;
pub mod core;
pub mod hostcalls;
pub mod local_response;

pub use self::core::{Effect, Http, Part, Phase, is_grpc, is_legal};
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::HttpCallbacks;
pub use calls::{
    CallEffect, CallEvent, CallPart, CallPhase, CallRequest, Calls, Delivery, HttpCallCallbacks,
};
pub use local_response::{Answered, LocalResponse};
pub use wasi_common::{Action, Returned, UnknownAction};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Store data that holds the state of wasi-http.
pub trait HttpView: wasi_common::CommonView {
    /// The shared state and that of wasi-http.
    fn http(&mut self) -> (&mut wasi_common::Common, &mut Http);
}
