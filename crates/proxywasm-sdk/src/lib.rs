//! Writes plugins for Proxy-Wasm hosts, on the component ABI (the Proxy-Wasm talk of April 2021): Rust types
//! instead of the raw interface.
//!
//! A plugin implements [`Plugin`] for what its configuration is made into, and [`HttpContext`] for what
//! handles a request and its response. [`plugin!`] exports both. A callback gets a [`HttpStream`], reads and
//! changes [`Map`]s (headers, trailers) and [`Buffer`]s (bodies) with it, and returns an [`Action`]. Memory
//! is only allocated by the plugin; reads can reuse it.
//!
//! It covers HTTP streams, properties, configuration and the log. The other interfaces are there as generated
//! functions in [`raw`].
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
//! use proxywasm_sdk::{Action, HttpContext, HttpStream, Plugin, PluginContext, Result, info, plugin};
//!
//! struct Greeter {
//!     greeting: Rc<[u8]>,
//! }
//!
//! impl Plugin for Greeter {
//!     type Http = Greeting;
//!
//!     fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
//!         if configuration.is_empty() {
//!             return Err("the configuration is empty: it has to be the greeting".to_owned());
//!         }
//!         Ok(Self { greeting: configuration.into() })
//!     }
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
//! plugin!(Greeter: request_headers);
//! ```
//!
//! Build it as a library of crate type `cdylib` for the target `wasm32-unknown-unknown`.

#![deny(unsafe_code)]

mod action;
mod buffer;
mod contexts;
#[doc(hidden)]
pub mod dispatch;
mod exports;
mod hostcalls;
mod log;
mod map;
mod pairs;
mod plugin;
#[allow(
    unsafe_code,
    reason = "hostcalls are imports, which only the caller can know to be called rightly"
)]
pub mod raw;
mod status;
mod stream;

pub use action::Action;
pub use buffer::Buffer;
pub use log::{Level, enabled, log};
pub use map::{Edit, Map};
pub use pairs::{Iter, Pairs};
pub use plugin::{HttpContext, Plugin};
pub use status::{Result, Status};
pub use stream::{HttpStream, PluginContext, Response};

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
