//! Writes plugins for Proxy-Wasm hosts, on the component ABI (the Proxy-Wasm talk of April 2021): Rust types
//! instead of the raw interface.
//!
//! A plugin implements [`Plugin`] for what its configuration is made into, and [`HttpPlugin`] or
//! [`BytestreamPlugin`] if it handles streams: with these it makes a [`HttpContext`] for each request and its response, a
//! [`BytestreamContext`] for each TCP stream. [`plugin!`] exports what it implements. A callback gets a view of its stream
//! ([`HttpStream`], [`Bytestream`]), reads and changes [`Map`]s (headers, trailers) and [`Buffer`]s (bodies, data) with it, and returns
//! an [`Action`]. Memory is only allocated by the plugin; reads can reuse it.
//!
//! | interface | here |
//! |---|---|
//! | wasi-context | [`Plugin`], [`PluginContext`] |
//! | wasi-common | [`Map`], [`Buffer`], properties of streams and plugins |
//! | wasi-http | [`HttpContext`], [`HttpStream`], [`Response`]; calls: [`HttpRequest`], [`HttpCall`] |
//! | wasi-bytestream | [`BytestreamContext`], [`Bytestream`] |
//! | wasi-grpc | [`GrpcMethod`], [`GrpcCall`], [`GrpcStream`] |
//! | wasi-kvstore | [`Store`] |
//! | wasi-queue | [`Queue`] |
//! | wasi-timer | [`Timer`] |
//! | wasi-metrics | [`Counter`], [`Gauge`], [`Histogram`] |
//! | wasi-log | [`info!`] and its siblings, [`log()`], [`enabled`] |
//! | wasi-ffi | [`Function`], [`CustomCallback`] |
//!
//! All of it is there as generated functions in [`raw`] as well.
//!
//! It is not for plugins of Proxy-Wasm ABI 0.1.0 to 0.2.1: those are written with the crate `proxy-wasm`.
//!
//! # Example
//!
//! Adds a header to each request, and its value comes from the configuration.
//!
//! ```
//! use std::rc::Rc;
//!
//! use proxywasm_sdk::{Action, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result, info, plugin};
//!
//! struct Greeter {
//!     greeting: Rc<[u8]>,
//! }
//!
//! impl Plugin for Greeter {
//!     fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
//!         if configuration.is_empty() {
//!             return Err("the configuration is empty: it has to be the greeting".to_owned());
//!         }
//!         Ok(Self { greeting: configuration.into() })
//!     }
//! }
//!
//! impl HttpPlugin for Greeter {
//!     type Context = Greeting;
//!
//!     fn create_http_context(&mut self, _stream: &HttpStream) -> Greeting {
//!         Greeting { greeting: self.greeting.clone() }
//!     }
//! }
//!
//! struct Greeting {
//!     greeting: Rc<[u8]>,
//! }
//!
//! impl HttpContext for Greeting {
//!     fn on_request_headers(&mut self, stream: &HttpStream, num_headers: usize, _: bool) -> Result<Action> {
//!         info!("a request with {num_headers} headers");
//!         stream.request_headers().set("x-greeting", &self.greeting)?;
//!         Ok(Action::Forward)
//!     }
//! }
//!
//! plugin!(Greeter: http(request_headers));
//! ```
//!
//! Build it as a library of crate type `cdylib` for the target `wasm32-unknown-unknown`.

#![deny(unsafe_code)]

mod action;
mod buffer;
mod bytestream;
mod callouts;
mod contexts;
#[doc(hidden)]
pub mod dispatch;
mod exports;
mod ffi;
mod grpc;
mod grpc_status;
mod hostcalls;
mod http;
mod http_call;
mod kvstore;
mod log;
mod map;
mod metrics;
mod pairs;
mod plugin;
mod queue;
#[allow(
    unsafe_code,
    reason = "hostcalls are imports, which only the caller can know to be called rightly"
)]
pub mod raw;
mod status;
mod stream;
mod timer;
mod values;

pub use action::Action;
pub use buffer::Buffer;
pub use bytestream::{Bytestream, BytestreamContext, BytestreamPlugin, CloseSource};
pub use ffi::{CustomCallback, Function};
pub use grpc::{GrpcCall, GrpcCallResponse, GrpcMethod, GrpcStream, GrpcStreamEvent};
pub use grpc_status::{GrpcFailure, GrpcStatus};
pub use http::{HttpContext, HttpPlugin};
pub use http_call::{CallFailure, HttpCall, HttpCallEvent, HttpCallResponse, HttpRequest};
pub use kvstore::{Cas, Entry, Store};
pub use log::{Level, enabled, log};
pub use map::{Edit, Map};
pub use metrics::{Counter, Gauge, Histogram};
pub use pairs::{Iter, Pairs};
pub use plugin::Plugin;
pub use queue::Queue;
pub use status::{Result, Status};
pub use stream::{HttpStream, PluginContext, Response};
pub use timer::Timer;
pub use values::{Values, ValuesIter};

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
