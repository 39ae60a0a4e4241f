//! What is known of a request for its line.

use super::format::Format;
use crate::driver::Reason;
use crate::properties::{ConnectionProperties, Told};
use http::header::{HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, request, response};
use std::time::{Duration, SystemTime};

/// What is noted while the request is under way. Values are shared with the heads that they come from, not copied.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(super) began: SystemTime,
    pub(super) opening: Opening,
    pub(super) authority: Option<HeaderValue>,
    /// In the order of [`Format::request_headers`], of [`Format::response_headers`].
    pub(super) request_headers: Vec<Option<HeaderValue>>,
    pub(super) response_headers: Vec<Option<HeaderValue>>,
}

/// What it begins with.
#[derive(Debug)]
pub(super) enum Opening {
    Request(RequestLine),
    /// What is no request of HTTP/1.1.
    Malformed,
    /// A TCP stream.
    Stream,
}

/// How a request begins, as the client sent it.
#[derive(Debug)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) version: Version,
}

/// All that is known of a request that is over.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) duration: Duration,
    pub(crate) status: Option<StatusCode>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) connection: &'a ConnectionProperties,
    pub(crate) way: &'a Told,
    pub(crate) reason: &'a Reason,
    pub(crate) listener: &'a str,
}

// === impl Draft ===

impl Draft {
    /// A request has come.
    pub(crate) fn of_request(head: &request::Parts) -> Self {
        Self::new(Opening::Request(RequestLine {
            method: head.method.clone(),
            target: head.uri.clone(),
            version: head.version,
        }))
    }

    /// What has come for so long is no request.
    pub(crate) fn of_malformed(age: Duration) -> Self {
        let now = SystemTime::now();
        Self {
            began: now.checked_sub(age).unwrap_or(now),
            ..Self::new(Opening::Malformed)
        }
    }

    /// A TCP stream begins.
    pub(crate) fn of_stream() -> Self {
        Self::new(Opening::Stream)
    }

    fn new(opening: Opening) -> Self {
        Self {
            began: SystemTime::now(),
            opening,
            authority: None,
            request_headers: Vec::new(),
            response_headers: Vec::new(),
        }
    }

    /// Its first line, if it is a request.
    pub(super) fn request(&self) -> Option<&RequestLine> {
        match &self.opening {
            Opening::Request(line) => Some(line),
            Opening::Malformed | Opening::Stream => None,
        }
    }

    /// Its headers are known, with those that the proxy adds.
    pub(crate) fn note_headers(&mut self, format: &Format, head: &request::Parts) {
        self.authority = head.headers.get(HOST).cloned();
        self.request_headers = values(format.request_headers(), &head.headers);
    }

    /// It is answered.
    pub(crate) fn note_response(&mut self, format: &Format, head: &response::Parts) {
        self.response_headers = values(format.response_headers(), &head.headers);
    }
}

fn values(names: &[HeaderName], headers: &HeaderMap) -> Vec<Option<HeaderValue>> {
    names.iter().map(|name| headers.get(name).cloned()).collect()
}
