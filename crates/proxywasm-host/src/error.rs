//! What can go wrong before a plugin serves.

use crate::backtrace::Failure;
use crate::cache::CacheError;
use proxywasm_legacy::AbiVersion;
use proxywasm_wasi::EnvironmentError;
use thiserror::Error;
use wasi_common::guest::CallbackTypeError;
use wasmtime::PoolConcurrencyLimitError;

/// An engine cannot be made.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The machine cannot run compiled Wasm.
    #[error("this machine cannot run compiled WebAssembly: {0:#}")]
    Unsupported(wasmtime::Error),
    /// No thread for the clock.
    #[error("cannot start the thread that keeps the deadlines of plugins: {0}")]
    Ticker(#[source] std::io::Error),
    /// The directory for compiled code cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Code is not a plugin that this host can run.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The engine for its strategy cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It was loaded for the other strategy.
    #[error(
        "the code was loaded for plugins with another `InstanceStrategy`; load it with `Engine::load`, for all"
    )]
    OtherStrategy,
    /// It is not WebAssembly, or uses what is not enabled.
    #[error("the code does not compile: {0:#}")]
    Invalid(wasmtime::Error),
    /// No known ABI is marked.
    #[error(
        "the module exports none of `proxy_abi_version_2021_04`, `{}`, `{}` and `{}`, so it is no plugin, or one for another host",
        AbiVersion::V0_2_1.marker(), AbiVersion::V0_2_0.marker(), AbiVersion::V0_1_0.marker()
    )]
    NoAbi,
    /// The memory is not exported.
    #[error("the module exports no memory called `memory`, without which no host can hand it data")]
    NoMemory,
    /// It imports what the host does not have.
    #[error("the module imports `{module}` `{name}`, which {why}")]
    UnknownImport {
        /// The module it imports from.
        module: String,
        /// The name.
        name: String,
        /// Why it cannot be had.
        why: &'static str,
    },
    /// It imports something under another type.
    #[error("the module imports `{module}` `{name}` as {found}, but the host has it as {expected}")]
    ImportType {
        /// The module it imports from.
        module: String,
        /// The name.
        name: String,
        /// The type it has in the host.
        expected: String,
        /// The type the module expects.
        found: String,
    },
    /// A callback has another type.
    #[error(transparent)]
    Callback(#[from] CallbackTypeError),
    /// It lacks what the older ABIs need.
    #[error(transparent)]
    Legacy(#[from] proxywasm_legacy::LoadError),
}

/// A plugin does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its code cannot be run by this host.
    #[error("plugin `{plugin}`: {error}")]
    Load {
        /// The plugin.
        plugin: String,
        /// Why.
        #[source]
        error: LoadError,
    },
    /// It trapped.
    #[error("plugin `{plugin}` failed while it started: {}", Failure(error))]
    Trap {
        /// The plugin.
        plugin: String,
        /// The trap, with a backtrace.
        error: wasmtime::Error,
    },
    /// Its environment variables cannot be given to it.
    #[error("plugin `{plugin}`: {error}")]
    Environment {
        /// The plugin.
        plugin: String,
        /// Why.
        #[source]
        error: EnvironmentError,
    },
    /// It does not accept its configuration.
    #[error("plugin `{plugin}` does not accept its configuration; what it logged says why")]
    Refused {
        /// The plugin.
        plugin: String,
    },
}

impl StartError {
    /// Whether there was no room for one more instance, which says nothing about the plugin.
    pub(crate) fn is_exhausted(&self) -> bool {
        matches!(self, Self::Trap { error, .. } if error.is::<PoolConcurrencyLimitError>())
    }
}
