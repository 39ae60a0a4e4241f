//! The upstreams of a runner, and the thread that keeps an eye on them.

use super::StartError;
use super::threads::Threads;
use crate::cluster::{self, Shared, UpstreamSettings};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use tokio::runtime::Builder;

/// Starts what keeps an eye on upstreams, where one needs it, and waits until their names have been resolved.
pub(super) fn watch_upstreams(
    threads: &mut Threads,
    settings: &[UpstreamSettings],
    shutdown: &Shutdown,
) -> Result<Vec<Arc<Shared>>, StartError> {
    let upstreams: Vec<_> = settings.iter().cloned().map(Shared::new).map(Arc::new).collect();
    let watched: Vec<_> = upstreams
        .iter()
        .filter(|shared| cluster::needs_watch(shared))
        .cloned()
        .collect();
    if watched.is_empty() {
        return Ok(upstreams);
    }
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let shutdown = shutdown.clone();
    threads.spawn("upstreams".to_owned(), move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default())?;
        let ready = move || {
            let _ = ready.send(());
        };
        Ok(move || {
            runtime.block_on(cluster::watch_all(watched, ready, shutdown));
            // Nobody waits for a name that is being resolved.
            runtime.shutdown_background();
        })
    })?;
    // An error says that the thread is gone, and with it what it would have done.
    let _ = is_ready.recv();
    Ok(upstreams)
}
