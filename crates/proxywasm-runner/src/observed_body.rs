//! Bodies that pass as they are while somebody looks at them.

use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Who looks at a body. Dropped with it, after it.
pub(crate) trait BodyObserver<B: Body> {
    /// The body was asked for a frame, and this is the answer.
    fn polled(&mut self, answer: &PolledFrame<B>, body: &B);
}

/// What a body answers.
pub(crate) type PolledFrame<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// A body, and who looks at it.
#[derive(Debug)]
pub(crate) struct ObservedBody<B, O> {
    // In this order: what the end of the body does is still seen.
    body: B,
    observer: O,
}

// === impl ObservedBody ===

impl<B, O> ObservedBody<B, O> {
    pub(crate) fn new(body: B, observer: O) -> Self {
        Self { body, observer }
    }

    pub(crate) fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// The body, at which nobody looks any more.
    pub(crate) fn into_body(self) -> B {
        self.body
    }
}

impl<B: Body + Unpin, O: BodyObserver<B> + Unpin> Body for ObservedBody<B, O> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame<B> {
        let this = self.get_mut();
        let answer = Pin::new(&mut this.body).poll_frame(context);
        this.observer.polled(&answer, &this.body);
        answer
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
