//! Compiled code on disk: what was compiled once is ready at once, also after a restart.
//!
//! An entry is found by the code's SHA-256 together with everything that changes what is compiled from it: the settings of the engine,
//! the version of wasmtime and the processor it compiles for. What is damaged, or from elsewhere, is compiled again and replaced.

mod artifact;
mod directory;

pub use directory::{CacheError, PrivateDirectory};

use artifact::Key;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use wasmtime::Module;

/// What the names of entries end with.
const SUFFIX: &str = ".cwasm";

/// Where compiled code is kept, and how much of it.
///
/// The code in the directory is run without being compiled or checked again. So only the user of this process may be able to write
/// it: a directory that others own or can write is refused. One that is not there is made, with mode 0700.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// The directory. Several processes can share it. One that its owner cannot write is only read.
    pub directory: PathBuf,
    /// Bytes of all entries; beyond that, those that were not used for longest are removed. 1 gibibyte.
    pub bytes: u64,
}

/// What became of the code that was to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheFigures {
    /// It was there.
    pub hits: u64,
    /// It was not, and was compiled.
    pub misses: u64,
    /// An entry was there but damaged, or from elsewhere: a miss besides.
    pub rejected: u64,
    /// It was written.
    pub stored: u64,
}

/// The cache of an engine. All threads use it.
pub(crate) struct CompileCache {
    directory: PrivateDirectory,
    bytes: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    rejected: AtomicU64,
    stored: AtomicU64,
    /// It was logged that nothing can be written.
    warned: AtomicBool,
}

// === impl CacheSettings ===

impl CacheSettings {
    /// A cache in a directory, of the default size.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            bytes: 1 << 30,
        }
    }
}

// === impl CompileCache ===

impl CompileCache {
    pub(crate) fn open(settings: &CacheSettings) -> Result<Self, CacheError> {
        Ok(Self {
            directory: PrivateDirectory::open(&settings.directory, "compile cache", SUFFIX)?,
            bytes: settings.bytes,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            warned: AtomicBool::new(false),
        })
    }

    /// Code compiled for an engine: as it is in the cache, or compiled now and put there.
    pub(crate) fn module(
        &self,
        engine: &wasmtime::Engine,
        code: &[u8],
        hash: &[u8; 32],
    ) -> wasmtime::Result<Module> {
        let key = Key::new(engine, hash);
        if let Some(module) = self.load(engine, &key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(module);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let module = Module::new(engine, code)?;
        self.store(&key, &module);
        Ok(module)
    }

    pub(crate) fn figures(&self) -> CacheFigures {
        CacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
        }
    }

    fn load(&self, engine: &wasmtime::Engine, key: &Key) -> Option<Module> {
        let reject = |reason: &str| {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            let directory = self.directory.path().display();
            tracing::warn!(%directory, entry = key.name(), "the compile cache has an entry that is not used: {reason}");
        };
        let content = match self.directory.read(key.name(), self.bytes) {
            Ok(content) => content?,
            Err(error) => {
                reject(&error.to_string());
                return None;
            }
        };
        match artifact::open(engine, key, &content) {
            Ok(module) => Some(module),
            Err(reason) => {
                reject(&reason);
                None
            }
        }
    }

    /// Writes an entry and makes room for it. A plugin serves also where that fails.
    fn store(&self, key: &Key, module: &Module) {
        let stored = module
            .serialize()
            .map_err(|error| error.to_string())
            .and_then(|code| self.write(key, &code).map_err(|error| error.to_string()));
        match stored {
            Ok(true) => {
                self.stored.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => {}
            Err(reason) if !self.warned.swap(true, Ordering::Relaxed) => {
                let directory = self.directory.path().display();
                tracing::warn!(%directory, "the compile cache cannot be written, so plugins are compiled at each start: {reason}");
            }
            Err(_) => {}
        }
    }

    /// Whether the entry has room at all.
    fn write(&self, key: &Key, code: &[u8]) -> std::io::Result<bool> {
        let header = artifact::header(key, code);
        let size = header.len().saturating_add(code.len()) as u64;
        if size > self.bytes {
            return Ok(false);
        }
        self.directory.write(key.name(), &[&header, code])?;
        self.directory.shrink(self.bytes)?;
        Ok(true)
    }
}
