//! The thread that has the runner serve what its source says, when that may have changed.

use super::{FileWatch, Source, Update, UpdateError, Versions};
use crate::runner::Core;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What came of a reload, for all who asked for it.
pub(crate) type Reloaded = Result<Update, Arc<UpdateError>>;

/// Asks for reloads.
#[derive(Debug, Clone)]
pub(crate) struct Reloads(Sender<Wake>);

/// Reads a source again and again.
pub(crate) struct Reloader {
    source: Box<dyn Source>,
    core: Arc<Core>,
    wakes: Receiver<Wake>,
    /// `None` where files are not watched.
    files: Option<FileWatch>,
    seen: Versions,
}

#[derive(Debug)]
enum Wake {
    /// Something has happened in a folder.
    Changed,
    /// Somebody asks, and may want to know what came of it.
    Asked(Option<oneshot::Sender<Reloaded>>),
    Stop,
}

/// Why it is read again.
#[derive(Debug, Default)]
struct Cause {
    asked: bool,
    waiting: Vec<oneshot::Sender<Reloaded>>,
}

/// How long nothing may happen before changed files are read: they are often written piece by piece, and several at once.
const QUIET: Duration = Duration::from_millis(200);
/// After how long they are read all the same: in the same folder there may be a file that is written to all the time.
const LONGEST: Duration = Duration::from_secs(2);

// === impl Reloads ===

impl Reloads {
    /// Asks for a reload, in the background.
    pub(crate) fn ask(&self) {
        // A reloader that is gone is one of a runner that stops.
        let _ = self.0.send(Wake::Asked(None));
    }

    /// Asks for a reload; the answer tells what came of it.
    pub(crate) fn ask_and_tell(&self) -> oneshot::Receiver<Reloaded> {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Wake::Asked(Some(answer)));
        answered
    }

    pub(crate) fn stop(&self) {
        let _ = self.0.send(Wake::Stop);
    }
}

// === impl Reloader ===

impl Reloader {
    /// A reloader, and what it is asked by. Changes of files count from now on, if `watches`.
    pub(crate) fn new(source: Box<dyn Source>, core: Arc<Core>, watches: bool) -> (Self, Reloads) {
        let (sender, wakes) = mpsc::channel();
        let changed = sender.clone();
        let files = watches.then(|| {
            FileWatch::new(move || {
                let _ = changed.send(Wake::Changed);
            })
        });
        let mut reloader = Self {
            seen: Versions::of(&source.files()),
            source,
            core,
            wakes,
            files,
        };
        if let Err(error) = reloader.watch() {
            tracing::warn!(%error, "changes of files are not noticed; SIGHUP has them read again");
            reloader.files = None;
        }
        (reloader, Reloads(sender))
    }

    /// Reloads until it is told to stop.
    pub(crate) fn run(mut self) {
        while let Some(cause) = self.next() {
            if cause.asked || self.seen.have_changed() {
                self.reload(cause);
            }
            if let Err(error) = self.watch() {
                tracing::warn!(%error, "not all changes of files are noticed; SIGHUP has them read again");
            }
        }
    }

    /// Waits for a reason to reload, and where that is a file, until nothing happens any more, or for long enough. Nothing at the end.
    fn next(&self) -> Option<Cause> {
        let mut cause = Cause::default();
        let mut wake = self.wakes.recv().ok()?;
        let begin = Instant::now();
        loop {
            match wake {
                Wake::Stop => return None,
                Wake::Asked(waiting) => {
                    cause.asked = true;
                    cause.waiting.extend(waiting);
                }
                Wake::Changed => {}
            }
            // Others that ask at the same time need no reload of their own.
            let quiet = if cause.asked { Duration::ZERO } else { QUIET };
            if begin.elapsed() >= LONGEST {
                return Some(cause);
            }
            wake = match self.wakes.recv_timeout(quiet) {
                Ok(wake) => wake,
                Err(RecvTimeoutError::Timeout) => return Some(cause),
                Err(RecvTimeoutError::Disconnected) => return None,
            };
        }
    }

    fn reload(&mut self, cause: Cause) {
        // What changes from now on leads to another reload, whatever this one still sees of it.
        let seen = Versions::of(&self.source.files());
        let reloaded = self.update().map_err(Arc::new);
        // Files that it names for the first time have been read just now.
        let files = Versions::of(&self.source.files());
        self.seen = seen.with_others_of(files);
        self.core.note(reloaded.as_ref().map_err(|error| &**error));
        match &reloaded {
            Ok(update) if update.changes.is_empty() && update.restart.is_empty() => {
                tracing::info!("reload: nothing has changed");
            }
            Ok(update) => {
                let changes: Vec<_> = update.changes.iter().map(ToString::to_string).collect();
                tracing::info!(
                    generation = update.generation,
                    "reload: {}",
                    if changes.is_empty() {
                        "nothing that can change at run time has changed".to_owned()
                    } else {
                        changes.join(", ")
                    }
                );
                for field in &update.restart {
                    tracing::warn!(
                        "reload: `{field}` has changed, which needs a restart; it stays as it was"
                    );
                }
            }
            Err(error) => {
                tracing::error!("reload: everything stays as it was: {error}");
            }
        }
        for waiting in cause.waiting {
            let _nobody_waits = waiting.send(reloaded.clone());
        }
    }

    fn update(&mut self) -> Result<Update, UpdateError> {
        self.core.reload_certificates();
        let core = Arc::clone(&self.core);
        // Nothing is locked while it is built, which may take long.
        let (settings, log) = core.serves();
        let proposal = self.source.read(&settings, &log)?;
        let mut update = core.update(proposal.settings, &proposal.log)?;
        update.restart.extend(proposal.restart);
        core.show(proposal.shown);
        Ok(update)
    }

    fn watch(&mut self) -> notify::Result<()> {
        let Some(watch) = &mut self.files else {
            return Ok(());
        };
        watch.set(&self.source.files())
    }
}
