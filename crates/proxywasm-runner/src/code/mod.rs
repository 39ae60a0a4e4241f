//! The code of plugins: read from files, or fetched with feature `remote-code`, and compiled on all cores.

mod digest;
#[cfg(feature = "remote-code")]
mod fetch;
mod reference;
mod settings;
mod source;

pub use digest::{DigestError, Sha256};
#[cfg(feature = "remote-code")]
pub use fetch::FetchError;
pub use reference::{ImageReference, ReferenceError};
pub use settings::FetchSettings;
pub use source::{CodeSource, CodeUrl, Credentials, FetchOptions, Secret, SourceError};

use crate::inspect;
use proxywasm_host::{Engine, InstanceStrategy, LoadError, PluginCode};
use sha2::Digest;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// Code of a plugin cannot be used.
#[derive(Debug, Error)]
pub enum CodeError {
    /// The file cannot be read.
    #[error("cannot read the plugin {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// It cannot be fetched.
    #[cfg(feature = "remote-code")]
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// This program cannot fetch anything.
    #[error("{0} is not on this machine, and this program was built without `remote-code`; name a file")]
    Unsupported(CodeSource),
    /// It is not the code that it should be.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// It is no plugin that this host can run.
    #[error("{place}: {error}")]
    Load {
        /// Where it is from.
        place: CodeSource,
        /// Why.
        #[source]
        error: Box<LoadError>,
    },
}

/// Code is not what is configured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the code from {place} has the SHA-256 {found}, but {pinned} is configured; \
     it has changed: look at what it is now, then configure that"
)]
pub struct Mismatch {
    /// Where it is from.
    pub place: CodeSource,
    /// What is configured.
    pub pinned: Sha256,
    /// What it has.
    pub found: Sha256,
}

/// The code of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PluginSource {
    /// Where it comes from.
    pub source: CodeSource,
    /// What it has to be.
    pub sha256: Option<Sha256>,
    /// How it is fetched, unless it is a file.
    pub fetch: FetchOptions,
}

/// Code that is compiled once for all who want it.
struct Distinct {
    bytes: Vec<u8>,
    strategy: InstanceStrategy,
    loaded: OnceLock<Result<Arc<PluginCode>, LoadError>>,
}

// === impl CodeError ===

impl CodeError {
    /// Whether there is nothing wrong but that nothing is fetched.
    pub(crate) fn is_of_offline(&self) -> bool {
        #[cfg(feature = "remote-code")]
        return matches!(self, Self::Fetch(FetchError::Offline(_)));
        #[cfg(not(feature = "remote-code"))]
        false
    }
}

// === impl PluginSource ===

impl PluginSource {
    /// Code that may be any, fetched in the way that is the default.
    pub fn new(source: CodeSource) -> Self {
        Self {
            source,
            sha256: None,
            fetch: FetchOptions::default(),
        }
    }

    fn is_remote(&self) -> bool {
        !matches!(self.source, CodeSource::File(_))
    }

    /// Refuses what it should not be.
    fn verify(&self, code: &[u8]) -> Result<(), Mismatch> {
        let Some(pinned) = self.sha256 else {
            return Ok(());
        };
        let found = Sha256::of(code);
        if found == pinned {
            return Ok(());
        }
        Err(Mismatch {
            place: self.source.clone(),
            pinned,
            found,
        })
    }
}

/// Reads and compiles the code of a plugin, for any strategy.
///
/// # Errors
/// The file cannot be read, or is no plugin that this host can run.
pub fn load_code(engine: &Engine, path: &Path) -> Result<Arc<PluginCode>, CodeError> {
    engine.load(&read(path)?).map_err(|error| CodeError::Load {
        place: CodeSource::File(path.to_owned()),
        error: Box::new(error),
    })
}

/// Reads or fetches the code of plugins, in their order. It waits for that, and can be called from anywhere, but has no place on a thread
/// that serves.
pub fn read_all(sources: &[PluginSource], settings: &FetchSettings) -> Vec<Result<Vec<u8>, CodeError>> {
    let remote: Vec<_> = sources.iter().filter(|source| source.is_remote()).collect();
    let mut fetched = fetch_all(&remote, settings).into_iter();
    let codes = sources.iter().map(|source| match &source.source {
        CodeSource::File(path) => {
            let code = read(path)?;
            source.verify(&code)?;
            Ok(code)
        }
        CodeSource::Url(_) | CodeSource::Oci(_) => fetched
            .next()
            .unwrap_or_else(|| Err(CodeError::Unsupported(source.source.clone()))),
    });
    codes.collect()
}

/// Compiles the code of several plugins: what is the same only once, what is known for its strategy not at all, and all else at the same
/// time.
///
/// # Errors
/// The first of them that cannot be used, by its number.
pub(crate) fn compile_all(
    engine: &Engine,
    codes: Vec<(&CodeSource, Vec<u8>, InstanceStrategy)>,
    known: &[(InstanceStrategy, Arc<PluginCode>)],
) -> Result<Vec<Arc<PluginCode>>, (usize, Box<CodeError>)> {
    let mut distinct: Vec<Distinct> = Vec::new();
    let mut places = Vec::new();
    for (source, bytes, strategy) in codes {
        let same = |other: &Distinct| other.strategy == strategy && other.bytes == bytes;
        let place = distinct.iter().position(same).unwrap_or(distinct.len());
        if place == distinct.len() {
            let hash: [u8; 32] = sha2::Sha256::digest(&bytes).into();
            let mut known = known.iter();
            let known = known.find(|(of, code)| *of == strategy && code.hash() == hash);
            let loaded = known.map(|(_, code)| OnceLock::from(Ok(Arc::clone(code))));
            distinct.push(Distinct {
                bytes,
                strategy,
                loaded: loaded.unwrap_or_default(),
            });
        }
        places.push((source, place));
    }
    compile(engine, &distinct);
    // Who comes first of those that share it, tells what is wrong with it.
    let mut distinct: Vec<_> = distinct
        .into_iter()
        .map(|code| code.loaded.into_inner())
        .collect();
    let mut codes = Vec::new();
    for (number, (source, place)) in places.into_iter().enumerate() {
        match distinct.get(place).and_then(Option::as_ref) {
            Some(Ok(code)) => codes.push(Arc::clone(code)),
            _ => {
                let failed = distinct.get_mut(place).and_then(Option::take);
                if let Some(Err(error)) = failed {
                    let (place, error) = (source.clone(), Box::new(error));
                    return Err((number, Box::new(CodeError::Load { place, error })));
                }
            }
        }
    }
    Ok(codes)
}

/// Each compilation uses all cores where it can, but not in all its steps; several at once fill the gaps.
fn compile(engine: &Engine, codes: &[Distinct]) {
    let next = AtomicUsize::new(0);
    let threads = codes.len().min(crate::settings::default_workers().get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(code) = codes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    code.loaded.get_or_init(|| {
                        let loaded = engine.load_for(&code.bytes, code.strategy)?;
                        inspect::note_origin(loaded.hash(), &code.bytes);
                        Ok(loaded)
                    });
                }
            });
        }
    });
}

fn read(path: &Path) -> Result<Vec<u8>, CodeError> {
    std::fs::read(path).map_err(|error| CodeError::Read {
        path: path.to_owned(),
        error,
    })
}

#[cfg(feature = "remote-code")]
fn fetch_all(sources: &[&PluginSource], settings: &FetchSettings) -> Vec<Result<Vec<u8>, CodeError>> {
    let fetched = fetch::fetch_all(sources, settings);
    fetched.into_iter().map(|code| Ok(code?)).collect()
}

#[cfg(not(feature = "remote-code"))]
fn fetch_all(_: &[&PluginSource], _: &FetchSettings) -> Vec<Result<Vec<u8>, CodeError>> {
    Vec::new()
}
