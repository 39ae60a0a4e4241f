//! Which requests are traced, and as part of which trace.

use super::draft::Draft;
use super::export::Exporter;
use super::span::StreamSpan;
use super::{TraceError, TraceSettings};
use crate::properties::ConnectionProperties;
use http::{HeaderMap, request};
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample, SpanData,
};
use std::fmt;
use std::sync::Arc;

/// Begins the spans of requests, for all workers.
pub(crate) struct Tracer {
    sampler: Sampler,
    propagator: TraceContextPropagator,
    ids: RandomIdGenerator,
    pub(super) scope: InstrumentationScope,
    exporter: Exporter,
}

/// The headers of a context.
const TRACESTATE: &str = "tracestate";

// === impl Tracer ===

impl Tracer {
    /// Starts the thread that sends spans.
    pub(crate) fn start(settings: &TraceSettings) -> Result<Arc<Self>, TraceError> {
        let fresh = Sampler::TraceIdRatioBased(settings.ratio);
        let scope = InstrumentationScope::builder("proxywasm")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Arc::new(Self {
            sampler: Sampler::ParentBased(Box::new(fresh)),
            propagator: TraceContextPropagator::new(),
            ids: RandomIdGenerator::default(),
            scope,
            exporter: Exporter::start(settings)?,
        }))
    }

    /// Begins the span of a request. From now on the request has its context, whether it is sampled or not.
    pub(crate) fn begin(
        self: &Arc<Self>,
        connection: &Arc<ConnectionProperties>,
        head: &mut request::Parts,
    ) -> Arc<StreamSpan> {
        let remote = self
            .propagator
            .extract_with_context(&Context::new(), &HeaderExtractor(&head.headers));
        let parent = remote.span().span_context().clone();
        let (trace, state) = match parent.is_valid() {
            true => (parent.trace_id(), parent.trace_state().clone()),
            false => {
                // Without the other header it says nothing.
                head.headers.remove(TRACESTATE);
                (self.ids.new_trace_id(), Default::default())
            }
        };
        let decision = self
            .sampler
            .should_sample(Some(&remote), trace, "", &SpanKind::Server, &[], &[])
            .decision;
        let flags = match decision {
            SamplingDecision::RecordAndSample => TraceFlags::SAMPLED,
            SamplingDecision::RecordOnly | SamplingDecision::Drop => TraceFlags::default(),
        };
        let own = SpanContext::new(trace, self.new_id(), flags, false, state);
        let draft = own.is_sampled().then(|| Draft::new(connection, head));
        self.inject(&own, &mut head.headers);
        Arc::new(StreamSpan::new(Arc::clone(self), own, parent, draft))
    }

    /// Sends what waits to be sent, and no more.
    pub(crate) fn stop(&self) {
        self.exporter.stop();
    }

    pub(super) fn new_id(&self) -> SpanId {
        self.ids.new_span_id()
    }

    /// Puts a context into the headers of a request.
    pub(super) fn inject(&self, span: &SpanContext, headers: &mut HeaderMap) {
        self.inject_into(span, &mut HeaderInjector(headers));
        if span.trace_state().header().is_empty() {
            headers.remove(TRACESTATE);
        }
    }

    /// Puts a context wherever it can be put.
    pub(super) fn inject_into(&self, span: &SpanContext, injector: &mut dyn Injector) {
        let context = Context::new().with_remote_span_context(span.clone());
        self.propagator.inject_context(&context, injector);
    }

    pub(super) fn export(&self, span: SpanData) {
        self.exporter.export(span);
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").finish_non_exhaustive()
    }
}
