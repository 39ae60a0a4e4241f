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
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The span of a request.
pub(crate) struct StreamSpan {
    pub(super) tracer: Arc<Tracer>,
    pub(super) own: SpanContext,
    parent: SpanContext,
    /// What is told of it, if it is sampled, until it ends.
    draft: Option<Mutex<Option<Draft>>>,
}

/// The span of a request that goes on. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct OpenSpan(Arc<StreamSpan>);

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
            draft: draft.map(|draft| Mutex::new(Some(draft))),
        }
    }

    /// What is to be told of route and upstream.
    pub(crate) fn way(&self) -> Arc<UpstreamProperties> {
        self.with(|draft| Arc::clone(&draft.way)).unwrap_or_default()
    }

    /// The span of a request, if it has one. Where somebody else is told of route and upstream, it asks there.
    pub(crate) fn take(
        extensions: &mut Extensions,
        way: Option<&Arc<UpstreamProperties>>,
    ) -> Option<Arc<Self>> {
        let span: Arc<Self> = extensions.remove()?;
        if let Some(way) = way {
            span.with(|draft| draft.way = Arc::clone(way));
        }
        Some(span)
    }

    /// Where the times of the plugins of a chain are to be noted, and the place of the first of them among all of the request.
    pub(crate) fn time_plugins(&self, chain: &FilterChain) -> Option<(usize, Arc<PluginTimes>)> {
        self.with(|draft| draft.time_plugins(chain))
    }

    /// The request is sent to a server now, in a span of its own, whose context it carries.
    pub(crate) fn begin_attempt<B>(&self, request: &mut Request<B>, target: Option<&HttpTarget>) {
        let begun = self.with(|draft| {
            let span = self.tracer.new_id();
            let mut attempt = Attempt::new(span);
            if let Some(target) = target {
                attempt.sent_to(target, Some(request.uri().path()));
            }
            draft.attempts.push(attempt);
            span
        });
        // Of one that is not sampled, what a plugin made of the context it gets stays.
        if let Some(span) = begun {
            self.tracer.inject(&self.context(span), request.headers_mut());
        }
    }

    /// The head of its response is there.
    pub(crate) fn attempt_answered(&self, status: StatusCode) {
        self.with(|draft| draft.end_attempt(|attempt, peer| attempt.answered(status, peer)));
    }

    /// There will be none.
    pub(crate) fn attempt_failed(&self, error: &UpstreamError) {
        self.with(|draft| {
            let why = match error.is_of_client() {
                true => None,
                false => Some(UpstreamFailure::of(error)),
            };
            draft.end_attempt(|attempt, peer| attempt.failed(why, error.to_string(), peer));
        });
    }

    /// It takes longer than it may.
    pub(crate) fn attempt_timed_out(&self, limit: Duration) {
        self.attempt_failed(&UpstreamError::Timeout(limit));
    }

    /// The client gets this response.
    pub(super) fn answered(&self, status: StatusCode) {
        self.with(|draft| draft.status = Some(status));
    }

    /// It gets none.
    pub(super) fn failed(&self, why: &str) {
        self.with(|draft| draft.error = Some(why.to_owned()));
    }

    /// The span of a plugin, or that of the request, for one that is to be below it; and the plugin's name.
    pub(super) fn plugin(&self, index: usize) -> (SpanId, Option<String>) {
        let plugin = self
            .with(|draft| draft.plugin(index, || self.tracer.new_id()))
            .flatten();
        plugin.map_or((self.own.span_id(), None), |(span, name)| (span, Some(name)))
    }

    /// Sends what was told. What is told later is not heard.
    fn end(&self) {
        let draft = self.draft.as_ref().and_then(|draft| lock(draft).take());
        let Some(draft) = draft else { return };
        for span in draft.finish(self.own.span_id(), self.parent.span_id(), || self.tracer.new_id()) {
            self.export(span);
        }
    }

    fn with<R>(&self, tell: impl FnOnce(&mut Draft) -> R) -> Option<R> {
        lock(self.draft.as_ref()?).as_mut().map(tell)
    }

    /// The context of a span of this trace.
    pub(super) fn context(&self, span: SpanId) -> SpanContext {
        SpanContext::new(
            self.own.trace_id(),
            span,
            self.own.trace_flags(),
            false,
            self.own.trace_state().clone(),
        )
    }

    pub(super) fn export(&self, span: Finished) {
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

impl fmt::Debug for StreamSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamSpan").field(&self.own).finish()
    }
}

fn lock(draft: &Mutex<Option<Draft>>) -> MutexGuard<'_, Option<Draft>> {
    draft.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl OpenSpan ===

impl OpenSpan {
    pub(super) fn new(span: &Arc<StreamSpan>) -> Self {
        Self(Arc::clone(span))
    }
}

impl Deref for OpenSpan {
    type Target = StreamSpan;

    fn deref(&self) -> &StreamSpan {
        &self.0
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        self.0.end();
    }
}
