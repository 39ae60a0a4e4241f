//! What is served, for operators.

use proxywasm_host::{Plugin, PluginStatus};
use std::time::SystemTime;

/// What is served, and how its plugins are.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The number of the version that is served, which counts from 1.
    pub generation: u64,
    /// Since when.
    pub since: SystemTime,
    /// The last update that came to nothing, if one did.
    pub last_failure: Option<FailedUpdate>,
    /// The plugins by name, then those of before that still have streams.
    pub plugins: Vec<PluginSnapshot>,
}

/// A plugin.
#[derive(Debug, Clone)]
pub struct PluginSnapshot {
    /// The plugin: its name, its configuration, its code with the hash.
    pub plugin: Plugin,
    /// The version that it came with.
    pub generation: u64,
    /// Since when it is there.
    pub since: SystemTime,
    /// Whether another one has taken its place, and it is there for streams that go on.
    pub is_retired: bool,
    /// How it is in each worker; unknown where a worker did not answer in time.
    pub workers: Vec<Option<PluginStatus>>,
}

/// Since when a plugin is there, or a version is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// The version, or that with which the plugin came.
    pub generation: u64,
    /// The time.
    pub since: SystemTime,
}

/// An update that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedUpdate {
    /// When.
    pub at: SystemTime,
    /// Why.
    pub reason: String,
}
