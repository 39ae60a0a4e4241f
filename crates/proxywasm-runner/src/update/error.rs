//! Why an update came to nothing.

use crate::config::Diagnostic;
use crate::listen::ListenError;
use crate::runner::StartError;
use crate::transport::Address;
use thiserror::Error;

/// New settings cannot be used.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Something is wrong in the configuration file, or with what it names.
    #[error(transparent)]
    Configuration(#[from] Diagnostic),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// An update came to nothing; everything is as it was.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// New settings cannot be used.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A new address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A listener would speak HTTP where it spoke TCP, or the other way round.
    #[error("`protocol` of the listener {0} cannot change at run time: give it another address, or restart")]
    Protocol(Address),
    /// The operating system gives no thread, or an access log cannot be opened.
    #[error(transparent)]
    Start(StartError),
    /// The runner has no source of other settings.
    #[error("this runner was started without anything that could be read again")]
    NoSource,
    /// The runner stops.
    #[error("the runner stops")]
    Stopping,
}

impl From<StartError> for UpdateError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Listen(error) => Self::Listen(error),
            error => Self::Start(error),
        }
    }
}
