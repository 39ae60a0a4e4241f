//! Updates at run time: other settings, or other plugins, for streams that begin from now on.
//!
//! Where they come from is a [`Source`]: a configuration file ([`ConfigSource`](crate::config::ConfigSource)), or the command line. A thread of the
//! runner ([`reloader`]) reads it again when it is asked to or when a file has changed, builds and proves everything, and has the workers
//! serve it, or leaves everything as it was and says why.

mod changes;
mod error;
mod files;
mod reading;
mod reloader;
mod snapshot;

pub use changes::{Change, Subject, What};
pub(crate) use changes::{changes_between, needs_restart};
pub use error::{Refusal, UpdateError};
pub(crate) use files::{FileWatch, Versions};
pub(crate) use reading::{Reading, known_code, proving};
pub(crate) use reloader::{Reloader, Reloads};
pub use snapshot::{Age, FailedUpdate, PluginSnapshot, Snapshot};

use crate::log::LogOptions;
use crate::settings::Settings;
use std::fmt;
use std::path::PathBuf;

/// Where new settings come from.
pub trait Source: Send {
    /// Reads, builds and proves them. What has not changed is to be taken from what is served: a plugin that is a clone of one there keeps
    /// its instances.
    ///
    /// # Errors
    /// They cannot be used.
    fn read(&mut self, served: &Settings, log: &LogOptions) -> Result<Proposal, Refusal>;

    /// The files whose change is a reason to read again, of the last time that was tried.
    fn files(&self) -> Vec<PathBuf>;
}

/// New settings.
pub struct Proposal {
    /// What is to be served.
    pub settings: Settings,
    /// What is to be logged.
    pub log: LogOptions,
    /// Fields that have changed and take a restart to come into effect.
    pub restart: Vec<String>,
    /// The configuration as operators may see it.
    pub shown: serde_json::Value,
}

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The number of the version that is served, which counts from 1.
    pub generation: u64,
    /// What has changed. Where that is nothing, nothing was done.
    pub changes: Vec<Change>,
    /// Fields that have changed and take a restart to come into effect; they stay as they were.
    pub restart: Vec<String>,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.changes.is_empty() {
            true => write!(f, "nothing has changed")?,
            false => write!(f, "version {} is served", self.generation)?,
        }
        for change in &self.changes {
            write!(f, "\n{change}")?;
        }
        for field in &self.restart {
            write!(f, "\n`{field}` has changed, which needs a restart")?;
        }
        Ok(())
    }
}
