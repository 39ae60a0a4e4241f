//! What is told of something that is sent to a server: one attempt to send a request, or a call of a plugin.

use super::draft::{Finished, failed, server, status_code};
use crate::figures::UpstreamFailure;
use crate::transport::Address;
use crate::upstream::HttpTarget;
use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use std::borrow::Cow;
use std::time::SystemTime;

/// One that is under way, or over.
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
    /// It ended with this status of gRPC.
    Ended(u32),
    Failed {
        kind: &'static str,
        why: String,
    },
}

// === impl Attempt ===

impl Attempt {
    /// One that begins now.
    pub(super) fn new(span: SpanId) -> Self {
        Self {
            span,
            began: SystemTime::now(),
            ended: None,
            attributes: Vec::new(),
            outcome: Outcome::Failed {
                kind: "cancelled",
                why: "nobody waits for it any more".to_owned(),
            },
        }
    }

    /// Which server it goes to, and with which path, if that is not its name.
    pub(super) fn sent_to(&mut self, target: &HttpTarget, path: Option<&str>) {
        self.attributes.extend(server(&target.authority()));
        if let Some(path) = path {
            let url = format!("{}{path}", target.origin());
            self.attributes.push(KeyValue::new("url.full", url));
        }
    }

    /// The head of a response came, and the rest of it is part of this.
    pub(super) fn begins_to_answer(&mut self, status: StatusCode) {
        self.outcome = Outcome::Answered(status);
    }

    /// It ended with a status of gRPC.
    pub(super) fn ended_with(&mut self, code: u32) {
        self.outcome = Outcome::Ended(code);
    }

    /// It came to nothing, or broke off.
    pub(super) fn broke(&mut self, kind: &'static str, why: String) {
        self.outcome = Outcome::Failed { kind, why };
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

    /// Its span, with more that is known of it.
    pub(super) fn finish(
        self,
        parent: SpanId,
        name: Cow<'static, str>,
        more: Vec<KeyValue>,
        ended: SystemTime,
    ) -> Finished {
        let mut attributes = self.attributes;
        attributes.extend(more);
        let status = match self.outcome {
            Outcome::Answered(status) => {
                attributes.push(status_code(status));
                failed(status.as_u16() >= 400, &mut attributes, status.as_str())
            }
            Outcome::Ended(code) => {
                attributes.push(KeyValue::new("rpc.grpc.status_code", i64::from(code)));
                failed(code != 0, &mut attributes, &code.to_string())
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
            name,
            began: self.began,
            ended: self.ended.unwrap_or(ended),
            attributes,
            status,
        }
    }
}
