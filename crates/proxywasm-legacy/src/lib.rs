//! Proxy-Wasm ABI 0.1.0, 0.2.0 and 0.2.1: plugins as the SDKs for Rust, Go, C++ and AssemblyScript build them, today and since 2020.
//!
//! It is a second codec over the cores of the components, beside the component ABI. It decodes arguments, adds the effective
//! context, calls the core, turns its status into one of the older numbers ([`translate`]) and hands results over through the guest's
//! allocator. The meaning of a call is in the cores; where the generations truly differ, cores read
//! [`AbiPolicy::LEGACY`](wasi_common::AbiPolicy::LEGACY).
//!
//! Every module can import the hostcalls of all three versions ([`Hostcall`]), since SDKs declare those of other versions than the one
//! they mark; under other names too ([`ALIASES`]), and by other types ([`link_overloads`]). In what the versions differ, [`Differences`] says.
//!
//! It is not a host: it drives no stream and decides nothing about a plugin that trapped.
//!
//! # Rules
//!
//! - The effective context is [`CallScope::context_id`](wasi_common::CallScope::context_id). Each callback makes its own context
//!   effective, `proxy_set_effective_context` another one of the same plugin until that callback returns. Who enters the guest says
//!   before which plugin it is.
//! - An address outside of the memory is status 6, never a trap. The places of results are looked at before the allocator is called. A
//!   block of the allocator that is 0 or outside of the memory is status 6 as well.
//! - Nothing is handed over as address 0 and length 0.
//! - The allocator runs within a hostcall: meanwhile the guest may write to the log and call WASI, and every other hostcall answers
//!   10. The same holds until [`initialize`] has returned.
//! - `proxy_get_header_map_value` gives the first of several values, unless [`RepeatedHeaders`] says otherwise. A plugin that must see all
//!   reads all pairs.
//! - `host` is another name of `:authority` in the headers of a request, to read and to write.
//!
//! # Example
//!
//! A guest of ABI 0.2.1 that tags each request with the name of its plugin, on a bare linker:
//!
//! ```
//! use std::sync::Arc;
//! use proxywasm_legacy::{AbiVersion, Callbacks, Legacy, LegacyParts, LegacyView};
//! use wasi_bytestream::Bytestream;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::stream::Piece;
//! use wasi_common::{
//!     AbiPolicy, Access, Action, ByteMap, CallScope, Common, CommonView, Context, ContextType, Direction, LogLevel, PluginSettings,
//! };
//! use wasi_context::Lifecycle;
//! use wasi_ffi::Functions;
//! use wasi_grpc::Grpc;
//! use wasi_http::{Http, HttpCallbacks};
//! use wasi_kvstore::{InProcessStores, KvStores};
//! use wasi_log::{Log, TracingSink};
//! use wasi_metrics::Metrics;
//! use wasi_queue::{InProcessQueues, Mailbox, Queues};
//! use wasi_timer::Timers;
//! use wasmtime::{AsContextMut, Engine, Linker, Module, Store};
//!
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     http: Http,
//!     grpc: Grpc,
//!     bytestream: Bytestream,
//!     lifecycle: Lifecycle,
//!     log: Log,
//!     stores: KvStores,
//!     queues: Queues,
//!     timers: Timers,
//!     metrics: Metrics,
//!     functions: Functions,
//!     legacy: Legacy,
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
//! impl LegacyView for State {
//!     fn legacy(&mut self) -> LegacyParts<'_> {
//!         LegacyParts {
//!             common: &mut self.common,
//!             http: &mut self.http,
//!             grpc: &mut self.grpc,
//!             bytestream: &mut self.bytestream,
//!             lifecycle: &mut self.lifecycle,
//!             log: &mut self.log,
//!             stores: &mut self.stores,
//!             queues: &mut self.queues,
//!             timers: &mut self.timers,
//!             metrics: &mut self.metrics,
//!             functions: &mut self.functions,
//!             legacy: &mut self.legacy,
//!         }
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
//!     (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 64) "plugin_namex-by")
//!     (func (export "proxy_abi_version_0_2_1"))
//!     (func (export "malloc") (param $size i32) (result i32) (i32.const 1024))
//!     (func (export "proxy_on_request_headers") (param $context i32) (param $count i32) (param $end i32) (result i32)
//!         ;; the address and the length of the value come to 0 and 4; map 0 is the request headers
//!         (drop (call $get_property (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 4)))
//!         (drop (call $add (i32.const 0) (i32.const 75) (i32.const 4)
//!             (i32.load (i32.const 0)) (i32.load (i32.const 4))))
//!         (i32.const 0)))"#;
//!
//! let engine = Engine::default();
//! let module = Module::new(&engine, wat::parse_str(guest)?)?;
//! let version = AbiVersion::detect(&module).ok_or("no marker of an older ABI")?;
//! let mut linker = Linker::new(&engine);
//! proxywasm_legacy::add_to_linker(&mut linker)?;
//!
//! let state = State {
//!     memory: MemorySlot::default(),
//!     common: Common::default(),
//!     http: Http::default(),
//!     grpc: Grpc::default(),
//!     bytestream: Bytestream::default(),
//!     lifecycle: Lifecycle::default(),
//!     log: Log::new(Arc::new(TracingSink), LogLevel::Info),
//!     stores: KvStores::new(Arc::new(InProcessStores::default())),
//!     queues: Queues::new(Arc::new(InProcessQueues::default()), Mailbox::new(), 0),
//!     timers: Timers::default(),
//!     metrics: Metrics::new(Arc::default()),
//!     functions: Functions::default(),
//!     legacy: Legacy::new(version),
//! };
//! let mut store = Store::new(&engine, state);
//! let instance = linker.instantiate(&mut store, &module)?;
//! let callbacks = Callbacks::load(&mut store, &instance)?;
//! proxywasm_legacy::initialize(&mut store, &instance)?;
//!
//! // One plugin, and one stream whose request headers are at it.
//! let common = &mut store.data_mut().common;
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("tagger", AbiPolicy::LEGACY)));
//! let stream = common.streams.open(1);
//! let context_id = common.contexts.add_context(Context::new(plugin_id, stream, 0, ContextType::Http));
//! let request = common.streams.get_mut(stream).unwrap();
//! request.map(Direction::Request, Piece::Headers).put_map(ByteMap::from_iter([(":path", "/")]));
//! *request.lane(0, Direction::Request).unwrap().map_access(Piece::Headers) = Access::Write;
//! common.scope = CallScope::new(plugin_id, context_id, "example");
//!
//! let action = callbacks.headers(store.as_context_mut(), Direction::Request, context_id, 1, true)?;
//! assert_eq!(action, Ok(Action::Forward));
//! let request = store.data_mut().common.streams.get_mut(stream).unwrap();
//! assert_eq!(request.map(Direction::Request, Piece::Headers).read().get(b"x-by"), Some(&b"tagger"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod actions;
mod bytestream;
mod callbacks;
mod grpc_callbacks;
mod grpc_service;
mod hostcall;
mod hostcalls;
mod memory;
mod messages;
mod numbers;
mod plugin_callbacks;
mod queue_callbacks;
mod start;
mod status;
mod version;
mod view;

pub use callbacks::{Callbacks, LoadError};
pub use hostcall::{ALIASES, Hostcall, MODULE, OVERLOADS, Overload, Support, overloads, support};
pub use hostcalls::{AbortError, add_to_linker, link_overloads};
pub use start::initialize;
pub use status::{Status, translate};
pub use version::{AbiVersion, AbsentHeader, Differences};
pub use view::{HeadersPause, Legacy, LegacyParts, LegacyView, PluginOptions, RepeatedHeaders};
