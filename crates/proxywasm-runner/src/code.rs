//! The code of plugins: read, and compiled on all cores.

use proxywasm_host::{Engine, InstanceStrategy, LoadError, PluginCode};
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
    /// It is no plugin that this host can run.
    #[error("{}: {error}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: LoadError,
    },
}

/// The code of one plugin.
#[derive(Debug, Clone)]
pub(crate) struct CodeFile {
    pub(crate) path: PathBuf,
    pub(crate) strategy: InstanceStrategy,
}

/// Code that is compiled once for all who want it.
struct Distinct {
    bytes: Vec<u8>,
    strategy: InstanceStrategy,
    loaded: OnceLock<Result<Arc<PluginCode>, LoadError>>,
}

/// Reads and compiles the code of a plugin, for any strategy.
///
/// # Errors
/// The file cannot be read, or is no plugin that this host can run.
pub fn load_code(engine: &Engine, path: &Path) -> Result<Arc<PluginCode>, CodeError> {
    engine.load(&read(path)?).map_err(|error| CodeError::Load {
        path: path.to_owned(),
        error,
    })
}

/// Reads and compiles the code of several plugins: what is the same only once, and all that is not at the same time.
///
/// # Errors
/// The first of them that cannot be used, by its number.
pub(crate) fn load_all(
    engine: &Engine,
    files: &[CodeFile],
) -> Result<Vec<Arc<PluginCode>>, (usize, Box<CodeError>)> {
    let mut distinct: Vec<Distinct> = Vec::new();
    let mut places = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let bytes = read(&file.path).map_err(|error| (number, Box::new(error)))?;
        let same = |other: &Distinct| other.strategy == file.strategy && other.bytes == bytes;
        places.push(distinct.iter().position(same).unwrap_or(distinct.len()));
        if places.last() == Some(&distinct.len()) {
            distinct.push(Distinct {
                bytes,
                strategy: file.strategy,
                loaded: OnceLock::new(),
            });
        }
    }
    compile(engine, &distinct);
    // Who comes first of those that share it, tells what is wrong with it.
    let mut distinct: Vec<_> = distinct
        .into_iter()
        .map(|code| code.loaded.into_inner())
        .collect();
    let mut codes = Vec::new();
    for (number, (file, place)) in files.iter().zip(places).enumerate() {
        match distinct.get(place).and_then(Option::as_ref) {
            Some(Ok(code)) => codes.push(Arc::clone(code)),
            _ => {
                let failed = distinct.get_mut(place).and_then(Option::take);
                if let Some(Err(error)) = failed {
                    let path = file.path.clone();
                    return Err((number, Box::new(CodeError::Load { path, error })));
                }
            }
        }
    }
    Ok(codes)
}

/// Each compilation uses all cores where it can, but not in all its steps; several at once fill the gaps.
fn compile(engine: &Engine, codes: &[Distinct]) {
    let next = AtomicUsize::new(0);
    let threads = codes.len().min(super::settings::default_workers().get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(code) = codes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let loaded = engine.load_for(&code.bytes, code.strategy);
                    // Nobody else has this number.
                    let _ = code.loaded.set(loaded);
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
