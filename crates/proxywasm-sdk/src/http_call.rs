//! HTTP calls to upstreams.

use core::fmt;
use core::time::Duration;

use crate::buffer::Buffer;
use crate::callouts;
use crate::hostcalls::calls;
use crate::map::Map;
use crate::pairs;
use crate::raw::{BufferType, MapType};
use crate::status::{Result, Status};
use crate::timer::milliseconds;

/// The place of `:authority` among the headers.
const AUTHORITY: usize = 2;

/// An HTTP request to an upstream, which the plugin makes itself.
///
/// The answer is told to who makes the call: the context whose callback is running, or the plugin. It is told to the plugin as well if
/// the context is gone by then.
///
/// ```no_run
/// use std::time::Duration;
///
/// use proxywasm_sdk::{HttpCall, HttpRequest, Result};
///
/// fn check(id: &[u8]) -> Result<HttpCall> {
///     HttpRequest::new("auth", "GET", "/check")
///         .header("x-request-id", id)
///         .timeout(Duration::from_millis(500))
///         .dispatch()
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `dispatch`"]
pub struct HttpRequest<'a> {
    upstream: &'a str,
    headers: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
    trailers: Vec<(&'a [u8], &'a [u8])>,
    timeout: Duration,
}

/// An HTTP call that was made. A view: every call asks the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HttpCall {
    id: u32,
}

/// The whole answer to an HTTP call, readable until the callback returns, or while the call is paused.
#[derive(Debug, Clone, Copy)]
pub struct HttpCallResponse {
    call: HttpCall,
    num_headers: usize,
    body_size: usize,
    num_trailers: usize,
}

/// What happens on an HTTP call whose answer is told as it comes.
#[derive(Debug, Clone)]
pub enum HttpCallEvent {
    /// The headers are there: so many pairs.
    Headers(usize),
    /// A part of the body is there: so many bytes.
    Body(usize),
    /// The last part of the body is there: so many bytes. Nothing follows.
    End(usize),
    /// The trailers are there: so many pairs. Nothing follows.
    Trailers(usize),
    /// There is no answer, or not all of it. Nothing follows.
    Failed(CallFailure),
}

/// Why an HTTP call has no answer, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFailure {
    status: Status,
    reason: String,
}

// === impl HttpRequest ===

impl<'a> HttpRequest<'a> {
    /// A request without a body. The upstream is named as in the host's configuration; `:authority` is that name, too.
    pub fn new(upstream: &'a str, method: &'a str, path: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            upstream,
            headers: vec![
                (b":method", method.as_bytes()),
                (b":path", path.as_ref()),
                (b":authority", upstream.as_bytes()),
            ],
            body: &[],
            trailers: Vec::new(),
            timeout: Duration::ZERO,
        }
    }

    /// Sets `:authority`.
    pub fn authority(mut self, authority: &'a str) -> Self {
        if let Some((_, value)) = self.headers.get_mut(AUTHORITY) {
            *value = authority.as_bytes();
        }
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.headers.push((name.as_bytes(), value.as_ref()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.body = body.as_ref();
        self
    }

    /// Adds a trailer.
    pub fn trailer(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.trailers.push((name.as_bytes(), value.as_ref()));
        self
    }

    /// Sets how long the whole call may take. Without it, or with 0, the host decides.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the call.
    ///
    /// # Errors
    /// `not_found` if there is no such upstream; `not_allowed` if the host's policy forbids it; `bad_argument` for headers that HTTP
    /// forbids; `unavailable` if there are too many calls. Then no answer follows.
    pub fn dispatch(self) -> Result<HttpCall> {
        let id = calls::dispatch(&calls::Request {
            upstream: self.upstream,
            headers: &pairs::block(&self.headers),
            body: self.body,
            trailers: &pairs::block(&self.trailers),
            timeout: milliseconds(self.timeout),
        })?;
        callouts::opened(id);
        Ok(HttpCall { id })
    }
}

// === impl HttpCall ===

impl HttpCall {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its number, unique among the calls of the plugin.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The headers of the answer, and `:status` before them.
    pub const fn headers(&self) -> Map {
        Map::new(self.id, MapType::HTTP_CALL_RESPONSE_HEADERS)
    }

    /// The body of the answer, or the part of it that was told.
    pub const fn body(&self) -> Buffer {
        Buffer::new(self.id, BufferType::HTTP_CALL_RESPONSE_BODY)
    }

    /// The trailers of the answer.
    pub const fn trailers(&self) -> Map {
        Map::new(self.id, MapType::HTTP_CALL_RESPONSE_TRAILERS)
    }

    /// The status code of the answer.
    ///
    /// # Errors
    /// `invalid_operation` if the headers cannot be read now, `internal_failure` if they have no status code.
    pub fn status_code(&self) -> Result<u16> {
        let headers = self.headers().read(&[":status"])?;
        headers
            .get(":status")
            .and_then(|code| core::str::from_utf8(code).ok()?.parse().ok())
            .ok_or(Status::INTERNAL_FAILURE)
    }

    /// Goes on after [`Action::Pause`](crate::Action::Pause).
    ///
    /// # Errors
    /// `invalid_operation` if the call is not paused, `bad_argument` if it is over.
    pub fn resume(&self) -> Result<()> {
        calls::resume(self.id)
    }

    /// Cancels the call: nothing is told of it any more.
    ///
    /// # Errors
    /// `bad_argument` if it is over.
    pub fn close(self) -> Result<()> {
        callouts::closed(self.id);
        calls::close(self.id)
    }

    /// Why the call failed, if it did.
    pub(crate) fn failure(&self) -> Option<CallFailure> {
        let mut reason = Vec::new();
        let status = match calls::status(self.id, &mut reason) {
            Ok(code) => Status(code).into_result().err()?,
            Err(status) => status,
        };
        let reason = String::from_utf8_lossy(&reason).into_owned();
        Some(CallFailure { status, reason })
    }

    /// Why the call has no answer; without a head there is none, whatever else the host says.
    pub(crate) fn lost(&self) -> CallFailure {
        self.failure().unwrap_or_else(|| CallFailure {
            status: Status::UNAVAILABLE,
            reason: String::new(),
        })
    }

    /// What a callback that tells the whole answer has told.
    pub(crate) fn response(
        self,
        num_headers: usize,
        body_size: usize,
        num_trailers: usize,
    ) -> Result<HttpCallResponse, CallFailure> {
        if num_headers == 0 {
            return Err(self.lost());
        }
        match self.failure() {
            Some(failure) => Err(failure),
            None => Ok(HttpCallResponse {
                call: self,
                num_headers,
                body_size,
                num_trailers,
            }),
        }
    }
}

// === impl HttpCallResponse ===

impl HttpCallResponse {
    /// The status code.
    ///
    /// # Errors
    /// Those of [`HttpCall::status_code`].
    pub fn status_code(&self) -> Result<u16> {
        self.call.status_code()
    }

    /// The headers, and `:status` before them.
    pub const fn headers(&self) -> Map {
        self.call.headers()
    }

    /// The body.
    pub const fn body(&self) -> Buffer {
        self.call.body()
    }

    /// The trailers.
    pub const fn trailers(&self) -> Map {
        self.call.trailers()
    }

    /// How many headers there are, pseudo-headers included.
    pub const fn num_headers(&self) -> usize {
        self.num_headers
    }

    /// How many bytes the body has.
    pub const fn body_size(&self) -> usize {
        self.body_size
    }

    /// How many trailers there are.
    pub const fn num_trailers(&self) -> usize {
        self.num_trailers
    }
}

// === impl CallFailure ===

impl CallFailure {
    /// What kind of failure it is: [`Status::UNAVAILABLE`] if no answer came, or not all of it.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// What the host says about it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.reason.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.reason)
    }
}

impl core::error::Error for CallFailure {}
