//! `wasi-log`: log messages of plugins and the log level, as seed page "wasi-log" of the Proxy-Wasm talk of April 2021 has them.
//!
//! A message goes to a [`LogSink`] that the embedder chooses, by default `tracing`, with the plugin, the context and the callback
//! it came from. Messages below the level cost a comparison. A message is one printable line of at most
//! [`MAX_MESSAGE_BYTES`](core::MAX_MESSAGE_BYTES), whatever the plugin wrote.
//!
//! It is no logger: it neither formats nor stores nor limits the rate; sinks do.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{Common, CommonView, LogLevel};
//! use wasi_log::{Log, LogSink, LogView, MemorySink};
//! use wasmtime::{Engine, Linker, Module, Store};
//!
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     log: Log,
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
//! impl LogView for State {
//!     fn log(&mut self) -> (&mut Common, &mut Log) {
//!         (&mut self.common, &mut self.log)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\08\00\00\00\05\00\00\00hello")
//!     (func (export "greet") (result i32) (call $log (i32.const 2) (i32.const 0) (i32.const 1))))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_log::add_to_linker(&mut linker)?;
//! let sink = Arc::new(MemorySink::default());
//! let log = Log::new(Arc::clone(&sink) as Arc<dyn LogSink>, LogLevel::Info);
//! let mut store = Store::new(&engine, State { memory: MemorySlot::default(), common: Common::default(), log });
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//!
//! assert_eq!(instance.get_typed_func::<(), u32>(&mut store, "greet")?.call(&mut store, ())?, 0);
//! assert_eq!(sink.take(), [(LogLevel::Info, "hello".to_owned())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod backend;
pub mod bindings;
pub mod callbacks;
pub mod core;
pub mod hostcalls;

pub use self::core::Log;
pub use backend::{LogSink, MemorySink, Record, TracingSink};
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::LogCallbacks;

/// Store data that holds a log.
pub trait LogView: wasi_common::CommonView {
    /// The shared state and the log.
    fn log(&mut self) -> (&mut wasi_common::Common, &mut Log);
}
