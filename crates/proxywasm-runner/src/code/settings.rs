//! Bounds on what is fetched, and where it is kept.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How the code of plugins is fetched, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchSettings {
    /// Where code is kept that was fetched; without it nothing is. Whoever can write it decides which code is run, so others than the
    /// user of this process may not.
    pub directory: Option<PathBuf>,
    /// Bytes of all that is kept; beyond that, what was not used for longest is removed.
    pub cache_bytes: u64,
    /// Bytes of a module, and of what it comes in.
    pub code_bytes: usize,
    /// How long it may take until the code of a plugin is there.
    pub timeout: Duration,
    /// How many times a server may send elsewhere.
    pub redirects: usize,
    /// The file in which Docker keeps credentials.
    pub docker_config: Option<PathBuf>,
    /// Nothing is fetched; only what is kept is used.
    pub offline: bool,
}

// === impl FetchSettings ===

impl FetchSettings {
    /// The defaults with the directories of a user, as the environment variables `XDG_CACHE_HOME`, `HOME` and `DOCKER_CONFIG` say.
    pub fn for_user(caches: Option<OsString>, home: Option<OsString>, docker: Option<OsString>) -> Self {
        // Of a relative path it is not known to what.
        let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute(home);
        let in_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let caches = absolute(caches).or_else(|| in_home(".cache"));
        let docker = absolute(docker).or_else(|| in_home(".docker"));
        Self {
            directory: caches.map(|caches| caches.join("proxywasm").join("code")),
            docker_config: docker.map(|docker| docker.join("config.json")),
            ..Self::default()
        }
    }
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            directory: None,
            cache_bytes: 1 << 30,
            code_bytes: 64 << 20,
            timeout: Duration::from_secs(60),
            redirects: 5,
            docker_config: None,
            offline: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        // XDG_CACHE_HOME, HOME, DOCKER_CONFIG; the directory, the file of Docker.
        let table = [
            (
                (Some("/c"), Some("/h"), Some("/d")),
                (Some("/c/proxywasm/code"), Some("/d/config.json")),
            ),
            (
                (None, Some("/h"), None),
                (Some("/h/.cache/proxywasm/code"), Some("/h/.docker/config.json")),
            ),
            ((Some("c"), None, Some("d")), (None, None)),
            ((None, None, None), (None, None)),
        ];
        for ((caches, home, docker), (directory, config)) in table {
            let settings = FetchSettings::for_user(
                caches.map(Into::into),
                home.map(Into::into),
                docker.map(Into::into),
            );
            assert_eq!(settings.directory, directory.map(PathBuf::from));
            assert_eq!(settings.docker_config, config.map(PathBuf::from));
        }
    }
}
