//! What was fetched, on disk: modules by their SHA-256, and for each place the module that was there last.

use super::FetchError;
use crate::code::{FetchSettings, Sha256};
use proxywasm_host::PrivateDirectory;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Modules that were fetched.
pub(super) struct Store {
    directory: Option<PrivateDirectory>,
    bytes: u64,
    /// It was logged that nothing can be written.
    warned: AtomicBool,
}

/// What was at a place last.
pub(super) struct Known {
    pub(super) sha256: Sha256,
    pub(super) code: Vec<u8>,
    pub(super) validator: Option<String>,
}

/// The same, on disk.
#[derive(Serialize, Deserialize)]
struct Record {
    sha256: String,
    validator: Option<String>,
}

/// What the names of files end with.
const SUFFIX: &str = ".code";
const RECORD_BYTES: u64 = 64 << 10;

// === impl Store ===

impl Store {
    pub(super) fn open(settings: &FetchSettings) -> Result<Self, FetchError> {
        let open = |path: &std::path::PathBuf| PrivateDirectory::open(path, "cache of remote code", SUFFIX);
        let directory = settings.directory.as_ref().map(open).transpose();
        Ok(Self {
            directory: directory.map_err(|error| FetchError::Cache(error.to_string()))?,
            bytes: settings.cache_bytes,
            warned: AtomicBool::new(false),
        })
    }

    /// The module with a digest.
    pub(super) fn code(&self, sha256: Sha256) -> Option<Vec<u8>> {
        let code = self.read(&of_module(sha256), self.bytes)?;
        if Sha256::of(&code) != sha256 {
            tracing::warn!(%sha256, "the cache of remote code has a module that is damaged; it is fetched again");
            return None;
        }
        Some(code)
    }

    /// What was at a place last.
    pub(super) fn known(&self, place: Sha256) -> Option<Known> {
        let record = self.read(&of_place(place), RECORD_BYTES)?;
        let record: Record = serde_json::from_slice(&record).ok()?;
        let sha256 = record.sha256.parse().ok()?;
        Some(Known {
            sha256,
            code: self.code(sha256)?,
            validator: record.validator,
        })
    }

    /// Keeps what is at a place now.
    pub(super) fn put(&self, place: Sha256, sha256: Sha256, code: &[u8], validator: Option<String>) {
        let Some(directory) = &self.directory else { return };
        if code.len() as u64 > self.bytes {
            return;
        }
        let record = Record {
            sha256: sha256.to_string(),
            validator,
        };
        let written = serde_json::to_vec(&record)
            .map_err(io::Error::other)
            .and_then(|record| {
                directory.write(&of_module(sha256), &[code])?;
                directory.write(&of_place(place), &[&record])?;
                directory.shrink(self.bytes)
            });
        if let Err(error) = written
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            let directory = directory.path().display();
            tracing::warn!(%directory, "the cache of remote code cannot be written, so code is fetched at each start: {error}");
        }
    }

    fn read(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        let directory = self.directory.as_ref()?;
        directory.read(name, limit).unwrap_or_else(|error| {
            let directory = directory.path().display();
            tracing::warn!(%directory, name, "the cache of remote code has a file that is not used: {error}");
            None
        })
    }
}

fn of_module(sha256: Sha256) -> String {
    format!("module-{sha256}{SUFFIX}")
}

fn of_place(place: Sha256) -> String {
    format!("place-{place}{SUFFIX}")
}
