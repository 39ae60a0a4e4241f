//! WASI preview 1 as Proxy-Wasm plugins of all generations need it: clocks, randomness, environment variables, and standard output
//! and error as log messages. Everything else refuses, in the way that lets the libraries of the known toolchains go on.
//!
//! It is no WASI for programs: there are no files, no sockets, no arguments, and nothing ever waits. The functions are offered
//! under `wasi_snapshot_preview1` and under its older name `wasi_unstable`, which AssemblyScript still imports.
//!
//! An address outside of the guest's memory is answered with `FAULT`, and no function traps but `proc_exit` ([`ExitError`]). What a
//! newer toolchain imports besides is linked by [`stub_unknown_imports`], so that a plugin does not stop loading because its
//! compiler was upgraded.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use proxywasm_wasi::{Wasi, WasiView};
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{Common, CommonView, LogLevel};
//! use wasi_log::{Log, LogSink, LogView, MemorySink};
//! use wasmtime::{Engine, Linker, Module, Store};
//!
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     log: Log,
//!     wasi: Wasi,
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
//! impl WasiView for State {
//!     fn wasi(&mut self) -> &mut Wasi {
//!         &mut self.wasi
//!     }
//! }
//!
//! // A guest that prints its environment when it starts.
//! let guest = r#"(module
//!     (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
//!     (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\00\01\00\00\0a\00\00\00")           ;; one iovec: 10 bytes at address 256
//!     (func (export "_initialize")
//!         (drop (call $environ_get (i32.const 128) (i32.const 256)))
//!         (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))"#;
//!
//! let engine = Engine::default();
//! let module = Module::new(&engine, wat::parse_str(guest)?)?;
//! let mut linker = Linker::new(&engine);
//! proxywasm_wasi::add_to_linker(&mut linker)?;
//! proxywasm_wasi::stub_unknown_imports(&mut linker, &module)?;
//!
//! let sink = Arc::new(MemorySink::default());
//! let state = State {
//!     memory: MemorySlot::default(),
//!     common: Common::default(),
//!     log: Log::new(Arc::clone(&sink) as Arc<dyn LogSink>, LogLevel::Info),
//!     wasi: Wasi::new([("MODE", "quiet")])?,
//! };
//! let mut store = Store::new(&engine, state);
//! let instance = linker.instantiate(&mut store, &module)?;
//! proxywasm_wasi::initialize(&mut store, &instance)?;
//! // The guest did not end the line.
//! proxywasm_wasi::end_lines(store.data_mut());
//! assert_eq!(sink.take(), [(LogLevel::Info, "MODE=quiet".to_owned())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod environment;
mod errno;
mod functions;
mod linker;
mod memory;
mod output;
mod refusals;
mod start;

pub use environment::{EnvironmentError, MAX_ENVIRONMENT_BYTES, Wasi};
pub use errno::Errno;
pub use functions::{ExitError, MAX_RANDOM_BYTES};
pub use linker::{MODULES, add_to_linker, stub_unknown_imports};
pub use output::end_lines;
pub use refusals::refuse_import;
pub use start::initialize;

/// Store data that offers WASI to its guest.
pub trait WasiView: wasi_log::LogView {
    /// What WASI knows of the instance.
    fn wasi(&mut self) -> &mut Wasi;
}
