//! How the process ends, in the configuration file.

use super::units::Period;
use crate::shutdown::DrainSettings;
use schemars::JsonSchema;
use serde::Deserialize;

/// How it ends when it is asked to, by SIGTERM, SIGINT or `POST /drain` at the admin address.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrainEntry {
    /// How long connections are still accepted while it says that it is not ready, so that load balancers can learn of it.
    /// Default: not at all.
    delay: Option<Period>,
    /// How long streams may go on when no connections are accepted any more; then they are cut. Default: 10s.
    deadline: Option<Period>,
    /// How long a connection without a request may wait for one before it is closed. A request that comes in time is answered, with
    /// `connection: close`. Default: 1s.
    idle: Option<Period>,
}

// === impl DrainEntry ===

impl DrainEntry {
    pub(super) fn settings(&self) -> DrainSettings {
        let default = DrainSettings::default();
        DrainSettings {
            delay: self.delay.map_or(default.delay, |period| period.0),
            deadline: self.deadline.map_or(default.deadline, |period| period.0),
            idle: self.idle.map_or(default.idle, |period| period.0),
        }
    }
}
