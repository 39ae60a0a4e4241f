//! The compile cache in the configuration file.

use super::units::Size;
use proxywasm_host::CacheSettings;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where compiled plugins are kept, so that the next start need not compile them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CacheEntry {
    /// The directory; relative to this file. Code in it is run, so it has to belong to the user of this process, and nobody else may be
    /// able to write it; it is made if it is not there. Default: `proxywasm` in `$XDG_CACHE_HOME`, or in `$HOME/.cache`.
    directory: Option<PathBuf>,
    /// Of all that is kept; beyond that, what was not used for longest is removed. Default: `1 GiB`.
    size: Option<Size>,
}

// === impl CacheEntry ===

impl CacheEntry {
    /// The settings, for a file in a folder; or why there is no directory.
    pub(super) fn settings(&self, folder: &Path) -> Result<CacheSettings, &'static str> {
        let directory = match &self.directory {
            Some(directory) => folder.join(directory),
            None => default_directory(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")).ok_or(
                "neither XDG_CACHE_HOME nor HOME says where this user keeps caches; give the cache a `directory`",
            )?,
        };
        let mut settings = CacheSettings::new(directory);
        if let Some(size) = self.size {
            settings.bytes = size.0 as u64;
        }
        Ok(settings)
    }
}

/// Where the XDG Base Directory Specification puts it. Paths that are not absolute do not count there.
fn default_directory(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute(cache).or_else(|| absolute(home).map(|home| home.join(".cache")))?;
    Some(caches.join("proxywasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_directories() {
        let table = [
            (Some("/cache"), Some("/home/a"), Some("/cache/proxywasm")),
            (None, Some("/home/a"), Some("/home/a/.cache/proxywasm")),
            (Some(""), Some("/home/a"), Some("/home/a/.cache/proxywasm")),
            (Some("cache"), None, None),
            (None, None, None),
        ];
        for (cache, home, expected) in table {
            let found = default_directory(cache.map(Into::into), home.map(Into::into));
            assert_eq!(found, expected.map(PathBuf::from), "{cache:?} {home:?}");
        }
    }
}
