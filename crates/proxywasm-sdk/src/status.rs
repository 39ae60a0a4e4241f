//! What a hostcall reports.

use core::fmt;

pub use crate::raw::Status;

/// The result of a hostcall: any status but `ok` is an error.
///
/// A status is a number, not an enum: a host that is newer than the plugin may return one that has no name
/// here.
pub type Result<T, E = Status> = core::result::Result<T, E>;

// === impl Status ===

impl Status {
    /// Success or failure.
    ///
    /// # Errors
    /// Any status but `ok`.
    pub const fn into_result(self) -> Result<()> {
        match self {
            Self::OK => Ok(()),
            status => Err(status),
        }
    }

    /// Its name in the interface, if this version of the crate knows it.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::OK => "ok",
            Self::EMPTY => "empty",
            Self::NOT_FOUND => "not_found",
            Self::NOT_ALLOWED => "not_allowed",
            Self::BAD_ARGUMENT => "bad_argument",
            Self::INVALID_MEMORY_ACCESS => "invalid_memory_access",
            Self::INVALID_OPERATION => "invalid_operation",
            Self::CAS_MISMATCH => "cas_mismatch",
            Self::BUFFER_TOO_SMALL => "buffer_too_small",
            Self::INTERNAL_FAILURE => "internal_failure",
            Self::UNAVAILABLE => "unavailable",
            Self::UNIMPLEMENTED => "unimplemented",
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl core::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn every_number_is_a_status_and_only_ok_is_success() {
        let rows = [
            (0, "ok", true),
            (1, "empty", false),
            (8, "buffer_too_small", false),
            (11, "unimplemented", false),
            (12, "status 12", false),
            (u32::MAX, "status 4294967295", false),
        ];
        for (number, text, success) in rows {
            let status = Status(number);
            assert_eq!(status.to_string(), text);
            assert_eq!(status.into_result().is_ok(), success, "{text}");
        }
    }
}
