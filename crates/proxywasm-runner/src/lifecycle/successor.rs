//! The process that takes the place of this one.

use super::predecessor::READY;
use super::program::Program;
use crate::listen::PREDECESSOR;
use command_fds::{CommandFdExt, FdMapping, FdMappingCollision};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// A process that was started to take the place of this one. Unless it has, it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Successor {
    process: Child,
    connection: UnixStream,
    has_taken_over: bool,
}

/// Another process cannot take the place of this one.
#[derive(Debug, Error)]
pub(super) enum SuccessorError {
    #[error(
        "this process is the first one of its container, which ends with it; replace the container instead"
    )]
    FirstProcess,
    #[error("the sockets cannot be handed over: {0}")]
    Sockets(#[source] io::Error),
    #[error(transparent)]
    Names(#[from] FdMappingCollision),
    #[error("cannot start {}: {error}", .file.display())]
    Start {
        file: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("the new process ended before it served: {0}")]
    Ended(ExitStatus),
    #[error("the new process does not serve: {0}")]
    Failed(String),
    #[error("the new process was not ready within {0:?}")]
    Slow(Duration),
    #[error("the new process cannot be asked: {0}")]
    Lost(#[source] io::Error),
}

/// The first descriptor that is handed over, by the convention of systemd.
const FIRST_DESCRIPTOR: i32 = 3;

/// Bytes of what a process says that are read.
const MAX_REPORT: u64 = 4096;

// === impl Successor ===

impl Successor {
    /// Starts the program again, with the sockets. To be called within a runtime.
    pub(super) fn start(program: &Program, sockets: Vec<(String, OwnedFd)>) -> Result<Self, SuccessorError> {
        if std::process::id() == 1 {
            return Err(SuccessorError::FirstProcess);
        }
        let (own, other) = std::os::unix::net::UnixStream::pair().map_err(SuccessorError::Sockets)?;
        own.set_nonblocking(true).map_err(SuccessorError::Sockets)?;
        let connection = UnixStream::from_std(own).map_err(SuccessorError::Sockets)?;
        let mut given = vec![(PREDECESSOR.to_owned(), OwnedFd::from(other))];
        given.extend(sockets);
        let names: Vec<String> = given.iter().map(|(name, _)| name.clone()).collect();
        let descriptors = given.into_iter().map(|(_, descriptor)| descriptor);
        let mappings = (FIRST_DESCRIPTOR..).zip(descriptors);
        let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        let mut command = Command::new(&program.file);
        command
            .args(&program.arguments)
            .env("LISTEN_FDS", names.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            // Not known before it has started.
            .env_remove("LISTEN_PID")
            .fd_mappings(mappings.collect())?;
        let process = command.spawn().map_err(|error| SuccessorError::Start {
            file: program.file.clone(),
            error,
        })?;
        Ok(Self {
            process,
            connection,
            has_taken_over: false,
        })
    }

    /// Waits until it serves. Returns its id.
    pub(super) async fn ready(mut self, patience: Duration) -> Result<u32, SuccessorError> {
        let mut said = String::new();
        let mut connection = (&mut self.connection).take(MAX_REPORT);
        let reading = connection.read_to_string(&mut said);
        match tokio::time::timeout(patience, reading).await {
            Err(_) => Err(SuccessorError::Slow(patience)),
            Ok(Err(error)) => Err(SuccessorError::Lost(error)),
            Ok(Ok(_)) if said == READY => {
                self.has_taken_over = true;
                Ok(self.process.id())
            }
            Ok(Ok(0)) => {
                // It may live on without its end of the connection.
                let _ = self.process.kill();
                let status = self.process.wait().map_err(SuccessorError::Lost)?;
                Err(SuccessorError::Ended(status))
            }
            Ok(Ok(_)) => Err(SuccessorError::Failed(said)),
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.has_taken_over {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
