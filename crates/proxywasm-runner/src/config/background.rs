//! Background plugins in the configuration file.

use crate::settings::RunMode;
use serde::Deserialize;
use serde_saphyr::Spanned;

/// One entry of `background`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackgroundEntry {
    pub(super) plugin: Spanned<String>,
    #[serde(default)]
    pub(super) run: RunEntry,
}

/// `run` of a background plugin.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RunEntry {
    PerWorker,
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
