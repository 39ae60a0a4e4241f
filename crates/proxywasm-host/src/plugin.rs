//! A plugin: code with a configuration, proved.

use crate::code::{Abi, PluginCode, linker};
use crate::config::{InstanceStrategy, PluginConfig};
use crate::engine::Engine;
use crate::error::{LoadError, StartError};
use crate::instance::Instance;
use crate::profile::{AlreadyProfiled, Profiling, Sampler};
use crate::services::Services;
use crate::state::State;
use proxywasm_wasi::Wasi;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasi_common::{AbiPolicy, PluginSettings};
use wasmtime::InstancePre;

/// A plugin that was proved to start with its configuration. Clones are the same plugin; all workers share it.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

/// Plugins in the order in which a request passes them; a response passes them in reverse.
#[derive(Clone)]
pub struct FilterChain(Arc<Chain>);

struct Chain {
    plugins: Vec<Plugin>,
    reads_maps: bool,
    reads_properties: bool,
}

struct Inner {
    id: u64,
    config: PluginConfig,
    settings: Arc<PluginSettings>,
    code: Arc<PluginCode>,
    pre: InstancePre<State>,
    environment: Wasi,
    vm_key: [u8; 32],
    reads_maps: bool,
    reads_properties: bool,
    sampler: Arc<Sampler>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

// === impl Plugin ===

impl Plugin {
    /// Makes a plugin and proves it: a throw-away instance starts it with its configuration. What it logs there goes to the log;
    /// nothing else it asks for is carried out.
    ///
    /// # Errors
    /// It does not start, or refuses its configuration.
    pub fn new(
        engine: &Engine,
        code: Arc<PluginCode>,
        config: PluginConfig,
        services: &Services,
    ) -> Result<Self, StartError> {
        let plugin = Self::unproved(engine, code, config)?;
        Instance::new(&plugin, &services.for_proof())?.start_plugin(&plugin)?;
        Ok(plugin)
    }

    /// A plugin that nothing may depend on yet.
    pub(crate) fn unproved(
        engine: &Engine,
        code: Arc<PluginCode>,
        config: PluginConfig,
    ) -> Result<Self, StartError> {
        let load = |error| StartError::Load {
            plugin: config.name.clone(),
            error,
        };
        let module = code.module(engine, config.instances).map_err(load)?;
        let pre = linker(code.abi(), module, config.allowed_hostcalls.as_ref())
            .instantiate_pre(module)
            .map_err(|error| load(LoadError::Invalid(error)))?;
        let settings = Arc::new(PluginSettings {
            name: config.name.clone(),
            root_id: config.root_id.clone(),
            vm_id: config.vm_id.clone(),
            configuration: config.configuration.clone(),
            vm_configuration: config.vm_configuration.clone(),
            limits: config.limits,
            permissions: config.permissions.clone(),
            policy: AbiPolicy {
                callout_failure: config.callout_failure,
                ..match code.abi() {
                    Abi::Component => AbiPolicy::COMPONENT,
                    Abi::Legacy(_) => AbiPolicy::LEGACY,
                }
            },
        });
        let environment =
            Wasi::new(config.environment.iter().cloned()).map_err(|error| StartError::Environment {
                plugin: config.name.clone(),
                error,
            })?;
        let vm_key = vm_key(&code, &config);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let (reads_maps, reads_properties) = (code.reads_maps(), code.reads_properties());
        Ok(Self(Arc::new(Inner {
            id,
            config,
            settings,
            code,
            pre,
            environment,
            vm_key,
            reads_maps,
            reads_properties,
            sampler: Arc::new(Sampler::new(engine.pace())),
        })))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.config.name
    }

    /// Its configuration.
    pub fn config(&self) -> &PluginConfig {
        &self.0.config
    }

    /// Its code.
    pub fn code(&self) -> &Arc<PluginCode> {
        &self.0.code
    }

    /// Begins to look where the plugin spends its time, in all hosts. See [`Profiling`].
    ///
    /// # Errors
    /// Somebody is doing that already.
    pub fn profile(&self) -> Result<Profiling, AlreadyProfiled> {
        Profiling::begin(&self.0.sampler)
    }

    pub(crate) fn sampler(&self) -> &Arc<Sampler> {
        &self.0.sampler
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn settings(&self) -> &Arc<PluginSettings> {
        &self.0.settings
    }

    pub(crate) fn pre(&self) -> &InstancePre<State> {
        &self.0.pre
    }

    pub(crate) fn environment(&self) -> &Wasi {
        &self.0.environment
    }

    /// Equal for plugins that share an instance.
    pub(crate) fn vm_key(&self) -> [u8; 32] {
        self.0.vm_key
    }
}

/// Whether they are clones of each other.
impl PartialEq for Plugin {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Plugin {}

impl fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Plugin").field(&self.name()).finish()
    }
}

// === impl FilterChain ===

impl FilterChain {
    /// A chain of plugins.
    pub fn new(plugins: Vec<Plugin>) -> Self {
        let reads_maps = plugins.iter().any(|plugin| plugin.0.reads_maps);
        let reads_properties = plugins.iter().any(|plugin| plugin.0.reads_properties);
        Self(Arc::new(Chain {
            plugins,
            reads_maps,
            reads_properties,
        }))
    }

    /// The plugins.
    pub fn plugins(&self) -> &[Plugin] {
        &self.0.plugins
    }

    /// Whether any of the plugins could ask for a property: where none can, there is no need to gather them for a stream.
    pub fn reads_properties(&self) -> bool {
        self.0.reads_properties
    }

    /// Whether any of the plugins could read a header map.
    pub(crate) fn reads_maps(&self) -> bool {
        self.0.reads_maps
    }
}

/// Whether they have the same plugins.
impl PartialEq for FilterChain {
    fn eq(&self, other: &Self) -> bool {
        self.plugins() == other.plugins()
    }
}

impl Eq for FilterChain {}

impl fmt::Debug for FilterChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.plugins().iter().map(Plugin::name);
        f.debug_list().entries(names).finish()
    }
}

/// The key of the instance: everything that changes how one behaves, but what belongs to a single plugin in it. Each field is
/// framed by its length, so that no two settings give the same bytes.
fn vm_key(code: &PluginCode, config: &PluginConfig) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(&code.hash());
    field(config.vm_id.as_bytes());
    field(&config.vm_configuration);
    field(&(config.environment.len() as u64).to_le_bytes());
    for (name, value) in &config.environment {
        field(name.as_bytes());
        field(value.as_bytes());
    }
    for allowed in [&config.allowed_hostcalls, &config.allowed_callbacks] {
        match allowed {
            None => field(b"all"),
            Some(allowed) => {
                field(&(allowed.len() as u64).to_le_bytes());
                allowed.iter().for_each(|name| field(name.as_bytes()));
            }
        }
    }
    let rest = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        config.limits,
        config.permissions,
        config.resources,
        config.failure,
        config.reload_back_off,
        config.crash_loop,
        config.version,
        config.instances,
        config.headers_pause,
        config.repeated_headers,
        config.callout_failure,
        config.log_level
    );
    field(rest.as_bytes());
    if config.instances == InstanceStrategy::FreshPerStream {
        // Never shared: the plugins of a stream stay apart too.
        field(&config.callbacks_off.bits().to_le_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineSettings;
    use wasi_common::LogLevel;
    use wasi_log::MemorySink;

    #[test]
    fn what_behaves_alike_shares_an_instance() {
        let engine = Engine::new(EngineSettings {
            ticker: false,
            ..EngineSettings::default()
        })
        .unwrap();
        let services = Services::from(Arc::new(MemorySink::default()));
        let module = |extra: &str| {
            let text = format!(
                r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04")) {extra})"#
            );
            engine.load(&wat::parse_str(text).unwrap()).unwrap()
        };
        let code = module("");
        let key = |code: &Arc<PluginCode>, change: fn(&mut PluginConfig)| {
            let mut config = PluginConfig::new("a");
            change(&mut config);
            Plugin::new(&engine, Arc::clone(code), config, &services)
                .unwrap()
                .vm_key()
        };
        let base = key(&code, |_| ());
        let same: [fn(&mut PluginConfig); 3] = [
            |config| config.name = "b".into(),
            |config| config.root_id = "b".into(),
            |config| config.configuration = "b".into(),
        ];
        let other: [fn(&mut PluginConfig); 15] = [
            |config| config.vm_id = "b".into(),
            |config| config.vm_configuration = "b".into(),
            |config| config.environment = vec![("a".into(), "b".into())],
            |config| config.allowed_hostcalls = Some(["log".to_owned()].into()),
            |config| config.allowed_callbacks = Some(["log".to_owned()].into()),
            |config| config.limits.held_body_bytes = 1,
            |config| config.permissions.stores = wasi_common::Allowed::Only(Default::default()),
            |config| config.resources.memory_bytes = 1 << 20,
            |config| config.failure = crate::FailurePolicy::Open,
            |config| config.reload_back_off = std::time::Duration::ZERO,
            |config| config.instances = InstanceStrategy::FreshPerStream,
            |config| config.headers_pause = crate::HeadersPause::HoldHeaders,
            |config| config.log_level = LogLevel::Error,
            |config| config.crash_loop.failures = 1,
            |config| config.version = 1,
        ];
        assert!(same.iter().all(|change| key(&code, *change) == base));
        assert!(other.iter().all(|change| key(&code, *change) != base));
        assert_ne!(key(&module("(func)"), |_| ()), base, "other code");
        let framed = [vec![("a".into(), "bc".into())], vec![("ab".into(), "c".into())]];
        let keys = framed.map(|environment| {
            let config = PluginConfig {
                environment,
                ..PluginConfig::new("a")
            };
            Plugin::new(&engine, Arc::clone(&code), config, &services)
                .unwrap()
                .vm_key()
        });
        assert_ne!(keys[0], keys[1], "fields are framed");
    }
}
