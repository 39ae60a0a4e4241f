//! Plugins that are read again while they are served: those that have not changed are the same ones.

use crate::log::{LogOptions, RateLimited};
use crate::settings::Settings;
use proxywasm_host::{
    Engine, InstanceStrategy, Plugin, PluginCode, PluginConfig, Services, StartError as PluginError,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One reading of plugins. What it makes new shares no instance with what others made.
#[derive(Debug)]
pub(crate) struct Reading {
    version: u64,
}

/// Tells the plugins of each reading from those of others.
static READINGS: AtomicU64 = AtomicU64::new(1);

/// What plugins reach while they are proved beside those that are served.
pub(crate) fn proving(served: &Settings, log: &LogOptions) -> Services {
    // Workers limit by themselves what their plugins log.
    let log = RateLimited::new(Arc::clone(&served.services.log), log.plugin_messages);
    Services {
        log: Arc::new(log),
        ..served.services.clone()
    }
}

/// Code that need not be compiled again.
pub(crate) fn known_code(known: &[Plugin]) -> Vec<(InstanceStrategy, Arc<PluginCode>)> {
    let known = known.iter();
    known
        .map(|plugin| (plugin.config().instances, Arc::clone(plugin.code())))
        .collect()
}

// === impl Reading ===

impl Reading {
    /// Before anything is served.
    pub(crate) fn first() -> Self {
        Self { version: 0 }
    }

    /// Another one.
    pub(crate) fn again() -> Self {
        Self {
            version: READINGS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The plugin of this code and configuration: the one from before if nothing about it has changed, else a new one, which is proved.
    pub(crate) fn plugin(
        &self,
        before: Option<&Plugin>,
        engine: &Engine,
        code: Arc<PluginCode>,
        config: PluginConfig,
        services: &Services,
    ) -> Result<Plugin, PluginError> {
        if let Some(before) = before {
            let config = PluginConfig {
                version: before.config().version,
                ..config.clone()
            };
            if before.code().hash() == code.hash() && *before.config() == config {
                return Ok(before.clone());
            }
        }
        let config = PluginConfig {
            version: self.version,
            ..config
        };
        Plugin::new(engine, code, config, services)
    }
}
