//! Without the feature `opentelemetry` there is nothing of all this.

use super::{TraceError, TraceSettings};
use crate::properties::{ConnectionProperties, UpstreamProperties};
use crate::upstream::{HttpTarget, UpstreamError};
use http::{Extensions, Request, StatusCode, request};
use proxywasm_host::{CallRequest, FilterChain, GrpcRequest, PluginTimes};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// There is none.
#[derive(Debug)]
pub(crate) enum Tracer {}

/// There is none.
#[derive(Debug)]
pub(crate) enum StreamSpan {}

/// There is none.
#[derive(Debug)]
pub(super) struct OpenSpan(Arc<StreamSpan>);

/// There is none.
#[derive(Debug)]
pub(crate) enum CallSpan {}

// === impl Tracer ===

impl Tracer {
    pub(crate) fn start(settings: &TraceSettings) -> Result<Arc<Self>, TraceError> {
        Err(TraceError {
            endpoint: settings.endpoint.clone(),
            reason: "this runner was built without the feature `opentelemetry`".to_owned(),
        })
    }

    pub(crate) fn begin(
        self: &Arc<Self>,
        _: &Arc<ConnectionProperties>,
        _: &mut request::Parts,
    ) -> Arc<StreamSpan> {
        match **self {}
    }

    pub(crate) fn stop(&self) {
        match *self {}
    }
}

// === impl StreamSpan ===

impl StreamSpan {
    pub(crate) fn way(&self) -> Arc<UpstreamProperties> {
        match *self {}
    }

    pub(crate) fn take(_: &mut Extensions, _: Option<&Arc<UpstreamProperties>>) -> Option<Arc<Self>> {
        None
    }

    pub(crate) fn time_plugins(&self, _: &FilterChain) -> Option<(usize, Arc<PluginTimes>)> {
        match *self {}
    }

    pub(crate) fn begin_attempt<B>(&self, _: &mut Request<B>, _: Option<&HttpTarget>) {
        match *self {}
    }

    pub(crate) fn attempt_answered(&self, _: StatusCode) {
        match *self {}
    }

    pub(crate) fn attempt_failed(&self, _: &UpstreamError) {
        match *self {}
    }

    pub(crate) fn attempt_timed_out(&self, _: Duration) {
        match *self {}
    }

    pub(super) fn answered(&self, _: StatusCode) {
        match *self {}
    }

    pub(super) fn failed(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn begin_http_call(self: &Arc<Self>, _: usize, _: &mut CallRequest) -> Option<CallSpan> {
        match **self {}
    }

    pub(crate) fn begin_grpc_call(self: &Arc<Self>, _: usize, _: &mut GrpcRequest) -> Option<CallSpan> {
        match **self {}
    }
}

// === impl OpenSpan ===

impl OpenSpan {
    pub(super) fn new(span: &Arc<StreamSpan>) -> Self {
        match **span {}
    }
}

impl Deref for OpenSpan {
    type Target = StreamSpan;

    fn deref(&self) -> &StreamSpan {
        &self.0
    }
}

// === impl CallSpan ===

impl CallSpan {
    pub(crate) fn sent_to(&mut self, _: &HttpTarget) {
        match *self {}
    }

    pub(crate) fn answered(&mut self, _: StatusCode) {
        match *self {}
    }

    pub(crate) fn ended_with(&mut self, _: u32) {
        match *self {}
    }

    pub(crate) fn failed(&mut self, _: &'static str, _: &str) {
        match *self {}
    }
}
