//! A function that makes connections, as what tonic calls.

use super::BoxError;
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::transport::Uri;
use tower_service::Service;

/// Makes a connection at each call, wherever it is asked to.
pub(super) struct Connector<C>(pub(super) C);

// === impl Connector ===

impl<C, F, S, E> Service<Uri> for Connector<C>
where
    C: Fn() -> F,
    F: Future<Output = Result<S, E>> + Send + 'static,
    E: Into<BoxError>,
{
    type Response = TokioIo<S>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<S>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connecting = (self.0)();
        Box::pin(async move { connecting.await.map(TokioIo::new).map_err(Into::into) })
    }
}
