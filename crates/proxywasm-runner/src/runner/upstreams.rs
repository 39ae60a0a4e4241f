//! The upstreams of a runner, and the thread that keeps an eye on them.

use super::StartError;
use super::threads::Threads;
use crate::cluster::{Shared, UpstreamSettings, UpstreamWatch, needs_watch};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use tokio::runtime::Builder;

/// The upstreams of a runner.
#[derive(Default)]
pub(super) struct RunnerUpstreams {
    pub(super) all: Vec<Arc<Shared>>,
    /// There once one needs it.
    watch: Option<UpstreamWatch>,
}

// === impl RunnerUpstreams ===

impl RunnerUpstreams {
    /// What comes of settings: what is the same is what it was.
    pub(super) fn succeeding(&self, settings: &[UpstreamSettings]) -> Vec<Arc<Shared>> {
        let upstreams = settings.iter().map(|settings| {
            let before = self.all.iter().find(|shared| shared.name() == settings.name);
            match before {
                Some(before) if before.settings() == settings => Arc::clone(before),
                Some(before) => Arc::new(Shared::succeeding(settings.clone(), before)),
                None => Arc::new(Shared::new(settings.clone())),
            }
        });
        upstreams.collect()
    }

    /// Keeps an eye on these besides those of before, and waits until their names have been resolved.
    pub(super) fn prepare(
        &mut self,
        upstreams: &[Arc<Shared>],
        threads: &mut Threads,
        shutdown: &Shutdown,
    ) -> Result<(), StartError> {
        if self.watch.is_none() && !upstreams.iter().any(|shared| needs_watch(shared)) {
            return Ok(());
        }
        if self.watch.is_none() {
            self.watch = Some(start(threads, shutdown)?);
        }
        if let Some(watch) = &self.watch {
            let both: Vec<_> = self.all.iter().chain(upstreams).cloned().collect();
            watch.set(&both);
        }
        Ok(())
    }

    /// Those are all from now on.
    pub(super) fn set(&mut self, upstreams: Vec<Arc<Shared>>) {
        if let Some(watch) = &self.watch {
            watch.set(&upstreams);
        }
        self.all = upstreams;
    }
}

fn start(threads: &mut Threads, shutdown: &Shutdown) -> Result<UpstreamWatch, StartError> {
    let (watch, run) = UpstreamWatch::new(shutdown.clone());
    threads.spawn("upstreams".to_owned(), move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default())?;
        Ok(move || {
            runtime.block_on(run);
            // Nobody waits for a name that is being resolved.
            runtime.shutdown_background();
        })
    })?;
    Ok(watch)
}
