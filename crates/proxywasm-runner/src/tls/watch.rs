//! Certificates that change: their files are watched, and read again when they do.

use super::reloadable::Reload;
use crate::update::{FileWatch, Versions};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Wakes a [`Watch`].
#[derive(Debug, Clone)]
pub(crate) struct WatchTrigger(Sender<Wake>);

/// Configurations whose files are watched.
pub(crate) struct Watch {
    watched: Vec<Watched>,
    wakes: Receiver<Wake>,
    files: FileWatch,
}

#[derive(Debug)]
struct Watched {
    config: Arc<dyn Reload>,
    seen: Versions,
}

#[derive(Debug)]
enum Wake {
    /// Something has happened in a folder.
    Changed,
    /// Everything is to be read again.
    All,
    /// Others are to be watched.
    Set(Vec<Arc<dyn Reload>>),
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

    /// Has these configurations watched from now on. They were read just now, but for those that were watched already.
    pub(crate) fn set(&self, configs: Vec<Arc<dyn Reload>>) {
        let _ = self.0.send(Wake::Set(configs));
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
        let changed = sender.clone();
        let mut watch = Self {
            watched: Vec::new(),
            wakes,
            files: FileWatch::new(move || {
                let _ = changed.send(Wake::Changed);
            }),
        };
        watch.set(configs);
        watch.watch();
        (WatchTrigger(sender), watch)
    }

    /// Reads what changes, until it is told to stop.
    pub(crate) fn run(mut self) {
        while let Some(all) = self.next() {
            for watched in &mut self.watched {
                if all || watched.seen.have_changed() {
                    watched.seen = Versions::of(&watched.config.files());
                    reload(&*watched.config);
                }
            }
            self.watch();
        }
    }

    /// Waits until something has happened and nothing does any more, or for long enough. Returns whether everything is to be read; nothing at the end.
    fn next(&mut self) -> Option<bool> {
        let mut all = false;
        let mut wake = self.wakes.recv().ok()?;
        let begin = Instant::now();
        loop {
            match wake {
                Wake::Stop => return None,
                Wake::All => all = true,
                Wake::Changed => {}
                Wake::Set(configs) => self.set(configs),
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

    fn set(&mut self, configs: Vec<Arc<dyn Reload>>) {
        let mut before = std::mem::take(&mut self.watched);
        for config in configs {
            let same = before.iter().position(|watched| watched.config.is_same(&*config));
            let watched = same.map(|place| before.swap_remove(place));
            self.watched.push(watched.unwrap_or_else(|| Watched {
                seen: Versions::of(&config.files()),
                config,
            }));
        }
    }

    fn watch(&mut self) {
        let files = self.watched.iter().flat_map(|watched| watched.config.files());
        let files: Vec<PathBuf> = files.collect();
        if let Err(error) = self.files.set(&files) {
            tracing::warn!(%error, "changes of certificates are not noticed; SIGHUP has them read again");
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
