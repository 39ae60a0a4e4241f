//! Why code cannot be fetched.

use crate::code::{CodeSource, Mismatch};
use http::StatusCode;
use std::error::Error as _;
use std::time::Duration;
use thiserror::Error;

/// Code cannot be fetched.
#[derive(Debug, Clone, Error)]
pub enum FetchError {
    /// The system gives no thread, or no sockets.
    #[error("nothing can be fetched: {0}")]
    Runtime(String),
    /// What was fetched earlier cannot be kept, or not where it is safe.
    #[error("{0}")]
    Cache(String),
    /// TLS, or the client, cannot be set up.
    #[error("cannot fetch {place}: {reason}")]
    Client {
        /// The code.
        place: CodeSource,
        /// Why.
        reason: String,
    },
    /// A URL would be asked for without TLS.
    #[error(
        "cannot fetch {0} without TLS: everybody on the way could change it; use `https://`, or set `plain_http: true`"
    )]
    PlainHttp(CodeSource),
    /// Who asks cannot be told.
    #[error("cannot fetch {place}: {reason}")]
    Credentials {
        /// The code.
        place: CodeSource,
        /// Why.
        reason: String,
    },
    /// A server gives no answer, or one that is none.
    #[error("cannot fetch {place}: {reason}")]
    Request {
        /// The code.
        place: CodeSource,
        /// Why.
        reason: String,
    },
    /// A server refuses it.
    #[error("cannot fetch {place}: the server answers {status}{}", hint(*status))]
    Status {
        /// The code.
        place: CodeSource,
        /// What it answers.
        status: StatusCode,
    },
    /// It is larger than is allowed.
    #[error(
        "cannot fetch {place}: it has more than {limit} bytes, which is all that `max_size` of `remote_code` allows"
    )]
    TooLarge {
        /// The code.
        place: CodeSource,
        /// What is allowed.
        limit: usize,
    },
    /// It takes too long.
    #[error("cannot fetch {place}: it was not there within {} ms, which is the `timeout` of `remote_code`", limit.as_millis())]
    Timeout {
        /// The code.
        place: CodeSource,
        /// What is allowed.
        limit: Duration,
    },
    /// There is an image, but not one of a plugin.
    #[error("{place} is no image of a plugin: {reason}")]
    Image {
        /// The image.
        place: CodeSource,
        /// What is wrong with it.
        reason: String,
    },
    /// A server sent something else than what was asked for by its digest.
    #[error("cannot fetch {place}: its {what} has the digest {found}, but {expected} was asked for")]
    Digest {
        /// The image.
        place: CodeSource,
        /// What of it.
        what: &'static str,
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// It is not the code that is configured.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// It was never fetched, and is not to be fetched now.
    #[error("{0} was never fetched, and is not fetched now")]
    Offline(CodeSource),
}

/// What to do about it.
fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "; it is not for everybody: give `credentials`, or other ones"
        }
        StatusCode::NOT_FOUND => "; there is nothing of that name, or it is not told to everybody",
        StatusCode::TOO_MANY_REQUESTS => "; it was asked too often",
        _ => "",
    }
}

/// What went wrong, without the URL: its query may be a secret.
pub(super) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
