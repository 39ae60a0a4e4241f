//! One connection to an upstream.

use super::lease::Streams;
use crate::figures::UpstreamFigures;
use crate::message;
use crate::tls::{HTTP_1, HTTP_2};
use crate::transport::{Address, LocalExecutor, Stream};
use crate::upstream::body::RequestBody;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::count::Open;
use crate::upstream::target::{HttpProtocol, HttpTarget};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A connection that serves one request at a time.
pub(crate) struct Http1 {
    pub(super) sender: http1::SendRequest<RequestBody>,
    address: Address,
}

/// A connection that serves many requests at once. To clone it is to share it.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: http2::SendRequest<RequestBody>,
    address: Address,
    pub(super) streams: Rc<Streams>,
    is_tls: bool,
}

/// A connection that was just made.
pub(super) enum Connection {
    Http1(Http1),
    Http2(Http2),
}

/// Why a request failed, and the request itself if none of it was sent.
pub(super) type SendError = (hyper::Error, Option<Request<RequestBody>>);

/// Requests at once on a connection of HTTP/2, whatever the server allows: beyond this another one is made.
const MAX_STREAMS: usize = 100;
/// What a server may send ahead of what is read, of one response and of all of a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// The largest head of a response.
const MAX_HEADER_BYTES: u32 = 256 << 10;
/// After how much silence a server with requests under way is asked for a sign of life, and how long it may take for that.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

// === impl Connection ===

impl Connection {
    /// Connects, and agrees on the version of HTTP, where `protocol` leaves that open.
    pub(super) async fn open(
        target: &HttpTarget,
        protocol: HttpProtocol,
        figures: Option<&Arc<UpstreamFigures>>,
    ) -> Result<Self, ConnectError> {
        let alpn: &[&[u8]] = match protocol {
            HttpProtocol::Auto => &[HTTP_2, HTTP_1],
            HttpProtocol::Http1 => &[HTTP_1],
            HttpProtocol::Http2 => &[HTTP_2],
        };
        let (stream, address) = connect(&target.endpoint, alpn, &[]).await?;
        let open = figures.map(Open::new);
        let is_tls = target.endpoint.tls.is_some();
        let chosen = stream.alpn() == Some(HTTP_2);
        match protocol {
            HttpProtocol::Http2 if is_tls && !chosen => {
                Err(ConnectError::NoHttp2(target.endpoint.address.clone()))
            }
            HttpProtocol::Http2 => Self::http2(stream, address, is_tls, open).await,
            HttpProtocol::Auto if chosen => Self::http2(stream, address, is_tls, open).await,
            _ => Self::http1(stream, address, open).await,
        }
    }

    /// Where it goes.
    pub(super) fn address(&self) -> &Address {
        match self {
            Self::Http1(connection) => &connection.address,
            Self::Http2(connection) => &connection.address,
        }
    }

    async fn http1(stream: Stream, address: Address, open: Option<Open>) -> Result<Self, ConnectError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Unusable)?;
        drive(connection.with_upgrades(), open);
        Ok(Self::Http1(Http1 { sender, address }))
    }

    async fn http2(
        stream: Stream,
        address: Address,
        is_tls: bool,
        open: Option<Open>,
    ) -> Result<Self, ConnectError> {
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Unusable)?;
        drive(connection, open);
        Ok(Self::Http2(Http2 {
            sender,
            address,
            streams: Rc::default(),
            is_tls,
        }))
    }
}

/// Lets a connection go on until it ends. It counts for as long.
fn drive<E: Display>(connection: impl Future<Output = Result<(), E>> + 'static, open: Option<Open>) {
    tokio::task::spawn_local(async move {
        // Who waits for a response is told too.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the upstream ended");
        }
        drop(open);
    });
}

// === impl Http1 ===

impl Http1 {
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendError> {
        let request = prepare(request, message::frame_http1);
        self.sender.try_send_request(request).await.map_err(split)
    }
}

// === impl Http2 ===

impl Http2 {
    /// Whether it takes a request more.
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.streams.is_closing() && self.streams.count() < MAX_STREAMS
    }

    /// Whether nobody can use it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.streams.is_closing()
    }

    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, SendError> {
        let is_tls = self.is_tls;
        let mut request = prepare(request, |head, _| message::frame_http2(head, is_tls));
        request.body_mut().allow_all_trailers();
        self.sender.try_send_request(request).await.map_err(split)
    }
}

fn prepare(
    request: Request<RequestBody>,
    frame: impl FnOnce(&mut http::request::Parts, bool),
) -> Request<RequestBody> {
    let (mut head, body) = request.into_parts();
    frame(&mut head, body.is_end_stream());
    Request::from_parts(head, body)
}

fn split(mut error: TrySendError<Request<RequestBody>>) -> SendError {
    let unsent = error.take_message();
    (error.into_error(), unsent)
}
