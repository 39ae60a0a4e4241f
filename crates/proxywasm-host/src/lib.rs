//! `proxywasm-host`
#![forbid(unsafe_code)]

mod clock;
mod code;
mod config;
mod engine;
mod error;
mod host;
mod instance;
mod message;
mod output;
mod plugin;
mod state;
mod stream;
mod vm;

pub use code::{Abi, COMPONENT_MARKER, PluginCode};
pub use config::{FailurePolicy, HeadersPause, InstanceStrategy, PhaseSet, PluginConfig, Resources};
pub use engine::{Engine, EngineSettings};
pub use error::{EngineError, LoadError, StartError};
pub use host::{Host, StreamId};
pub use output::{Output, ResetReason};
pub use plugin::{FilterChain, Plugin};

pub use wasi_common::{
    ByteMap, Direction, Limits, LogLevel, MapLimits, PropertyPath, PropertySource, PropertyValue,
};
pub use wasi_http::{Part, Phase};
pub use wasi_log::{LogSink, MemorySink, Record, TracingSink};
