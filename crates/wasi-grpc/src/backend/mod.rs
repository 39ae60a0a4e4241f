//! The connection to upstreams, over tonic, with feature `tonic`: one HTTP/2 connection for each [`GrpcClient`], made when it is first
//! needed and made again when it has gone.
//!
//! Messages pass through as bytes. There is no compression, and nothing is tried again. Over what bytes travel is for a connector to say,
//! with [`GrpcClient::with_connector`]; without one it is TCP, without TLS.
//!
//! # Example
//!
//! ```no_run
//! use wasi_grpc::backend::{Address, GrpcClient};
//! use wasi_grpc::{Event, Request};
//!
//! # async fn example(request: Request) -> Result<(), Box<dyn std::error::Error>> {
//! let upstream = GrpcClient::new(&Address::new("http://127.0.0.1:50051".parse()?))?;
//! let mut call = upstream.call(&request);
//! // Nothing is read ahead of what is asked for; to drop the call is to cancel it.
//! while let Some(event) = call.incoming.next().await {
//!     match event {
//!         Event::InitialMetadata(metadata) => println!("{} pairs", metadata.len()),
//!         Event::Message(message) => println!("{} bytes", message.len()),
//!         Event::End { status, .. } => println!("status {}", status.code),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod codec;
mod connector;
mod guard;
mod metadata;
mod status;

use crate::event::{Event, code};
use crate::request::Request;
use bytes::Bytes;
use codec::Messages;
pub use codec::PassThrough;
use connector::Connector;
use guard::{Guard, Seen};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{CancellationHandle, Response, Status, Streaming};
use wasi_common::{CalloutFault, CalloutKind, CalloutStatus};

/// The connection to one upstream. Clones share it.
#[derive(Debug, Clone)]
pub struct GrpcClient {
    channel: Channel,
}

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `http://HOST:PORT`; with a connector of TLS, `https://HOST:PORT`.
    pub uri: Uri,
    /// What the upstream is called in `:authority`; `None`: as in the URI.
    pub authority: Option<String>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
}

/// An address cannot be one of an upstream.
#[derive(Debug, Error)]
pub enum AddressError {
    /// The URI has not the form it needs.
    #[error("`{0}` is no address of a gRPC upstream; write `http://HOST:PORT`")]
    Uri(Uri),
    /// The authority is none.
    #[error("`{authority}` is no authority: {reason}; write `HOST` or `HOST:PORT`")]
    Authority {
        /// What was given.
        authority: String,
        /// What does not fit.
        reason: String,
    },
}

/// A call under way. To drop [`Call::incoming`] is to cancel it, to drop only what goes out is to end that direction.
#[derive(Debug)]
pub struct Call {
    /// What goes out.
    pub outgoing: Outgoing,
    /// What has gone out.
    pub sent: Sent,
    /// What comes in.
    pub incoming: Incoming,
}

/// The sending direction of a call.
#[derive(Debug)]
pub struct Outgoing {
    messages: Option<mpsc::UnboundedSender<Bytes>>,
}

/// The messages that the connection has taken, as far as the upstream lets it.
#[derive(Debug)]
pub struct Sent {
    messages: mpsc::UnboundedReceiver<usize>,
}

/// The receiving direction of a call.
pub struct Incoming {
    state: State,
    fault: Option<CalloutFault>,
    seen: Arc<Seen>,
    cancellation: Option<CancellationHandle>,
}

type BoxError = Box<dyn Error + Send + Sync>;

enum State {
    /// No answer has begun.
    Opening(Pin<Box<dyn Future<Output = Result<Response<Streaming<Bytes>>, Status>> + Send>>),
    Open(Box<Streaming<Bytes>>),
    Ended,
}

/// How much longer than the host the upstream may think that there is time, so that the verdict is always the host's.
const TIMEOUT_SLACK: Duration = Duration::from_millis(100);
/// The longest time that an upstream is told; gRPC has not the digits for every time.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);
/// How much of a stream that is not read the upstream may send ahead.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all streams of a connection: enough that paused ones do not stop others.
const CONNECTION_WINDOW: u32 = 64 << 20;
/// The largest metadata that is received; plugins have their own bound.
const MAX_METADATA_BYTES: u32 = 1 << 20;
/// How long a connection is silent before its other end is asked for a sign of life.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

// === impl GrpcClient ===

impl GrpcClient {
    /// A client. Has to be called within a tokio runtime, on which its connection will live. Nothing is connected yet.
    ///
    /// # Errors
    /// The address is not one.
    pub fn new(address: &Address) -> Result<Self, AddressError> {
        if address.uri.scheme_str() != Some("http") {
            return Err(AddressError::Uri(address.uri.clone()));
        }
        let channel = endpoint(address)?.connect_lazy();
        Ok(Self { channel })
    }

    /// A client whose connections a function makes, each a stream of bytes on which HTTP/2 is spoken. What its errors say, plugins are
    /// told. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// The address is not one.
    pub fn with_connector<C, F, S, E>(address: &Address, connect: C) -> Result<Self, AddressError>
    where
        C: Fn() -> F + Send + 'static,
        F: Future<Output = Result<S, E>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        E: Into<BoxError> + 'static,
    {
        let channel = endpoint(address)?.connect_with_connector_lazy(Connector(connect));
        Ok(Self { channel })
    }

    /// Begins a call. Nothing happens before [`Incoming::next`] is polled.
    pub fn call(&self, request: &Request) -> Call {
        let (outgoing, messages) = mpsc::unbounded_channel();
        let (sent, is_sent) = mpsc::unbounded_channel();
        let mut outgoing = Outgoing {
            messages: Some(outgoing),
        };
        if request.kind == CalloutKind::GrpcCall {
            outgoing.send(request.message.clone(), true);
        }
        let mut head = tonic::Request::new(Messages::new(messages, sent));
        if let Some(timeout) = request.timeout {
            head.set_timeout(timeout.saturating_add(TIMEOUT_SLACK).min(MAX_TIMEOUT));
        }
        metadata::write(&request.metadata, head.metadata_mut());
        let cancellation = head.cancellation_handle();
        let seen = Arc::new(Seen::default());
        let service = Guard::new(self.channel.clone(), Arc::clone(&seen));
        let mut client =
            tonic::client::Grpc::new(service).max_decoding_message_size(request.max_message_bytes);
        let path = http::uri::PathAndQuery::try_from(request.path.as_str());
        let opening = async move {
            let path = path.map_err(|error| Status::internal(error.to_string()))?;
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(error.into()))?;
            client.streaming(head, path, PassThrough).await
        };
        Call {
            outgoing,
            sent: Sent { messages: is_sent },
            incoming: Incoming {
                state: State::Opening(Box::pin(opening)),
                fault: None,
                seen,
                cancellation: Some(cancellation),
            },
        }
    }
}

/// How an address is spoken to.
fn endpoint(address: &Address) -> Result<Endpoint, AddressError> {
    let uri = &address.uri;
    let scheme = uri
        .scheme_str()
        .filter(|scheme| matches!(*scheme, "http" | "https"));
    let (Some(scheme), Some(authority)) = (scheme, uri.authority()) else {
        return Err(AddressError::Uri(uri.clone()));
    };
    if authority.host().is_empty() {
        return Err(AddressError::Uri(uri.clone()));
    }
    let authority = address.authority.as_deref().unwrap_or(authority.as_str());
    let origin = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query("/")
        .build();
    let origin = origin.map_err(|error| AddressError::Authority {
        authority: authority.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Endpoint::from(uri.clone())
        .origin(origin)
        .connect_timeout(address.connect_timeout)
        .tcp_keepalive(Some(TCP_KEEPALIVE))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(MAX_METADATA_BYTES))
}

// === impl Outgoing ===

impl Outgoing {
    /// Sends a message, or ends the direction, or both. What comes after the end is dropped.
    ///
    /// What has not been sent is held without a bound; see [`Sent`].
    pub fn send(&mut self, message: Option<Bytes>, end_of_stream: bool) {
        if let (Some(message), Some(messages)) = (message, &self.messages) {
            // It fails where the call has ended, of which the other half tells.
            let _ended = messages.send(message);
        }
        if end_of_stream {
            self.messages = None;
        }
    }
}

// === impl Sent ===

impl Sent {
    /// Waits until a message has been sent, and tells how many bytes it had; pending for ever when no more are. To drop the future loses
    /// nothing.
    pub async fn next(&mut self) -> usize {
        match self.messages.recv().await {
            Some(message_bytes) => message_bytes,
            None => std::future::pending().await,
        }
    }
}

// === impl Incoming ===

impl Incoming {
    /// The next event. The last one is [`Event::End`], and then `None`. To drop the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match &mut self.state {
                State::Opening(opening) => match opening.await {
                    Ok(response) => {
                        let (metadata, streaming, _) = response.into_parts();
                        self.state = State::Open(Box::new(streaming));
                        if !self.seen.status_in_head() {
                            return Some(Event::InitialMetadata(metadata::read(metadata.as_ref())));
                        }
                    }
                    Err(status) => return Some(self.end(Some(&status))),
                },
                State::Open(streaming) => {
                    return Some(match streaming.message().await {
                        Ok(Some(message)) => Event::Message(message),
                        Ok(None) => self.end(None),
                        Err(status) => self.end(Some(&status)),
                    });
                }
                State::Ended => return None,
            }
        }
    }

    /// What was in the way, once it has ended without a status of the upstream.
    pub fn fault(&self) -> Option<CalloutFault> {
        self.fault
    }

    fn end(&mut self, failure: Option<&Status>) -> Event {
        self.state = State::Ended;
        let trailers = self.seen.trailers();
        let status = match (failure, trailers) {
            (None, _) => CalloutStatus {
                code: code::OK,
                message: Bytes::new(),
            },
            (Some(status), Some(trailers)) => status::of_upstream(trailers, status),
            (Some(status), None) => {
                self.fault = Some(status::fault(status));
                status::of_failure(status)
            }
        };
        Event::End {
            status,
            trailing_metadata: trailers.map(metadata::read),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Without this, the end of the sending direction would look to the upstream as if all had been said.
        if let Some(cancellation) = self.cancellation.take() {
            cancellation.cancel();
        }
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Incoming").finish_non_exhaustive()
    }
}

// === impl Address ===

impl Address {
    /// The address of `uri`, with the authority of the URI and five seconds to connect.
    pub fn new(uri: Uri) -> Self {
        Self {
            uri,
            authority: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}
