//! What traces are made of, and where they go.

use std::time::Duration;
use thiserror::Error;

/// What is traced, and where spans go.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The URL of the collector, which takes OTLP over HTTP.
    pub endpoint: String,
    /// Headers that it wants, with the credentials of this proxy, say.
    pub headers: Vec<(String, String)>,
    /// What this service is called.
    pub service_name: String,
    /// How many of the requests that come without a decision of others are sampled, from 0 to 1.
    pub ratio: f64,
    /// Spans that may wait to be sent; what is more is dropped.
    pub queue: usize,
    /// How long the collector may take to answer.
    pub timeout: Duration,
}

/// Traces cannot be sent.
#[derive(Debug, Error)]
#[error("cannot send traces to {endpoint}: {reason}")]
pub struct TraceError {
    pub(super) endpoint: String,
    pub(super) reason: String,
}

// === impl TraceSettings ===

impl TraceSettings {
    /// To a collector, one of a hundred.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: Vec::new(),
            service_name: "proxywasm".to_owned(),
            ratio: 0.01,
            queue: 4096,
            timeout: Duration::from_secs(10),
        }
    }
}
