//! Background plugins in the configuration file.

use crate::settings::RunMode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// A plugin that runs without streams.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackgroundEntry {
    /// The name of the plugin.
    #[schemars(with = "String")]
    pub(super) plugin: Spanned<String>,
    /// How many of it run. Default: `per_process`.
    #[serde(default)]
    pub(super) run: RunEntry,
}

/// `run` of a background plugin.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RunEntry {
    /// One in each worker, to share the items of a queue, say.
    PerWorker,
    /// One in all.
    #[default]
    PerProcess,
}

// === impl RunEntry ===

impl From<RunEntry> for RunMode {
    fn from(entry: RunEntry) -> Self {
        match entry {
            RunEntry::PerWorker => Self::PerWorker,
            RunEntry::PerProcess => Self::PerProcess,
        }
    }
}
