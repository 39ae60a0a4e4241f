//! The beginning of a process that serves.

use super::predecessor::Predecessor;
use crate::listen::Inherited;
use std::process::ExitCode;

/// What a process that serves was started with.
pub(crate) struct Start<'a> {
    pub(crate) sockets: Inherited,
    pub(crate) predecessor: &'a Predecessor,
}

/// Serves, with what this process was started with. Who waits for it is told if it fails. To be called before there are other threads.
pub(crate) fn begin(serve: impl FnOnce(Start<'_>) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let mut sockets = Inherited::take();
    let predecessor = Predecessor::new(sockets.take_predecessor());
    let served = serve(Start {
        sockets,
        predecessor: &predecessor,
    });
    if let Err(error) = &served {
        predecessor.tell_failure(&format!("{error:#}"));
    }
    served
}
