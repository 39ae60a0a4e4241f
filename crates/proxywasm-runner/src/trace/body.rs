//! Bodies of responses, whose end is that of their span.

use super::StreamSpan;
use crate::observed_body::{BodyObserver, ObservedBody, PolledFrame};
use http_body::Body;
use std::sync::Arc;

/// A body, and the span that ends with it, if there is one.
pub(crate) type TracedBody<B> = ObservedBody<B, SpanEnd>;

/// Ends a span when it is dropped, if nobody else has it.
#[derive(Debug)]
pub(crate) struct SpanEnd(
    #[expect(dead_code, reason = "ends the span when dropped")] pub(super) Option<Arc<StreamSpan>>,
);

impl<B: Body> BodyObserver<B> for SpanEnd {
    fn polled(&mut self, _answer: &PolledFrame<B>, _body: &B) {}
}
