//! How much goes to an upstream, and what of it again, in the configuration file.

use crate::cluster::{Retries, UpstreamLimits};
use crate::config::routes::Compiled;
use crate::config::units::{Limit, Period, Size};
use crate::upstream::ResponseTimeouts;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::num::NonZeroUsize;

/// `limits` of an upstream, for all workers together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UpstreamLimitsEntry")]
pub(super) struct LimitsEntry {
    /// Requests that may be under way, calls of plugins included; others wait. Over HTTP/1.1 each has a connection of its own. Default: no limit.
    requests: Option<NonZeroUsize>,
    /// Requests that may wait; others are answered with 503. Default: `1024`.
    pending: Option<usize>,
    /// How long a request may wait; then it is answered with 503. Default: `10s`.
    pending_timeout: Option<Period>,
    /// Connections that may be open for requests, in all workers; where another one is needed, it is waited for one to end, for as long as
    /// `connect_timeout` says, and then the client gets 503. Those of calls of plugins are not counted. Default: no limit.
    connections: Option<NonZeroUsize>,
}

/// `retries` of an upstream. A request is sent again if no connection could be made, or, where its method is idempotent and all of its
/// body is still there, if the connection broke before a response.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetriesEntry {
    /// How many times a request may be sent again. Default: `2`.
    attempts: Option<u32>,
    /// Statuses of responses for which idempotent requests are sent again, too. Default: none.
    #[schemars(with = "Vec<u16>")]
    statuses: Vec<Spanned<u16>>,
    /// How long the head of a response may take before an idempotent request is sent again. Default: as long as
    /// `response_head_timeout` says, and then it is not.
    per_try_timeout: Option<Period>,
    /// How many requests may be under way that servers got again, in percent of all that are under way. Default: `75`, enough for one of
    /// two servers to crash.
    budget_percent: Option<u32>,
    /// As many may be in any case. Default: `10`.
    budget_min: Option<u32>,
    /// How much of a body is kept to be sent again. Default: `64 KiB`.
    body: Option<Size>,
}

const DEFAULT_PENDING: usize = 1024;

/// `response_head_timeout` and `response_body_timeout`, of upstreams and of listeners.
pub(in crate::config) fn response_timeouts(head: Option<Limit>, body: Option<Limit>) -> ResponseTimeouts {
    let default = ResponseTimeouts::default();
    ResponseTimeouts {
        head: head.map_or(default.head, |limit| limit.0),
        body: body.map_or(default.body, |limit| limit.0),
    }
}

// === impl LimitsEntry ===

impl LimitsEntry {
    pub(super) fn settings(&self) -> UpstreamLimits {
        let default = UpstreamLimits::default();
        UpstreamLimits {
            requests: self.requests.map(NonZeroUsize::get),
            pending: self.pending.unwrap_or(DEFAULT_PENDING),
            pending_timeout: self
                .pending_timeout
                .map_or(default.pending_timeout, |period| period.0),
            connections: self.connections.map(NonZeroUsize::get),
        }
    }
}

// === impl RetriesEntry ===

impl RetriesEntry {
    pub(super) fn compile(&self) -> Compiled<Retries> {
        let default = Retries::default();
        let statuses = self.statuses.iter().map(|entry| {
            let status = StatusCode::from_u16(entry.value).ok();
            let status = status
                .filter(StatusCode::is_server_error)
                .filter(|_| entry.value < 600);
            status.ok_or_else(|| {
                let message = format!(
                    "the status {} is no failure of a server: write 500 to 599",
                    entry.value
                );
                (entry.referenced, message)
            })
        });
        Ok(Retries {
            attempts: self.attempts.unwrap_or(default.attempts),
            statuses: statuses.collect::<Result<_, _>>()?,
            per_try_timeout: self.per_try_timeout.map(|period| period.0),
            budget_percent: self.budget_percent.unwrap_or(default.budget_percent),
            budget_min: self.budget_min.unwrap_or(default.budget_min),
            body_bytes: self.body.map_or(default.body_bytes, |size| size.0),
        })
    }
}
