//! What is told of one attempt to send a request to a server.

use super::draft::{Finished, failed, server, status_code};
use crate::figures::UpstreamFailure;
use crate::transport::Address;
use crate::upstream::HttpTarget;
use http::{StatusCode, Uri};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use std::time::SystemTime;

/// An attempt.
pub(super) struct Attempt {
    span: SpanId,
    began: SystemTime,
    ended: Option<SystemTime>,
    attributes: Vec<KeyValue>,
    outcome: Outcome,
}

/// What came of it.
enum Outcome {
    Answered(StatusCode),
    Failed { kind: &'static str, why: String },
}

// === impl Attempt ===

impl Attempt {
    /// One that begins now.
    pub(super) fn new(span: SpanId, uri: &Uri, target: Option<&HttpTarget>) -> Self {
        let mut attributes = Vec::new();
        if let Some(target) = target {
            attributes.extend(server(&target.authority()));
            let url = format!("{}{}", target.origin(), uri.path());
            attributes.push(KeyValue::new("url.full", url));
        }
        Self {
            span,
            began: SystemTime::now(),
            ended: None,
            attributes,
            outcome: Outcome::Failed {
                kind: "cancelled",
                why: "the request was given up".to_owned(),
            },
        }
    }

    /// The head of a response came, over a connection to `peer`.
    pub(super) fn answered(&mut self, status: StatusCode, peer: Option<Address>) {
        self.note_peer(peer);
        self.end(Outcome::Answered(status));
    }

    /// None will come; the client is the cause if there is no `failure`.
    pub(super) fn failed(&mut self, failure: Option<UpstreamFailure>, why: String, peer: Option<Address>) {
        let connected = !matches!(
            failure,
            Some(UpstreamFailure::Connect | UpstreamFailure::ConnectTimeout | UpstreamFailure::Overloaded)
        );
        if connected {
            self.note_peer(peer);
        }
        let kind = failure.map_or("cancelled", UpstreamFailure::name);
        self.end(Outcome::Failed { kind, why });
    }

    fn note_peer(&mut self, peer: Option<Address>) {
        match peer {
            Some(Address::Ip(peer)) => self.attributes.extend([
                KeyValue::new("network.peer.address", peer.ip().to_string()),
                KeyValue::new("network.peer.port", i64::from(peer.port())),
            ]),
            Some(peer @ Address::Unix(_)) => {
                let peer = KeyValue::new("network.peer.address", peer.to_string());
                self.attributes.push(peer);
            }
            None => {}
        }
    }

    fn end(&mut self, outcome: Outcome) {
        // A limit for all attempts may run out behind the last one.
        if self.ended.is_none() {
            self.ended = Some(SystemTime::now());
            self.outcome = outcome;
        }
    }

    /// Its span. `resends` attempts came before it.
    pub(super) fn finish(
        self,
        parent: SpanId,
        method: &str,
        upstream: Option<&str>,
        resends: i64,
        ended: SystemTime,
    ) -> Finished {
        let mut attributes = self.attributes;
        attributes.push(KeyValue::new("http.request.method", method.to_owned()));
        attributes.extend(upstream.map(|name| KeyValue::new("proxywasm.upstream", name.to_owned())));
        if resends > 0 {
            attributes.push(KeyValue::new("http.request.resend_count", resends));
        }
        let status = match self.outcome {
            Outcome::Answered(status) => {
                attributes.push(status_code(status));
                failed(status.as_u16() >= 400, &mut attributes, status.as_str())
            }
            Outcome::Failed { kind, why } => {
                attributes.push(KeyValue::new("error.type", kind));
                Status::error(why)
            }
        };
        Finished {
            id: self.span,
            parent,
            kind: SpanKind::Client,
            name: method.to_owned().into(),
            began: self.began,
            ended: self.ended.unwrap_or(ended),
            attributes,
            status,
        }
    }
}
