//! Counts of responses by the class of their status.

use http::StatusCode;
use proxywasm_host::figures::Counter;

/// Counts by class.
#[derive(Debug, Default)]
pub(crate) struct Statuses([Counter; StatusClass::ALL.len()]);

/// The class of a status, or that there was none: the stream was reset, or the client left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusClass {
    None,
    Informational,
    Success,
    Redirection,
    ClientError,
    ServerError,
}

// === impl StatusClass ===

impl StatusClass {
    pub(crate) const ALL: [Self; 6] = [
        Self::None,
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
    ];

    pub(crate) fn of(status: Option<StatusCode>) -> Self {
        match status.map(|status| status.as_u16() / 100) {
            None => Self::None,
            Some(1) => Self::Informational,
            Some(2) => Self::Success,
            Some(3) => Self::Redirection,
            Some(4) => Self::ClientError,
            Some(_) => Self::ServerError,
        }
    }

    /// As metrics have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

// === impl Statuses ===

impl Statuses {
    /// One more.
    pub(crate) fn add(&self, class: StatusClass) {
        if let Some(count) = self.0.get(class as usize) {
            count.add(1);
        }
    }

    /// By class, in the order of [`StatusClass::ALL`].
    pub(crate) fn counts(&self) -> [u64; StatusClass::ALL.len()] {
        self.0.each_ref().map(Counter::get)
    }
}
