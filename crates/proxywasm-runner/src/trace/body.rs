//! Bodies of responses, whose end is that of their span.

use super::StreamSpan;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A body, and the span that ends with it, if there is one.
#[derive(Debug)]
pub(crate) struct TracedBody<B> {
    body: B,
    _span: Option<Arc<StreamSpan>>,
}

// === impl TracedBody ===

impl<B> TracedBody<B> {
    pub(super) fn new(body: B, span: Option<Arc<StreamSpan>>) -> Self {
        Self { body, _span: span }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for TracedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
