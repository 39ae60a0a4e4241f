//! The end of the process.

use crate::runner::Runner;
use crate::shutdown::Terminations;
use std::process::ExitCode;
use std::time::Duration;

/// How long it may take to end when nothing is waited for; a plugin may be busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Stops a runner in order, or at once when another signal comes meanwhile.
pub(crate) async fn stop(runner: Runner, signals: &mut Terminations) -> ExitCode {
    let hurry = runner.hurry();
    // A thread of its own, for it waits for others.
    let mut stopping = tokio::task::spawn_blocking(move || runner.shut_down());
    let stopped = tokio::select! {
        stopped = &mut stopping => stopped.is_ok(),
        signal = signals.next() => {
            tracing::info!("{signal} again: stopping at once");
            hurry.now();
            tokio::time::timeout(PATIENCE, stopping).await.is_ok_and(|stopped| stopped.is_ok())
        }
    };
    if stopped {
        tracing::info!("stopped");
        ExitCode::SUCCESS
    } else {
        tracing::error!("a worker does not stop; the process ends without it");
        ExitCode::FAILURE
    }
}
