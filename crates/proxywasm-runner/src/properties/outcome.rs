//! How a response came about that no upstream gave, as plugins know it from Envoy: the properties `response.flags` and
//! `response.code_details`.

use crate::upstream::{ConnectError, UpstreamError};

/// Why there is a response of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One bit for each reason.
    pub(crate) flags: i64,
    /// One word for it, and maybe another in braces.
    pub(crate) details: &'static str,
}

// === impl Outcome ===

impl Outcome {
    /// The proxy answers, as it should.
    pub(crate) const DIRECT_RESPONSE: Self = Self::new(None, "direct_response");
    /// NR: no route fits.
    pub(crate) const NO_ROUTE: Self = Self::new(Some(8), "route_not_found");
    /// UF: no connection to the upstream.
    pub(crate) const CONNECTION_FAILURE: Self = Self::new(
        Some(5),
        "upstream_reset_before_response_started{remote_connection_failure}",
    );
    /// The same, because it took too long.
    const CONNECTION_TIMEOUT: Self = Self::new(
        Some(5),
        "upstream_reset_before_response_started{connection_timeout}",
    );
    /// UC: the upstream closed the connection.
    const CONNECTION_TERMINATION: Self = Self::new(
        Some(6),
        "upstream_reset_before_response_started{connection_termination}",
    );
    /// UPE: what the upstream sent is no response.
    const PROTOCOL_ERROR: Self =
        Self::new(Some(23), "upstream_reset_before_response_started{protocol_error}");
    /// UT: the upstream did not answer in time.
    const RESPONSE_TIMEOUT: Self = Self::new(Some(2), "upstream_response_timeout");
    /// UO: the upstream has too many requests.
    const OVERFLOW: Self = Self::new(Some(7), "upstream_reset_before_response_started{overflow}");
    /// UH: the upstream has no server.
    const NO_HEALTHY_UPSTREAM: Self = Self::new(Some(1), "no_healthy_upstream");

    const fn new(bit: Option<u32>, details: &'static str) -> Self {
        let flags = match bit {
            Some(bit) => 1 << bit,
            None => 0,
        };
        Self { flags, details }
    }
}

impl From<&UpstreamError> for Outcome {
    fn from(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Connect(ConnectError::NoPlace { .. }) => Self::OVERFLOW,
            UpstreamError::Connect(ConnectError::Timeout { .. }) => Self::CONNECTION_TIMEOUT,
            UpstreamError::Connect(_) => Self::CONNECTION_FAILURE,
            UpstreamError::Exchange(_) | UpstreamError::Filtered(_) => Self::CONNECTION_TERMINATION,
            UpstreamError::Switched | UpstreamError::Malformed(_) => Self::PROTOCOL_ERROR,
            UpstreamError::Timeout(_) => Self::RESPONSE_TIMEOUT,
            UpstreamError::Overloaded(_) => Self::OVERFLOW,
            UpstreamError::NoEndpoint(_) => Self::NO_HEALTHY_UPSTREAM,
        }
    }
}
