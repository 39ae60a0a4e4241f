//! gRPC calls and streams to upstreams.

use core::time::Duration;

use crate::buffer::Buffer;
use crate::callouts;
use crate::grpc_status::{GrpcFailure, GrpcStatus};
use crate::hostcalls::grpc;
use crate::map::Map;
use crate::pairs;
use crate::raw::{BufferType, MapType};
use crate::status::Result;
use crate::timer::milliseconds;

/// A method of a gRPC service at an upstream. Messages are bytes: the plugin brings its own codec.
///
/// Answers are told to who makes the call: the context whose callback is running, or the plugin. They are told to the plugin as well
/// if the context is gone by then.
///
/// ```no_run
/// use std::time::Duration;
///
/// use proxywasm_sdk::{GrpcCall, GrpcMethod, Result};
///
/// fn check(message: &[u8]) -> Result<GrpcCall> {
///     GrpcMethod::new("authz", "auth.Authorizer", "Check")
///         .timeout(Duration::from_millis(500))
///         .call(message)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct GrpcMethod<'a> {
    upstream: &'a str,
    service: &'a str,
    method: &'a str,
    metadata: Vec<(&'a [u8], &'a [u8])>,
    timeout: Duration,
}

/// A unary gRPC call that was made. A view: every call asks the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrpcCall {
    id: u32,
}

/// A gRPC stream that was opened. A view: every call asks the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrpcStream {
    id: u32,
}

/// The answer to a unary call, readable until the callback returns, or while the call is paused.
#[derive(Debug, Clone, Copy)]
pub struct GrpcCallResponse {
    call: GrpcCall,
    message_size: usize,
}

/// What happens on a gRPC stream.
#[derive(Debug, Clone)]
pub enum GrpcStreamEvent {
    /// The metadata that precedes the messages is there: so many pairs.
    InitialMetadata(usize),
    /// A message is there: so many bytes.
    Message(usize),
    /// The metadata that follows the messages is there: so many pairs.
    TrailingMetadata(usize),
    /// The stream has ended well. Nothing follows.
    Closed,
    /// The stream has ended, and not well. Nothing follows.
    Failed(GrpcFailure),
}

// === impl GrpcMethod ===

impl<'a> GrpcMethod<'a> {
    /// A method, such as `Check` of the service `auth.Authorizer`. The upstream is named as in the host's configuration.
    pub const fn new(upstream: &'a str, service: &'a str, method: &'a str) -> Self {
        Self {
            upstream,
            service,
            method,
            metadata: Vec::new(),
            timeout: Duration::ZERO,
        }
    }

    /// Adds metadata that is sent before the first message.
    #[must_use]
    pub fn metadata(mut self, name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.metadata.push((name.as_bytes(), value.as_ref()));
        self
    }

    /// Sets how long a unary call may take. Without it, or with 0, the host decides. Streams have no timeout.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes a unary call.
    ///
    /// # Errors
    /// `not_found` if there is no such upstream; `not_allowed` if the host's policy forbids it; `bad_argument` for metadata that gRPC
    /// forbids; `unavailable` if there are too many calls. Then no answer follows.
    pub fn call(&self, message: &(impl AsRef<[u8]> + ?Sized)) -> Result<GrpcCall> {
        let metadata = pairs::block(&self.metadata);
        let id = grpc::call(
            &self.with(&metadata),
            message.as_ref(),
            milliseconds(self.timeout),
        )?;
        callouts::opened(id);
        Ok(GrpcCall { id })
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub fn open(&self) -> Result<GrpcStream> {
        let metadata = pairs::block(&self.metadata);
        let id = grpc::open(&self.with(&metadata))?;
        callouts::opened(id);
        Ok(GrpcStream { id })
    }

    const fn with<'b>(&self, metadata: &'b [u8]) -> grpc::Method<'b>
    where
        'a: 'b,
    {
        grpc::Method {
            upstream: self.upstream,
            service: self.service,
            method: self.method,
            metadata,
        }
    }
}

// === impl GrpcCall ===

impl GrpcCall {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its number, unique among the calls of the plugin.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Cancels the call: nothing is told of it any more. Ends the pause of one that has been answered.
    ///
    /// # Errors
    /// `bad_argument` if it is over.
    pub fn close(self) -> Result<()> {
        callouts::closed(self.id);
        grpc::close_call(self.id)
    }

    /// What a callback has told.
    pub(crate) fn response(self, status: u32, message_size: usize) -> Result<GrpcCallResponse, GrpcFailure> {
        match failure(self.id, status) {
            Some(failure) => Err(failure),
            None => Ok(GrpcCallResponse {
                call: self,
                message_size,
            }),
        }
    }
}

// === impl GrpcCallResponse ===

impl GrpcCallResponse {
    /// The message.
    pub const fn message(&self) -> Buffer {
        Buffer::new(self.call.id, BufferType::GRPC_MESSAGE)
    }

    /// How many bytes the message has.
    pub const fn message_size(&self) -> usize {
        self.message_size
    }

    /// The metadata that preceded the message.
    pub const fn initial_metadata(&self) -> Map {
        Map::new(self.call.id, MapType::GRPC_INITIAL_METADATA)
    }

    /// The metadata that followed the message.
    pub const fn trailing_metadata(&self) -> Map {
        Map::new(self.call.id, MapType::GRPC_TRAILING_METADATA)
    }
}

// === impl GrpcStream ===

impl GrpcStream {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its number, unique among the calls of the plugin.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `invalid_operation` if the plugin has ended its direction, `unavailable` if too much waits to be sent, `bad_argument` if the
    /// stream is over.
    pub fn send(&self, message: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        grpc::send(self.id, Some(message.as_ref()), false)
    }

    /// Sends the last message, and ends the plugin's direction. What the upstream sends still arrives.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn send_last(&self, message: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        grpc::send(self.id, Some(message.as_ref()), true)
    }

    /// Ends the plugin's direction. What the upstream sends still arrives.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub fn end(&self) -> Result<()> {
        grpc::send(self.id, None, true)
    }

    /// The message that was told.
    pub const fn message(&self) -> Buffer {
        Buffer::new(self.id, BufferType::GRPC_MESSAGE)
    }

    /// The metadata that preceded the messages.
    pub const fn initial_metadata(&self) -> Map {
        Map::new(self.id, MapType::GRPC_INITIAL_METADATA)
    }

    /// The metadata that followed the messages.
    pub const fn trailing_metadata(&self) -> Map {
        Map::new(self.id, MapType::GRPC_TRAILING_METADATA)
    }

    /// Goes on after [`Action::Pause`](crate::Action::Pause).
    ///
    /// # Errors
    /// `invalid_operation` if the stream is not paused, `bad_argument` if it is over.
    pub fn resume(&self) -> Result<()> {
        grpc::resume_stream(self.id)
    }

    /// Cancels both directions: nothing is told of the stream any more.
    ///
    /// # Errors
    /// `bad_argument` if it is over.
    pub fn close(self) -> Result<()> {
        callouts::closed(self.id);
        grpc::close_stream(self.id)
    }

    /// What the last callback has told.
    pub(crate) fn end_event(&self, status: u32) -> GrpcStreamEvent {
        failure(self.id, status).map_or(GrpcStreamEvent::Closed, GrpcStreamEvent::Failed)
    }
}

fn failure(id: u32, status: u32) -> Option<GrpcFailure> {
    let status = GrpcStatus(status);
    if status == GrpcStatus::OK {
        return None;
    }
    let mut message = Vec::new();
    if grpc::status(id, &mut message).is_err() {
        message.clear();
    }
    let message = String::from_utf8_lossy(&message).into_owned();
    Some(GrpcFailure::new(status, message))
}
