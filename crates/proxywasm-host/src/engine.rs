//! The Wasm engines, and the clock by which runaway plugins are stopped.

use crate::backtrace::MAX_FRAMES;
use crate::cache::{CacheFigures, CacheSettings, CompileCache};
use crate::code::PluginCode;
use crate::config::{InstanceStrategy, PluginConfig};
use crate::error::{EngineError, LoadError, StartError};
use crate::instance::Instance;
use crate::plugin::Plugin;
use crate::profile::Pace;
use crate::services::Services;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use wasi_log::MemorySink;
use wasmtime::{Config, InstanceAllocationStrategy, Module, PoolingAllocationConfig};

/// What compiles and runs plugins. One serves a whole process; clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Engines>);

/// Settings of an [`Engine`].
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// How often running plugins are looked at: the precision of deadlines. 10 milliseconds. While a plugin is profiled
    /// ([`Plugin::profile`]), the engine's own ticker ticks each millisecond.
    pub tick: Duration,
    /// Whether the engine starts the thread that ticks. An embedder that does not want the thread calls [`Engine::tick`] itself;
    /// without either, no deadline is kept.
    pub ticker: bool,
    /// Instances for [`crate::InstanceStrategy::FreshPerStream`] that can live at once in the process. 1000.
    pub pooled_instances: u32,
    /// Bytes of memory that each of these may have. 64 mebibytes.
    pub pooled_memory_bytes: usize,
    /// Where compiled code is kept, so that it need not be compiled at each start. Nowhere.
    pub cache: Option<CacheSettings>,
}

struct Engines {
    settings: EngineSettings,
    cache: Option<CompileCache>,
    shared: wasmtime::Engine,
    /// Built when the first plugin wants it, for it reserves address space.
    pooled: OnceLock<wasmtime::Engine>,
    pace: Arc<Pace>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(10),
            ticker: true,
            pooled_instances: 1000,
            pooled_memory_bytes: 64 << 20,
            cache: None,
        }
    }
}

// === impl Engine ===

impl Engine {
    /// An engine, with its ticker unless the settings say otherwise.
    ///
    /// # Errors
    /// The machine cannot run compiled Wasm, no thread can be started, or the directory of the cache is not to be trusted.
    pub fn new(settings: EngineSettings) -> Result<Self, EngineError> {
        let cache = settings.cache.as_ref().map(CompileCache::open).transpose()?;
        let shared = wasmtime::Engine::new(&config()).map_err(EngineError::Unsupported)?;
        let ticker = settings.ticker.then_some(settings.tick);
        let engines = Arc::new(Engines {
            settings,
            cache,
            shared,
            pooled: OnceLock::new(),
            pace: Arc::default(),
        });
        if let Some(tick) = ticker {
            start_ticker(&engines, tick)?;
        }
        Ok(Self(engines))
    }

    /// Compiles plugin code, finds its ABI and checks what it imports and exports. It can be used with either strategy; a copy of it is
    /// kept for the one that comes later.
    ///
    /// # Errors
    /// It is no plugin that this host can run; the message names what is in the way.
    pub fn load(&self, code: &[u8]) -> Result<Arc<PluginCode>, LoadError> {
        PluginCode::load(self, code, None)
    }

    /// As [`Engine::load`], but for plugins of one strategy only: no copy of the code is kept.
    ///
    /// # Errors
    /// As there.
    pub fn load_for(&self, code: &[u8], strategy: InstanceStrategy) -> Result<Arc<PluginCode>, LoadError> {
        PluginCode::load(self, code, Some(strategy))
    }

    /// Everything that keeps code from being run here, each as a sentence; none where it runs. Where nothing speaks against it, an
    /// instance is made and thrown away, in which no plugin is started.
    pub fn refusals(&self, code: &[u8]) -> Vec<String> {
        let problems = PluginCode::problems(self, code);
        if !problems.is_empty() {
            return problems.iter().map(ToString::to_string).collect();
        }
        let services = Services::from(Arc::new(MemorySink::default()));
        let instance = match self.load(code) {
            Ok(code) => Plugin::unproved(self, code, PluginConfig::new("inspected"))
                .and_then(|plugin| Instance::new(&plugin, &services)),
            Err(error) => return vec![error.to_string()],
        };
        match instance {
            Ok(_) => Vec::new(),
            Err(StartError::Load { error, .. }) => vec![error.to_string()],
            Err(error) => vec![error.to_string()],
        }
    }

    /// Moves the clock of running plugins by one tick: for embedders that start no ticker. Can be called from any thread.
    pub fn tick(&self) {
        self.0.tick();
    }

    /// The settings.
    pub fn settings(&self) -> &EngineSettings {
        &self.0.settings
    }

    /// What became of the code that was loaded; `None` without a cache.
    pub fn cache_figures(&self) -> Option<CacheFigures> {
        self.0.cache.as_ref().map(CompileCache::figures)
    }

    /// How often it ticks.
    pub(crate) fn pace(&self) -> &Arc<Pace> {
        &self.0.pace
    }

    /// Compiles code, or takes it from the cache. All cores compile.
    pub(crate) fn compile(
        &self,
        code: &[u8],
        hash: &[u8; 32],
        strategy: InstanceStrategy,
    ) -> Result<Module, LoadError> {
        let engine = match strategy {
            InstanceStrategy::Shared => &self.0.shared,
            InstanceStrategy::FreshPerStream => self.pooled()?,
        };
        match &self.0.cache {
            Some(cache) => cache.module(engine, code, hash),
            None => Module::new(engine, code),
        }
        .map_err(LoadError::Invalid)
    }

    /// The engine for instances that live as long as a stream.
    fn pooled(&self) -> Result<&wasmtime::Engine, EngineError> {
        if let Some(engine) = self.0.pooled.get() {
            return Ok(engine);
        }
        let settings = &self.0.settings;
        let mut pool = PoolingAllocationConfig::default();
        pool.total_core_instances(settings.pooled_instances)
            .total_memories(settings.pooled_instances)
            .total_tables(settings.pooled_instances)
            .max_memories_per_module(1)
            .max_tables_per_module(1)
            .max_memory_size(settings.pooled_memory_bytes)
            // What an instance keeps resident is zeroed rather than given back to the kernel, which costs more.
            .linear_memory_keep_resident(256 << 10)
            .table_keep_resident(64 << 10);
        let mut config = config();
        config.memory_reservation(settings.pooled_memory_bytes as u64);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = wasmtime::Engine::new(&config).map_err(EngineError::Unsupported)?;
        Ok(self.0.pooled.get_or_init(|| engine))
    }
}

impl Engines {
    fn tick(&self) {
        // Counted first, so that who sees the new epoch finds the tick counted.
        self.pace.count_tick();
        self.shared.increment_epoch();
        if let Some(pooled) = self.pooled.get() {
            pooled.increment_epoch();
        }
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_backtrace_max_frames(MAX_FRAMES);
    config
}

/// The thread ends when the last engine is dropped.
fn start_ticker(engines: &Arc<Engines>, tick: Duration) -> Result<(), EngineError> {
    let engines: Weak<Engines> = Arc::downgrade(engines);
    let work = move || {
        while let Some(engines) = engines.upgrade() {
            engines.tick();
            let pause = engines.pace.tick(tick);
            drop(engines);
            std::thread::sleep(pause);
        }
    };
    std::thread::Builder::new()
        .name("proxywasm-tick".to_owned())
        .spawn(work)
        .map_err(EngineError::Ticker)?;
    Ok(())
}
