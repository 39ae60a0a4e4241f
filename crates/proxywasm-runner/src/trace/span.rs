//! The span of a request, as those see it whom the request passes.

use super::Tracer;
use super::attempt::Attempt;
use super::draft::{Draft, Finished};
use crate::figures::UpstreamFailure;
use crate::properties::UpstreamProperties;
use crate::upstream::{HttpTarget, UpstreamError};
use http::{Extensions, Request, StatusCode};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind};
use opentelemetry_sdk::trace::SpanData;
use proxywasm_host::{FilterChain, PluginTimes};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The span of a request. It ends when it is dropped.
pub(crate) struct StreamSpan {
    tracer: Arc<Tracer>,
    own: SpanContext,
    parent: SpanContext,
    /// What is told of it, if it is sampled.
    draft: Option<Mutex<Draft>>,
}

// === impl StreamSpan ===

impl StreamSpan {
    pub(super) fn new(
        tracer: Arc<Tracer>,
        own: SpanContext,
        parent: SpanContext,
        draft: Option<Draft>,
    ) -> Self {
        Self {
            tracer,
            own,
            parent,
            draft: draft.map(Mutex::new),
        }
    }

    /// What is to be told of route and upstream.
    pub(crate) fn way(&self) -> Arc<UpstreamProperties> {
        self.draft()
            .map_or_else(Arc::default, |draft| Arc::clone(&draft.way))
    }

    /// The span of a request, if it has one. Where somebody else is told of route and upstream, it asks there.
    pub(crate) fn take(
        extensions: &mut Extensions,
        way: Option<&Arc<UpstreamProperties>>,
    ) -> Option<Arc<Self>> {
        let span: Arc<Self> = extensions.remove()?;
        if let Some((mut draft, way)) = span.draft().zip(way) {
            draft.way = Arc::clone(way);
        }
        Some(span)
    }

    /// Where the times of its plugins are to be noted.
    pub(crate) fn time_plugins(&self, chain: &FilterChain) -> Option<Arc<PluginTimes>> {
        let mut draft = self.draft()?;
        let times = PluginTimes::new(chain.plugins().len());
        draft.plugins = Some((chain.clone(), Arc::clone(&times), SystemTime::now()));
        Some(times)
    }

    /// The request is sent to a server now, in a span of its own, whose context it carries.
    pub(crate) fn begin_attempt<B>(&self, request: &mut Request<B>, target: Option<&HttpTarget>) {
        let Some(mut draft) = self.draft() else {
            // What a plugin made of the context it gets stays.
            return;
        };
        let span = self.tracer.new_id();
        draft.attempts.push(Attempt::new(span, request.uri(), target));
        self.tracer.inject(&self.context(span), request.headers_mut());
    }

    /// The head of its response is there.
    pub(crate) fn attempt_answered(&self, status: StatusCode) {
        if let Some(mut draft) = self.draft() {
            draft.end_attempt(|attempt, peer| attempt.answered(status, peer));
        }
    }

    /// There will be none.
    pub(crate) fn attempt_failed(&self, error: &UpstreamError) {
        if let Some(mut draft) = self.draft() {
            let why = match error.is_of_client() {
                true => None,
                false => Some(UpstreamFailure::of(error)),
            };
            draft.end_attempt(|attempt, peer| attempt.failed(why, error.to_string(), peer));
        }
    }

    /// It takes longer than it may.
    pub(crate) fn attempt_timed_out(&self, limit: Duration) {
        self.attempt_failed(&UpstreamError::Timeout(limit));
    }

    /// The client gets this response.
    pub(super) fn answered(&self, status: StatusCode) {
        if let Some(mut draft) = self.draft() {
            draft.status = Some(status);
        }
    }

    /// It gets none.
    pub(super) fn failed(&self, why: &str) {
        if let Some(mut draft) = self.draft() {
            draft.error = Some(why.to_owned());
        }
    }

    fn draft(&self) -> Option<MutexGuard<'_, Draft>> {
        let draft = self.draft.as_ref()?;
        Some(draft.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The context of a span of this trace.
    fn context(&self, span: SpanId) -> SpanContext {
        SpanContext::new(
            self.own.trace_id(),
            span,
            self.own.trace_flags(),
            false,
            self.own.trace_state().clone(),
        )
    }

    fn export(&self, span: Finished) {
        self.tracer.export(SpanData {
            span_context: self.context(span.id),
            parent_span_id: span.parent,
            parent_span_is_remote: span.kind == SpanKind::Server,
            span_kind: span.kind,
            name: span.name,
            start_time: span.began,
            end_time: span.ended.max(span.began),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status: span.status,
            instrumentation_scope: self.tracer.scope.clone(),
        });
    }
}

impl Drop for StreamSpan {
    fn drop(&mut self) {
        let Some(draft) = self.draft.take() else {
            return;
        };
        let draft = draft.into_inner().unwrap_or_else(PoisonError::into_inner);
        for span in draft.finish(self.own.span_id(), self.parent.span_id(), || self.tracer.new_id()) {
            self.export(span);
        }
    }
}

impl fmt::Debug for StreamSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamSpan").field(&self.own).finish()
    }
}
