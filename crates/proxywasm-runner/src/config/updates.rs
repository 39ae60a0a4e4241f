//! Updates at run time in the configuration file.

use super::units::Period;
use crate::settings::DEFAULT_OLD_STREAMS;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// How the runner is updated while it runs: see `docs/UPDATES.md`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdatesEntry {
    /// Whether a change of this file, or of the code of a plugin, is noticed. SIGHUP and `POST /reload` at the admin address have them read
    /// again in any case. Default: true.
    watch: Option<bool>,
    /// How long streams may go on with plugins whose place others have taken; then they are answered with 503, or reset. Default: 10m.
    old_streams: Option<Period>,
}

// === impl UpdatesEntry ===

impl UpdatesEntry {
    pub(super) fn watches(&self) -> bool {
        self.watch.unwrap_or(true)
    }

    pub(super) fn old_streams(&self) -> Duration {
        self.old_streams.map_or(DEFAULT_OLD_STREAMS, |period| period.0)
    }
}
