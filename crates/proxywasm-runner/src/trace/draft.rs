//! What is told of a request, and the spans that are made of it.

use super::attempt::Attempt;
use crate::properties::{ConnectionProperties, UpstreamProperties};
use crate::transport::Address;
use http::header::{HOST, USER_AGENT};
use http::uri::Authority;
use http::{StatusCode, Version, request};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use proxywasm_host::{FilterChain, PluginTime, PluginTimes};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

/// What is told of a request.
pub(super) struct Draft {
    method: String,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    pub(super) way: Arc<UpstreamProperties>,
    pub(super) status: Option<StatusCode>,
    pub(super) error: Option<String>,
    pub(super) attempts: Vec<Attempt>,
    plugins: Vec<Plugins>,
}

/// The plugins of a chain.
struct Plugins {
    chain: FilterChain,
    times: Arc<PluginTimes>,
    began: SystemTime,
    /// The spans of those that others are below of.
    spans: Vec<Option<SpanId>>,
}

/// A span that is over.
pub(super) struct Finished {
    pub(super) id: SpanId,
    pub(super) parent: SpanId,
    pub(super) kind: SpanKind,
    pub(super) name: Cow<'static, str>,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) status: Status,
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
            attributes.extend(server(host));
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
            attempts: Vec::new(),
            plugins: Vec::new(),
        }
    }

    /// The times of the plugins of another chain are noted there. The place of the first of them among all is returned, too.
    pub(super) fn time_plugins(&mut self, chain: &FilterChain) -> (usize, Arc<PluginTimes>) {
        let times = PluginTimes::new(chain.plugins().len());
        let first = self.plugins.iter().map(|plugins| plugins.spans.len()).sum();
        self.plugins.push(Plugins {
            chain: chain.clone(),
            times: Arc::clone(&times),
            began: SystemTime::now(),
            spans: vec![None; chain.plugins().len()],
        });
        (first, times)
    }

    /// The span of the plugin at this place, for one that is to be below it, and the plugin's name.
    pub(super) fn plugin(
        &mut self,
        mut place: usize,
        new_id: impl FnOnce() -> SpanId,
    ) -> Option<(SpanId, String)> {
        let plugins = self.plugins.iter_mut().find(|plugins| {
            let count = plugins.spans.len();
            let is_in = place < count;
            if !is_in {
                place -= count;
            }
            is_in
        })?;
        let name = plugins.chain.plugins().get(place)?.name().to_owned();
        Some((*plugins.spans.get_mut(place)?.get_or_insert_with(new_id), name))
    }

    /// The last attempt is over. It is told whom the connection is to.
    pub(super) fn end_attempt(&mut self, end: impl FnOnce(&mut Attempt, Option<Address>)) {
        if let Some(attempt) = self.attempts.last_mut() {
            end(attempt, self.way.told().address);
        }
    }

    /// Its span and those below it.
    pub(super) fn finish(self, own: SpanId, parent: SpanId, new_id: impl Fn() -> SpanId) -> Vec<Finished> {
        let ended = SystemTime::now();
        let mut spans = Vec::new();
        for plugins in &self.plugins {
            let began = plugins.began;
            let all = plugins.chain.plugins().iter().zip(plugins.times.plugins());
            for ((plugin, time), span) in all.zip(&plugins.spans) {
                let Some(time) = time else { continue };
                spans.push(Finished {
                    id: span.unwrap_or_else(&new_id),
                    parent: own,
                    kind: SpanKind::Internal,
                    name: format!("plugin {}", plugin.name()).into(),
                    began: began + time.first,
                    ended: began + time.last,
                    attributes: plugin_attributes(plugin.name(), &time),
                    status: match time.failed {
                        true => Status::error("a callback failed"),
                        false => Status::Unset,
                    },
                });
            }
        }
        let told = self.way.told();
        for (attempt, resends) in self.attempts.into_iter().zip(0..) {
            let mut more = vec![KeyValue::new("http.request.method", self.method.clone())];
            more.extend(told.upstream.clone().map(upstream));
            if resends > 0 {
                more.push(KeyValue::new("http.request.resend_count", resends));
            }
            spans.push(attempt.finish(own, self.method.clone().into(), more, ended));
        }
        let mut attributes = self.attributes;
        let name = match &told.route {
            Some(route) => format!("{} {route}", self.method),
            None => self.method,
        };
        attributes.extend(told.route.map(|route| KeyValue::new("proxywasm.route", route)));
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

/// Which upstream something goes to.
pub(super) fn upstream(name: String) -> KeyValue {
    KeyValue::new("proxywasm.upstream", name)
}

/// Of which plugin something is.
pub(super) fn plugin_name(name: String) -> KeyValue {
    KeyValue::new("proxywasm.plugin.name", name)
}

fn plugin_attributes(name: &str, time: &PluginTime) -> Vec<KeyValue> {
    let number = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
    vec![
        plugin_name(name.to_owned()),
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

pub(super) fn failed(is_failure: bool, attributes: &mut Vec<KeyValue>, kind: &str) -> Status {
    if !is_failure {
        return Status::Unset;
    }
    attributes.push(KeyValue::new("error.type", kind.to_owned()));
    Status::error("")
}

pub(super) fn status_code(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

/// Host and port of an authority.
pub(super) fn server(authority: &str) -> Vec<KeyValue> {
    let Ok(authority) = authority.parse::<Authority>() else {
        return vec![KeyValue::new("server.address", authority.to_owned())];
    };
    let port = authority.port_u16().map(i64::from);
    let host = KeyValue::new("server.address", authority.host().to_owned());
    let port = port.map(|port| KeyValue::new("server.port", port));
    [Some(host), port].into_iter().flatten().collect()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
