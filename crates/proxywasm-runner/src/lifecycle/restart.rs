//! Restarts in place: on SIGUSR2 the program is started again, with the sockets of this process, which ends when the new one serves.
//!
//! Both listen on the same sockets for a moment, and none is closed on which connections wait.

use super::program::Program;
use super::successor::Successor;
use super::systemd;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Tells of restarts that are asked for, and carries them out.
#[derive(Debug)]
pub(crate) struct Restarts {
    program: io::Result<Program>,
    asked: Signal,
}

/// How long the new process may take until it serves: it compiles plugins.
const PATIENCE: Duration = Duration::from_secs(120);

// === impl Restarts ===

impl Restarts {
    /// From now on SIGUSR2 does not end the process. To be called within a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            program: Program::of_this_process(),
            asked: signal(SignalKind::user_defined2())?,
        })
    }

    /// Completes when another process has taken the place of this one, which then has to end. As long as none does, this process goes on.
    pub(crate) async fn handed_over(&mut self, sockets: impl Fn() -> io::Result<Vec<(String, OwnedFd)>>) {
        while self.asked.recv().await.is_some() {
            tracing::info!("SIGUSR2: starting a new process");
            match self.hand_over(&sockets).await {
                Ok(process) => {
                    tracing::info!(process, "the new process serves");
                    systemd::has_successor(process);
                    return;
                }
                Err(error) => tracing::error!("no restart; this process goes on: {error}"),
            }
        }
        std::future::pending().await
    }

    async fn hand_over(
        &self,
        sockets: &impl Fn() -> io::Result<Vec<(String, OwnedFd)>>,
    ) -> Result<u32, Box<dyn std::error::Error>> {
        let program = self.program.as_ref().map_err(ToString::to_string)?;
        let successor = Successor::start(program, sockets()?)?;
        Ok(successor.ready(PATIENCE).await?)
    }
}
