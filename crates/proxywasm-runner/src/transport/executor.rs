//! Tasks of HTTP/2 connections.

use hyper::rt::Executor;

/// Runs the streams of HTTP/2 connections on the thread of their worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
