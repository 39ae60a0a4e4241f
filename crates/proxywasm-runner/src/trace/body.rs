//! Bodies of responses, whose end is that of their span.

use super::OpenSpan;
use crate::observed_body::{BodyObserver, ObservedBody, PolledFrame};
use http_body::Body;

/// A body, and the span that ends with it, if there is one.
pub(crate) type TracedBody<B> = ObservedBody<B, SpanEnd>;

/// Ends a span when it is dropped.
#[derive(Debug)]
pub(crate) struct SpanEnd(
    #[expect(dead_code, reason = "ends the span when dropped")] pub(super) Option<OpenSpan>,
);

impl<B: Body> BodyObserver<B> for SpanEnd {
    fn polled(&mut self, _answer: &PolledFrame<B>, _body: &B) {}
}
