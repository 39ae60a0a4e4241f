//! The span of a request, with those of its plugins and of its upstream.

use super::Tracer;
use crate::properties::{ConnectionProperties, UpstreamProperties};
use http::header::{HOST, USER_AGENT};
use http::{Extensions, Request, StatusCode, Version, request};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use proxywasm_host::{FilterChain, PluginTime, PluginTimes, PropertyValue};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The span of a request. It ends when it is dropped.
pub(crate) struct StreamSpan {
    tracer: Arc<Tracer>,
    own: SpanContext,
    parent: SpanContext,
    /// What is told of it, if it is sampled.
    draft: Option<Mutex<Draft>>,
}

/// What is told of a request.
pub(super) struct Draft {
    method: String,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    way: Arc<UpstreamProperties>,
    status: Option<StatusCode>,
    error: Option<String>,
    upstream: Option<UpstreamDraft>,
    plugins: Option<(FilterChain, Arc<PluginTimes>, SystemTime)>,
}

/// What is told of the upstream.
struct UpstreamDraft {
    span: SpanId,
    began: SystemTime,
    ended: Option<SystemTime>,
    outcome: Result<StatusCode, String>,
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

    /// The request is sent to an upstream now, as part of a span of its own.
    pub(crate) fn sent<B>(&self, request: &mut Request<B>) {
        let Some(mut draft) = self.draft() else {
            // What a plugin made of the context it gets stays.
            return;
        };
        let span = self.tracer.new_id();
        draft.upstream = Some(UpstreamDraft {
            span,
            began: SystemTime::now(),
            ended: None,
            outcome: Err("the request was given up".to_owned()),
        });
        let context = SpanContext::new(
            self.own.trace_id(),
            span,
            self.own.trace_flags(),
            false,
            self.own.trace_state().clone(),
        );
        self.tracer.inject(&context, request.headers_mut());
    }

    /// The head of its response is there.
    pub(crate) fn upstream_answered(&self, status: StatusCode) {
        self.upstream_ended(Ok(status));
    }

    /// It was not sent after all: the proxy answers it.
    pub(crate) fn not_sent(&self) {
        if let Some(mut draft) = self.draft() {
            draft.upstream = None;
        }
    }

    /// There will be none.
    pub(crate) fn upstream_failed(&self, why: &str) {
        self.upstream_ended(Err(why.to_owned()));
    }

    fn upstream_ended(&self, outcome: Result<StatusCode, String>) {
        if let Some(upstream) = self.draft().as_mut().and_then(|draft| draft.upstream.as_mut()) {
            upstream.ended = Some(SystemTime::now());
            upstream.outcome = outcome;
        }
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

    fn export(&self, span: Finished) {
        let context = SpanContext::new(
            self.own.trace_id(),
            span.id,
            self.own.trace_flags(),
            false,
            self.own.trace_state().clone(),
        );
        self.tracer.export(SpanData {
            span_context: context,
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

/// A span that is over.
struct Finished {
    id: SpanId,
    parent: SpanId,
    kind: SpanKind,
    name: Cow<'static, str>,
    began: SystemTime,
    ended: SystemTime,
    attributes: Vec<KeyValue>,
    status: Status,
}

// === impl Draft ===

impl Draft {
    /// A request that has come just now. What is in its query and in other headers is nobody's business.
    pub(super) fn new(connection: &Arc<ConnectionProperties>, head: &request::Parts) -> Self {
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = head.uri.authority().map(|host| host.as_str()).or(host);
        let source = connection.source();
        let mut attributes = vec![
            KeyValue::new("http.request.method", head.method.to_string()),
            KeyValue::new("url.path", head.uri.path().to_owned()),
            KeyValue::new("url.scheme", if connection.is_tls() { "https" } else { "http" }),
            KeyValue::new("network.protocol.version", version(head.version)),
            KeyValue::new(
                "client.address",
                source
                    .ip()
                    .map_or_else(|| source.to_string(), |ip| ip.ip().to_string()),
            ),
        ];
        if let Some(port) = source.ip().map(|ip| ip.port()) {
            attributes.push(KeyValue::new("client.port", i64::from(port)));
        }
        if let Some(host) = host {
            attributes.push(KeyValue::new("server.address", host.to_owned()));
        }
        if let Some(agent) = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()) {
            attributes.push(KeyValue::new("user_agent.original", agent.to_owned()));
        }
        Self {
            method: head.method.to_string(),
            began: SystemTime::now(),
            attributes,
            way: Arc::default(),
            status: None,
            error: None,
            upstream: None,
            plugins: None,
        }
    }

    /// Its span and those below it.
    fn finish(self, own: SpanId, parent: SpanId, new_id: impl Fn() -> SpanId) -> Vec<Finished> {
        let ended = SystemTime::now();
        let mut spans = Vec::new();
        if let Some((chain, times, began)) = &self.plugins {
            for (plugin, time) in chain.plugins().iter().zip(times.plugins()) {
                let Some(time) = time else { continue };
                spans.push(Finished {
                    id: new_id(),
                    parent: own,
                    kind: SpanKind::Internal,
                    name: format!("plugin {}", plugin.name()).into(),
                    began: *began + time.first,
                    ended: *began + time.last,
                    attributes: plugin_attributes(plugin.name(), &time),
                    status: match time.failed {
                        true => Status::error("a callback failed"),
                        false => Status::Unset,
                    },
                });
            }
        }
        let told = |key: &'static str, path: &[u8]| {
            let value = self.way.property(path)?;
            Some(KeyValue::new(key, attribute(value)?))
        };
        let route = told("proxywasm.route", b"route_name");
        if let Some(upstream) = self.upstream {
            let mut attributes = vec![KeyValue::new("http.request.method", self.method.clone())];
            attributes.extend(told("proxywasm.upstream", b"cluster_name"));
            attributes.extend(told("network.peer.address", b"upstream\0address"));
            attributes.extend(told(
                "proxywasm.upstream.attempts",
                b"upstream\0request_attempt_count",
            ));
            let status = match upstream.outcome {
                Ok(status) => {
                    attributes.push(status_code(status));
                    failed(status.as_u16() >= 400, &mut attributes, status.as_str())
                }
                Err(why) => {
                    attributes.push(KeyValue::new("error.type", "no_response"));
                    Status::error(why)
                }
            };
            spans.push(Finished {
                id: upstream.span,
                parent: own,
                kind: SpanKind::Client,
                name: self.method.clone().into(),
                began: upstream.began,
                ended: upstream.ended.unwrap_or(ended),
                attributes,
                status,
            });
        }
        let mut attributes = self.attributes;
        let name = match route.as_ref().map(|route| route.value.as_str()) {
            Some(route) => format!("{} {route}", self.method),
            None => self.method,
        };
        attributes.extend(route);
        let status = match (self.status, self.error) {
            (Some(status), _) => {
                attributes.push(status_code(status));
                failed(status.is_server_error(), &mut attributes, status.as_str())
            }
            (None, why) => {
                attributes.push(KeyValue::new("error.type", "no_response"));
                Status::error(why.unwrap_or_else(|| "the client left".to_owned()))
            }
        };
        spans.push(Finished {
            id: own,
            parent,
            kind: SpanKind::Server,
            name: name.into(),
            began: self.began,
            ended,
            attributes,
            status,
        });
        spans
    }
}

fn plugin_attributes(name: &str, time: &PluginTime) -> Vec<KeyValue> {
    let number = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
    vec![
        KeyValue::new("proxywasm.plugin.name", name.to_owned()),
        KeyValue::new("proxywasm.plugin.callbacks", number(time.callbacks.into())),
        KeyValue::new("proxywasm.plugin.busy_ns", number(time.busy.as_nanos())),
        KeyValue::new("proxywasm.plugin.held", time.held),
        KeyValue::new("proxywasm.plugin.outcome", outcome(time)),
    ]
}

fn outcome(time: &PluginTime) -> &'static str {
    match (time.failed, time.answered) {
        (true, _) => "failed",
        (false, true) => "answered",
        (false, false) => "forwarded",
    }
}

fn failed(is_failure: bool, attributes: &mut Vec<KeyValue>, kind: &str) -> Status {
    if !is_failure {
        return Status::Unset;
    }
    attributes.push(KeyValue::new("error.type", kind.to_owned()));
    Status::error("")
}

fn status_code(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

fn attribute(value: PropertyValue) -> Option<Value> {
    match value {
        PropertyValue::Bytes(text) => Some(String::from_utf8_lossy(&text).into_owned().into()),
        PropertyValue::Uint(number) => Some(i64::try_from(number).unwrap_or(i64::MAX).into()),
        _ => None,
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
