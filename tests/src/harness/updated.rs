//! A runner that serves a configuration file, which changes.

use super::PATIENCE;
use super::proxy::{Proxy, engine};
use crate::guests;
use proxywasm_host::{Services, TracingSink};
use proxywasm_runner::config::{ConfigFile, ConfigSource};
use proxywasm_runner::{Runner, Update, UpdateError};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A folder with a configuration file and what it names. It goes with this.
#[derive(Debug)]
pub struct ConfigFolder(PathBuf);

/// A proxy that serves the file of a folder.
pub struct UpdatedProxy {
    proxy: Proxy,
    folder: ConfigFolder,
}

// === impl ConfigFolder ===

impl ConfigFolder {
    /// A folder with a file of this text.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "proxywasm-updates-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        folder.write(text);
        folder
    }

    /// Where a file of it is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        self.path("proxy.yaml")
    }

    /// Writes the configuration file: another is put in its place, as editors do it.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, text: &str) {
        self.put("proxy.yaml", text);
    }

    /// Puts a file into the folder, in the place of the one that is there.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.path(".new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    /// Puts a plugin from its text into the folder.
    ///
    /// # Panics
    /// It is no text of a module.
    pub fn put_wat(&self, name: &str, text: &str) {
        self.put(name, wat::parse_str(text).unwrap());
    }

    /// Puts a sample plugin into the folder.
    pub fn put_guest(&self, name: &str, guest: &str) {
        self.put(name, guests::load(guest));
    }

    /// Starts a proxy that serves it and notices changes.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(self) -> UpdatedProxy {
        self.start_watching(true)
    }

    /// Starts a proxy that serves it and is told when it changes.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_quietly(self) -> UpdatedProxy {
        self.start_watching(false)
    }

    fn start_watching(self, watches: bool) -> UpdatedProxy {
        let config = ConfigFile::read(&self.file()).unwrap_or_else(|error| panic!("{error}"));
        let services = Services::new(Arc::new(TracingSink));
        let settings = config
            .build(engine(), &services)
            .unwrap_or_else(|error| panic!("{error}"));
        let source = ConfigSource::new(&self.file(), &config, None);
        let log = config.log_options();
        let runner = Runner::start_with_source(settings, &log, Box::new(source), watches).unwrap();
        UpdatedProxy {
            proxy: Proxy { runner },
            folder: self,
        }
    }
}

impl Drop for ConfigFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// === impl UpdatedProxy ===

impl UpdatedProxy {
    /// What it serves.
    pub fn folder(&self) -> &ConfigFolder {
        &self.folder
    }

    /// Has the file read again; tells what has changed, line by line.
    ///
    /// # Panics
    /// It is refused.
    pub fn reload(&self) -> Vec<String> {
        let update = self.try_reload().unwrap_or_else(|error| panic!("{error}"));
        let changes = update.changes.iter();
        changes.map(ToString::to_string).collect()
    }

    /// Has the file read again.
    ///
    /// # Errors
    /// It is refused.
    pub fn try_reload(&self) -> Result<Update, Arc<UpdateError>> {
        self.runner().reload_now()
    }

    /// Writes the file, and has it read again.
    ///
    /// # Panics
    /// It is refused.
    pub fn update(&self, text: &str) -> Vec<String> {
        self.folder.write(text);
        self.reload()
    }

    /// Which version is served.
    pub fn generation(&self) -> u64 {
        self.runner().snapshot().generation
    }

    /// Waits until a version is served.
    ///
    /// # Panics
    /// It never is.
    pub fn wait_for_generation(&self, generation: u64) {
        wait_until("a version is served", || self.generation() >= generation);
    }

    /// Stops it, and returns when it has.
    pub fn shut_down(self) {
        self.proxy.shut_down();
    }
}

impl Deref for UpdatedProxy {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.proxy
    }
}

/// Waits until something is so.
///
/// # Panics
/// It never is.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Puts a link in the place of another.
///
/// # Panics
/// It cannot be made.
pub fn relink(target: &str, link: &Path) {
    let new = link.with_file_name(".link");
    std::os::unix::fs::symlink(target, &new).unwrap();
    std::fs::rename(new, link).unwrap();
}
