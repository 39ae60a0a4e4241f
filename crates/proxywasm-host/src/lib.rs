//! `proxywasm-host` runs Proxy-Wasm plugins in a Rust proxy: the components of the Proxy-Wasm talk of April 2021 and, unmodified, the
//! plugins of ABI 0.2.0 and 0.2.1, both through the same cores.
//!
//! It is sans-I/O. The proxy hands over what it received ([`Host::request_headers`] and the like) and carries out what comes out
//! ([`Output`]); between the two, plugins read and change messages, hold them, answer by themselves. There are no sockets here, no
//! tasks, nothing asynchronous. The only thread is the ticker of the [`Engine`], by which endless loops are stopped.
//!
//! TCP connections pass chains too, as bytes: [`Host::open_bytestream`], [`Host::downstream_data`] and the like.
//!
//! - An [`Engine`] compiles plugin code ([`Engine::load`]); one serves a process. With [`CacheSettings`] it keeps what it compiled on
//!   disk.
//! - A [`Plugin`] is code with a [`PluginConfig`], proved on a throw-away instance before anything depends on it.
//! - A [`FilterChain`] is plugins in order: a request passes them forwards, a response backwards.
//! - A [`Host`] runs chains for the streams of one worker; a program has one for each worker thread. It is `Send`.
//! - What concerns no stream: the program calls [`Host::handle_deadline`] at [`Host::next_deadline`], and [`Host::handle_wake`] when the
//!   waker of [`Host::set_waker`] is woken. A plugin that needs no streams is started by [`Host::keep_running`].
//!
//! Where a plugin spends its time, [`Plugin::profile`] tells, while it serves.
//!
//! What a plugin does wrong never reaches the process: bad pointers become statuses, traps and loops drop the instance and give its
//! streams the [`FailurePolicy`], and everything a plugin can make the host hold is bounded ([`Limits`], [`Resources`]).
//!
//! # Example
//!
//! A plugin in the text format that refuses every request; `examples/embed.rs` has one with a plugin from a file.
//!
//! ```
//! use proxywasm_host::{Engine, EngineSettings, FilterChain, Host, Output, Plugin, PluginConfig, Services, TracingSink};
//! use std::sync::Arc;
//!
//! let refuse = wat::parse_str(
//!     r#"(module
//!         (import "wasi-http" "send_http_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
//!         (memory (export "memory") 1)
//!         (func (export "proxy_abi_version_2021_04"))
//!         (func (export "proxy_on_http_request_headers") (param $context i32) (param i32 i32) (result i32)
//!             (call $answer (local.get $context) (i32.const 403)
//!                 (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1))))"#,
//! )?;
//!
//! let services = Services::new(Arc::new(TracingSink));
//! let engine = Engine::new(EngineSettings::default())?;
//! let plugin = Plugin::new(&engine, engine.load(&refuse)?, PluginConfig::new("refuse"), &services)?;
//! let chain = FilterChain::new(vec![plugin]);
//!
//! let mut host = Host::new(services);
//! let stream = host.open(&chain, None);
//! let request = http::Request::get("/").header("host", "example.test").body(())?;
//! host.request_headers(stream, request.into_parts().0, true);
//! let mut statuses = Vec::new();
//! while let Some(output) = host.next_output(stream) {
//!     match output {
//!         Output::UpstreamAbandoned => {}
//!         Output::ResponseHeaders { head, .. } => statuses.push(head.status.as_u16()),
//!         other => panic!("nothing else comes out: {other:?}"),
//!     }
//! }
//! host.finish(stream);
//! assert_eq!(statuses, [403]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_code)]

mod background;
mod backtrace;
mod bytestream;
#[allow(
    unsafe_code,
    reason = "wasmtime cannot check that compiled code is what it compiled; `cache::artifact` does"
)]
mod cache;
mod callback;
mod callouts;
mod clock;
mod code;
mod config;
mod custom;
mod engine;
mod error;
pub mod figures;
mod host;
mod instance;
mod message;
mod output;
mod plugin;
mod profile;
mod queues;
mod retire;
mod services;
mod starts;
mod state;
mod status;
mod stream;
mod timers;
mod times;
mod vm;

pub use cache::{CacheError, CacheFigures, CacheSettings, PrivateDirectory};
pub use callback::Callback;
pub use callouts::{CalloutId, CalloutOrigin, Command};
pub use code::{Abi, COMPONENT_MARKER, PluginCode};
pub use config::{
    CalloutFailure, CrashLoop, FailurePolicy, HeadersPause, InstanceStrategy, PhaseSet, PluginConfig,
    RepeatedHeaders, Resources,
};
pub use custom::CustomCallbackError;
pub use engine::{Engine, EngineSettings};
pub use error::{EngineError, LoadError, StartError};
pub use host::{Host, StreamId};
pub use output::{LocalAnswer, Output, ResetReason};
pub use plugin::{FilterChain, Plugin};
pub use profile::{AlreadyProfiled, Profile, Profiling, Stack};
pub use services::Services;
pub use status::{PluginStatus, RunState};
pub use times::{PluginTime, PluginTimes};

pub use wasi_bytestream::{Phase as BytestreamPhase, Side};
pub use wasi_common::property::{KnownBy, PropertyKind, Since, WELL_KNOWN, WellKnown};
pub use wasi_common::{
    Allowed, ByteMap, CalloutStatus, CloseSource, Declaration, Direction, Limits, LogLevel, MapLimits,
    Permissions, PropertyPath, PropertySource, PropertyValue, Upstreams,
};
pub use wasi_ffi::{CallContext, CallbackError, FunctionError, FunctionRegistry, RegisterError};
pub use wasi_grpc::{Event as GrpcEvent, Request as GrpcRequest, code as grpc_code};
pub use wasi_http::{CallEvent, CallRequest, Part, Phase};
pub use wasi_kvstore::{InProcessStores, KvBackend, StoreSettings};
pub use wasi_log::{LogSink, MemorySink, Record, TracingSink};
pub use wasi_metrics::{
    CONTENT_TYPE as METRICS_CONTENT_TYPE, Registry as MetricRegistry, RegistrySettings as MetricSettings,
};
pub use wasi_queue::{InProcessQueues, QueueBackend, QueueSettings};
