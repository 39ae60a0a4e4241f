//! How gRPC calls end.

use core::fmt;

/// The status of a gRPC call: a number, not an enum, because upstreams may send any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrpcStatus(pub u32);

/// A gRPC status other than [`GrpcStatus::OK`], and the message that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcFailure {
    status: GrpcStatus,
    message: String,
}

// === impl GrpcStatus ===

impl GrpcStatus {
    /// The call succeeded.
    pub const OK: Self = Self(0);
    /// The call was cancelled.
    pub const CANCELLED: Self = Self(1);
    /// Nobody knows why.
    pub const UNKNOWN: Self = Self(2);
    /// The request makes no sense.
    pub const INVALID_ARGUMENT: Self = Self(3);
    /// The time was up.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// What was asked for does not exist.
    pub const NOT_FOUND: Self = Self(5);
    /// What was to be made exists.
    pub const ALREADY_EXISTS: Self = Self(6);
    /// The caller must not do it.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// Something is used up.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// The service is not in the state for it.
    pub const FAILED_PRECONDITION: Self = Self(9);
    /// Something else came between.
    pub const ABORTED: Self = Self(10);
    /// Beyond the end.
    pub const OUT_OF_RANGE: Self = Self(11);
    /// The service has no such method.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// The service, or the way to it, is broken.
    pub const INTERNAL: Self = Self(13);
    /// The service cannot be reached now.
    pub const UNAVAILABLE: Self = Self(14);
    /// Data is lost.
    pub const DATA_LOSS: Self = Self(15);
    /// The caller has not said who it is.
    pub const UNAUTHENTICATED: Self = Self(16);

    /// Its name, if gRPC defines the number.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::OK => "ok",
            Self::CANCELLED => "cancelled",
            Self::UNKNOWN => "unknown",
            Self::INVALID_ARGUMENT => "invalid_argument",
            Self::DEADLINE_EXCEEDED => "deadline_exceeded",
            Self::NOT_FOUND => "not_found",
            Self::ALREADY_EXISTS => "already_exists",
            Self::PERMISSION_DENIED => "permission_denied",
            Self::RESOURCE_EXHAUSTED => "resource_exhausted",
            Self::FAILED_PRECONDITION => "failed_precondition",
            Self::ABORTED => "aborted",
            Self::OUT_OF_RANGE => "out_of_range",
            Self::UNIMPLEMENTED => "unimplemented",
            Self::INTERNAL => "internal",
            Self::UNAVAILABLE => "unavailable",
            Self::DATA_LOSS => "data_loss",
            Self::UNAUTHENTICATED => "unauthenticated",
            _ => return None,
        })
    }
}

impl fmt::Display for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "gRPC status {}", self.0),
        }
    }
}

// === impl GrpcFailure ===

impl GrpcFailure {
    pub(crate) const fn new(status: GrpcStatus, message: String) -> Self {
        Self { status, message }
    }

    /// The status; never [`GrpcStatus::OK`].
    pub const fn status(&self) -> GrpcStatus {
        self.status
    }

    /// The message that came with it.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for GrpcFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.message.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.message)
    }
}

impl core::error::Error for GrpcFailure {}

#[cfg(test)]
mod tests {
    use super::{GrpcFailure, GrpcStatus};

    #[test]
    fn every_number_is_a_status() {
        let rows = [
            (0, "", "ok"),
            (7, "no", "permission_denied: no"),
            (16, "", "unauthenticated"),
            (17, "", "gRPC status 17"),
            (u32::MAX, "odd", "gRPC status 4294967295: odd"),
        ];
        for (number, message, text) in rows {
            let failure = GrpcFailure::new(GrpcStatus(number), message.to_owned());
            assert_eq!(failure.to_string(), text);
        }
    }
}
