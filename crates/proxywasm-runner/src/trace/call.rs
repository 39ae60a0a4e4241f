//! The calls that plugins make themselves: each is a span below that of its plugin.

use super::attempt::Attempt;
use super::draft::{plugin_name, upstream};
use super::span::StreamSpan;
use crate::upstream::HttpTarget;
use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::propagation::Injector;
use opentelemetry::trace::SpanId;
use proxywasm_host::{CallRequest, GrpcRequest};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use wasi_common::ByteMap;

/// The span of a call. It ends when it is dropped.
pub(crate) struct CallSpan {
    stream: Arc<StreamSpan>,
    parent: SpanId,
    /// There until it is dropped.
    attempt: Option<Attempt>,
    name: Cow<'static, str>,
    attributes: Vec<KeyValue>,
    /// The path, of HTTP.
    path: Option<String>,
}

/// Headers that a context is put into.
struct Headers<'a>(&'a mut ByteMap);

const TRACEPARENT: &[u8] = b"traceparent";
const TRACESTATE: &[u8] = b"tracestate";

// === impl StreamSpan ===

impl StreamSpan {
    /// The plugin at this place sends an HTTP request for the stream. It gets the context of its span, unless the plugin has given it one.
    pub(crate) fn begin_http_call(
        self: &Arc<Self>,
        filter: usize,
        request: &mut CallRequest,
    ) -> Option<CallSpan> {
        self.begin_call(filter, &mut request.headers, |headers| {
            let pseudo = |name: &[u8]| {
                let value = headers.get(name).unwrap_or_default();
                String::from_utf8_lossy(value).into_owned()
            };
            let method = pseudo(b":method");
            let path = pseudo(b":path");
            let path = path.split_once('?').map_or(path.as_str(), |(path, _)| path);
            Called {
                attributes: vec![
                    KeyValue::new("http.request.method", method.clone()),
                    upstream(String::from_utf8_lossy(&request.upstream).into_owned()),
                ],
                name: method,
                path: Some(path.to_owned()),
            }
        })
    }

    /// The same for a gRPC call.
    pub(crate) fn begin_grpc_call(
        self: &Arc<Self>,
        filter: usize,
        request: &mut GrpcRequest,
    ) -> Option<CallSpan> {
        self.begin_call(filter, &mut request.metadata, |_| {
            let name = request.path.strip_prefix('/').unwrap_or(&request.path);
            let (service, method) = name.split_once('/').unwrap_or((name, ""));
            Called {
                attributes: vec![
                    KeyValue::new("rpc.system", "grpc"),
                    KeyValue::new("rpc.service", service.to_owned()),
                    KeyValue::new("rpc.method", method.to_owned()),
                    upstream(request.upstream.clone()),
                ],
                name: name.to_owned(),
                path: None,
            }
        })
    }

    fn begin_call(
        self: &Arc<Self>,
        filter: usize,
        headers: &mut ByteMap,
        called: impl FnOnce(&ByteMap) -> Called,
    ) -> Option<CallSpan> {
        let is_own = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(TRACEPARENT));
        if !self.own.is_sampled() {
            if !is_own {
                self.tracer.inject_into(&self.own, &mut Headers(headers));
            }
            return None;
        }
        let Called {
            mut attributes,
            name,
            path,
        } = called(headers);
        let (parent, plugin) = self.plugin(filter);
        attributes.extend(plugin.map(plugin_name));
        let span = self.tracer.new_id();
        if !is_own {
            self.tracer
                .inject_into(&self.context(span), &mut Headers(headers));
        }
        Some(CallSpan {
            stream: Arc::clone(self),
            parent,
            attempt: Some(Attempt::new(span)),
            name: name.into(),
            attributes,
            path,
        })
    }
}

/// What is called.
struct Called {
    attributes: Vec<KeyValue>,
    name: String,
    path: Option<String>,
}

// === impl CallSpan ===

impl CallSpan {
    /// A server was chosen.
    pub(crate) fn sent_to(&mut self, target: &HttpTarget) {
        if let Some(attempt) = &mut self.attempt {
            attempt.sent_to(target, self.path.as_deref());
        }
    }

    /// The head of an answer of HTTP is there.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        if let Some(attempt) = &mut self.attempt {
            attempt.begins_to_answer(status);
        }
    }

    /// It ended with a status of gRPC.
    pub(crate) fn ended_with(&mut self, code: u32) {
        if let Some(attempt) = &mut self.attempt {
            attempt.ended_with(code);
        }
    }

    /// It has failed.
    pub(crate) fn failed(&mut self, kind: &'static str, why: &str) {
        if let Some(attempt) = &mut self.attempt {
            attempt.broke(kind, why.to_owned());
        }
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            let name = std::mem::take(&mut self.name);
            let attributes = std::mem::take(&mut self.attributes);
            let span = attempt.finish(self.parent, name, attributes, SystemTime::now());
            self.stream.export(span);
        }
    }
}

impl fmt::Debug for CallSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallSpan").field(&self.name).finish()
    }
}

// === impl Headers ===

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // Without anything to say it is left out.
        match value.is_empty() && key.as_bytes() == TRACESTATE {
            true => _ = self.0.remove(TRACESTATE),
            false => self.0.set(key.as_bytes(), value.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::ConnectionProperties;
    use crate::trace::{TraceSettings, Tracer};
    use http::Request;
    use std::net::SocketAddr;

    const OWN: &str = "00-11111111111111111111111111111111-2222222222222222-01";

    #[test]
    fn what_a_plugin_says_of_the_context_stays() {
        let address: SocketAddr = "127.0.0.1:1000".parse().unwrap();
        let connection = Arc::new(ConnectionProperties::new(address.into(), address.into()));
        // What the plugin gives, and what of that is still there.
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[("traceparent", OWN)], true),
            (&[("TraceParent", OWN), ("tracestate", "own=1")], true),
            // It says nothing without the other.
            (&[("tracestate", "own=1")], false),
        ];
        for ratio in [0.0, 1.0] {
            let tracer = Tracer::start(&TraceSettings {
                ratio,
                ..TraceSettings::new("http://127.0.0.1:1/v1/traces")
            })
            .unwrap();
            let (mut head, ()) = Request::get("/").body(()).unwrap().into_parts();
            let span = tracer.begin(&connection, &mut head);
            for (given, stays) in table {
                let headers: ByteMap = given.iter().copied().collect();
                let mut request = CallRequest {
                    headers: headers.clone(),
                    ..CallRequest::default()
                };
                let call = span.begin_http_call(0, &mut request);
                assert_eq!(call.is_some(), ratio > 0.0);
                assert_eq!(request.headers == headers, *stays, "{given:?}");
                let contexts = request.headers.iter();
                let contexts = contexts.filter(|(name, _)| name.eq_ignore_ascii_case(TRACEPARENT));
                assert_eq!(contexts.count(), 1, "{given:?}");
                assert_eq!(
                    request.headers.get(TRACESTATE).is_some(),
                    *stays && given.len() > 1
                );
            }
        }
    }
}
