//! Code of plugins from servers and registries, over HTTPS.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose surroundings fail has to fail"
)]

mod configuration;
mod credentials;
mod oci;
mod url;

use proxywasm_runner::{CodeSource, FetchSettings, PluginSource, read_all};
use proxywasm_tests::harness::Authority;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A folder for what is fetched, which goes when it is dropped.
struct Kept(PathBuf);

impl Kept {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("proxywasm-code-{}-{number}", std::process::id())))
    }

    fn settings(&self) -> FetchSettings {
        FetchSettings {
            directory: Some(self.0.clone()),
            ..settings()
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Nothing is kept.
fn settings() -> FetchSettings {
    FetchSettings {
        timeout: Duration::from_secs(20),
        ..FetchSettings::default()
    }
}

/// Code that is fetched from where an authority is trusted.
fn source(place: &str, authority: &Authority) -> PluginSource {
    let place: CodeSource = place.parse().unwrap();
    let mut source = PluginSource::new(place);
    source.fetch.ca = Some(authority.file());
    source
}

/// The code, or why it cannot be had.
fn fetch(source: &PluginSource, settings: &FetchSettings) -> Result<Vec<u8>, String> {
    let mut codes = read_all(std::slice::from_ref(source), settings);
    codes.pop().unwrap().map_err(|error| error.to_string())
}

/// Whether it is the code, or fails with what has all of these parts.
#[track_caller]
fn expect(what: &str, found: Result<Vec<u8>, String>, expected: Result<&[u8], &[&str]>) {
    match (&found, expected) {
        (Ok(code), Ok(expected)) => assert!(code == expected, "{what}: it is other code"),
        (Err(error), Err(parts)) => {
            let missing: Vec<_> = parts.iter().filter(|part| !error.contains(**part)).collect();
            assert!(missing.is_empty(), "{what}: {error}: it lacks {missing:?}");
        }
        _ => panic!("{what}: {found:?} instead of {expected:?}"),
    }
}
