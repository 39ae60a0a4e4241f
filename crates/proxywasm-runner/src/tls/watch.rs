//! Certificates that change: their files are watched, and read again when they do.
//!
//! Folders are watched, not files, so that one which is put in the place of another by renaming is seen, and so is a link to another
//! folder, as Kubernetes changes it. A file counts as changed when it is another one, or was written to.

use super::reloadable::Reload;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Wakes a [`Watch`].
#[derive(Debug, Clone)]
pub(crate) struct WatchTrigger(Sender<Wake>);

/// Configurations whose files are watched.
#[derive(Debug)]
pub(crate) struct Watch {
    watched: Vec<Watched>,
    wakes: Receiver<Wake>,
    /// Goes on for as long as this; there is none where the system gives none.
    _watcher: Option<RecommendedWatcher>,
}

#[derive(Debug)]
struct Watched {
    config: Arc<dyn Reload>,
    seen: Vec<Option<Version>>,
}

/// What tells one version of a file from another: device, number, length, and when it was written to.
type Version = (u64, u64, u64, i64, i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    /// Something has happened in a folder.
    Changed,
    /// Everything is to be read again.
    All,
    Stop,
}

/// How long nothing may happen before files are read: a certificate and its key rarely change in one moment.
const QUIET: Duration = Duration::from_millis(200);
/// After how long they are read all the same: in the same folder there may be a file that is written to all the time.
const LONGEST: Duration = Duration::from_secs(2);

// === impl WatchTrigger ===

impl WatchTrigger {
    /// Has all files read again.
    pub(crate) fn reload(&self) {
        // A watch that is gone is one of a runner that stops.
        let _ = self.0.send(Wake::All);
    }

    /// Ends the watch.
    pub(crate) fn stop(&self) {
        let _ = self.0.send(Wake::Stop);
    }
}

// === impl Watch ===

impl Watch {
    /// Watches the files of configurations from now on.
    pub(crate) fn new(configs: Vec<Arc<dyn Reload>>) -> (WatchTrigger, Self) {
        let (sender, wakes) = mpsc::channel();
        let watched = configs.into_iter().map(|config| Watched {
            seen: versions(&*config),
            config,
        });
        let watched: Vec<Watched> = watched.collect();
        let watcher = watch_folders(&watched, sender.clone());
        let watch = Self {
            watched,
            wakes,
            _watcher: watcher
                .inspect_err(|error| {
                    tracing::warn!(%error, "changes of certificates are not noticed; SIGHUP has them read again");
                })
                .ok(),
        };
        (WatchTrigger(sender), watch)
    }

    /// Reads what changes, until it is told to stop.
    pub(crate) fn run(mut self) {
        while let Some(all) = self.next() {
            for watched in &mut self.watched {
                let now = versions(&*watched.config);
                if all || now != watched.seen {
                    watched.seen = now;
                    reload(&*watched.config);
                }
            }
        }
    }

    /// Waits until something has happened and nothing does any more, or for long enough. Returns whether everything is to be read; nothing at the end.
    fn next(&self) -> Option<bool> {
        let mut all = false;
        let mut wake = self.wakes.recv().ok()?;
        let begin = Instant::now();
        loop {
            match wake {
                Wake::Stop => return None,
                Wake::All => all = true,
                Wake::Changed => {}
            }
            if begin.elapsed() >= LONGEST {
                return Some(all);
            }
            wake = match self.wakes.recv_timeout(QUIET) {
                Ok(wake) => wake,
                Err(RecvTimeoutError::Timeout) => return Some(all),
                Err(RecvTimeoutError::Disconnected) => return None,
            };
        }
    }
}

fn reload(config: &dyn Reload) {
    let files = config.files();
    match config.reload() {
        Ok(()) => tracing::info!(?files, "certificates were read again; new connections get them"),
        Err(error) => {
            tracing::error!(
                ?files,
                "new certificates are not used, those from before are: {error}"
            );
        }
    }
}

fn watch_folders(watched: &[Watched], sender: Sender<Wake>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // To read a file is to make an event too.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = sender.send(Wake::Changed);
        }
    })?;
    let files = watched.iter().flat_map(|watched| watched.config.files());
    let folders: BTreeSet<PathBuf> = files.filter_map(|file| folder_of(&file)).collect();
    for folder in folders {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folder_of(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    Some(if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder.to_owned()
    })
}

fn versions(config: &dyn Reload) -> Vec<Option<Version>> {
    let files = config.files().into_iter();
    files
        .map(|file| {
            let file = std::fs::metadata(file).ok()?;
            Some((
                file.dev(),
                file.ino(),
                file.len(),
                file.mtime(),
                file.mtime_nsec(),
            ))
        })
        .collect()
}
