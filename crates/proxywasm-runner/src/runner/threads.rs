//! The threads of a runner.

use super::StartError;
use std::io;
use std::thread::JoinHandle;

/// Threads that end when they are told to, and not by themselves.
#[derive(Debug, Default)]
pub(super) struct Threads(Vec<JoinHandle<()>>);

// === impl Threads ===

impl Threads {
    /// Starts a thread, and waits until it is known to work or not.
    pub(super) fn spawn<W: FnOnce()>(
        &mut self,
        name: String,
        prepare: impl FnOnce() -> io::Result<W> + Send + 'static,
    ) -> Result<(), StartError> {
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let body = move || match prepare() {
            Ok(work) => {
                let _ = ready.send(Ok(()));
                work();
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(body)
            .map_err(StartError::Worker)?;
        self.0.push(thread);
        match is_ready.recv() {
            Ok(result) => result.map_err(StartError::Worker),
            Err(_) => Err(StartError::Worker(io::Error::other(
                "it stopped while it started",
            ))),
        }
    }

    /// Waits until all have ended.
    pub(super) fn join(&mut self) {
        for thread in self.0.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}
