//! A plugin from a script in a host, and who drives it.

use crate::Body;
use crate::script::{Abi, module};
use bytes::Bytes;
use proxywasm_host::{
    Engine, EngineSettings, FilterChain, FunctionRegistry, Host, LogSink, Plugin, PluginConfig, Record,
    Services,
};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A host with one plugin.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) plugin: Plugin,
    pub(crate) services: Services,
}

/// A log that throws everything away, once it is complete.
struct NoLog;

impl LogSink for NoLog {
    fn write(&self, record: &Record<'_>) {
        std::hint::black_box(record);
    }
}

// === impl World ===

impl World {
    /// With backends of its own: an upstream `up`, and a function `echo` with the number 1.
    pub(crate) fn new(abi: Abi, script: &str) -> Self {
        let mut functions = FunctionRegistry::new();
        functions
            .register("echo", |_, parameters| {
                Ok(parameters
                    .iter()
                    .map(|part| Bytes::copy_from_slice(part))
                    .collect())
            })
            .unwrap();
        let services = Services {
            upstreams: Arc::new(std::iter::once("up".to_owned()).collect::<std::collections::BTreeSet<_>>()),
            functions: Arc::new(functions),
            ..Services::new(Arc::new(NoLog))
        };
        Self::with(abi, script, services)
    }

    pub(crate) fn with(abi: Abi, script: &str, services: Services) -> Self {
        let plugin = plugin("bench", abi, script, &services);
        Self {
            host: Host::new(services.clone()),
            plugin,
            services,
        }
    }

    /// The lines of the script that are in no other callback.
    pub(crate) fn call(&mut self) {
        let called = self.host.custom_callback(&self.plugin, 1, &[]);
        called.expect("each hostcall of the script answers ok");
    }

    pub(crate) fn chain(&self) -> FilterChain {
        FilterChain::new(vec![self.plugin.clone()])
    }
}

/// A plugin that takes as long as callgrind makes it take.
fn plugin(name: &str, abi: Abi, script: &str, services: &Services) -> Plugin {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(EngineSettings::default()).unwrap());
    let mut config = PluginConfig::new(name);
    config.resources.callback_time = Duration::from_secs(60);
    Plugin::new(
        engine,
        engine.load(&module(abi, script)).unwrap(),
        config,
        services,
    )
    .unwrap()
}

/// Hostcalls of a component, over and over within one callback.
pub(crate) fn component(script: &str) -> Body {
    let mut world = World::new(Abi::Component, script);
    Box::new(move || world.call())
}

/// The same of ABI 0.2.1.
pub(crate) fn legacy(script: &str) -> Body {
    let mut world = World::new(Abi::Legacy, script);
    Box::new(move || world.call())
}

/// The same in a plugin that ends afterwards and lets go of its handles. Another one keeps the instance alive.
pub(crate) fn component_that_ends(script: &str) -> Body {
    let mut world = World::new(Abi::Component, script);
    let other = plugin("other", Abi::Component, script, &world.services);
    world.host.keep_running(&other);
    Box::new(move || {
        world.call();
        world.host.shut_down(&world.plugin);
    })
}

/// What the embedder does with a plugin, over and over, after its script was run once.
pub(crate) fn driven(abi: Abi, script: &str, times: u32, drive: fn(&mut World)) -> Body {
    let mut world = World::new(abi, script);
    world.call();
    Box::new(move || (0..times).for_each(|_| drive(&mut world)))
}
