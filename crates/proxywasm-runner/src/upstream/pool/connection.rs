//! One connection to an upstream.

use super::guard::{Allowance, ServerWatch};
use super::lease::Streams;
use super::places::Place;
use crate::figures::UpstreamFigures;
use crate::message;
use crate::properties::UpstreamConnection;
use crate::tls::{HTTP_1, HTTP_2};
use crate::transport::{LocalExecutor, Stream};
use crate::upstream::body::RequestBody;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::count::Open;
use crate::upstream::patience::SentBody;
use crate::upstream::target::{Endpoint, HttpProtocol, HttpTarget};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::fmt::Display;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection that serves one request at a time.
pub(crate) struct Http1 {
    pub(super) sender: http1::SendRequest<SentBody>,
    properties: Arc<UpstreamConnection>,
    allowance: Arc<Allowance>,
}

/// A connection that serves many requests at once. To clone it is to share it.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: http2::SendRequest<SentBody>,
    properties: Arc<UpstreamConnection>,
    pub(super) streams: Rc<Streams>,
    is_tls: bool,
}

/// A connection that was just made.
pub(super) enum Connection {
    Http1(Http1),
    Http2(Http2),
}

/// What a connection counts as while it is open: in figures, and as one of those that there may be.
type Counts = (Option<Open>, Option<Place>);

/// Why a request failed, and the request itself if none of it was sent.
pub(super) type SendError = (hyper::Error, Option<Request<RequestBody>>);

/// Requests at once on a connection of HTTP/2, whatever the server allows: beyond this another one is made.
const MAX_STREAMS: usize = 100;
/// What a server may send ahead of what is read, of one response and of all of a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// The largest head of a response.
const MAX_HEADER_BYTES: u32 = 128 << 10;
/// What a connection of HTTP/1.1 keeps at the most of a response that nobody takes.
const BUFFER: usize = 128 << 10;
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
        place: Option<Place>,
    ) -> Result<Self, ConnectError> {
        let alpn: &[&[u8]] = match protocol {
            HttpProtocol::Auto => &[HTTP_2, HTTP_1],
            HttpProtocol::Http1 => &[HTTP_1],
            HttpProtocol::Http2 => &[HTTP_2],
        };
        let began = Instant::now();
        let (stream, properties) = connect(&target.endpoint, alpn, &[]).await?;
        let counts = (figures.map(Open::new), place);
        let is_tls = target.endpoint.tls.is_some();
        let chosen = stream.alpn() == Some(HTTP_2);
        match protocol {
            HttpProtocol::Http2 if is_tls && !chosen => {
                Err(ConnectError::NoHttp2(target.endpoint.address.clone()))
            }
            HttpProtocol::Http1 => Self::http1(stream, properties, counts).await,
            HttpProtocol::Auto if !chosen => Self::http1(stream, properties, counts).await,
            HttpProtocol::Auto | HttpProtocol::Http2 => {
                Self::http2(stream, properties, &target.endpoint, began, counts).await
            }
        }
    }

    /// What plugins can ask about it.
    pub(super) fn properties(&self) -> &Arc<UpstreamConnection> {
        match self {
            Self::Http1(connection) => &connection.properties,
            Self::Http2(connection) => &connection.properties,
        }
    }

    async fn http1(
        stream: Stream,
        properties: Arc<UpstreamConnection>,
        counts: Counts,
    ) -> Result<Self, ConnectError> {
        let (stream, allowance) = ServerWatch::http1(stream);
        let (sender, connection) = http1::Builder::new()
            .max_header_size(MAX_HEADER_BYTES as usize)
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Unusable)?;
        drive(connection.with_upgrades(), counts);
        Ok(Self::Http1(Http1 {
            sender,
            properties,
            allowance,
        }))
    }

    async fn http2(
        stream: Stream,
        properties: Arc<UpstreamConnection>,
        endpoint: &Endpoint,
        began: Instant,
        counts: Counts,
    ) -> Result<Self, ConnectError> {
        let (stream, settled) = ServerWatch::http2(stream);
        let (sender, connection) = http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            .initial_max_send_streams(MAX_STREAMS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Unusable)?;
        // How many requests a server allows is in the first that it has to say. What goes beyond would wait here for others to end, instead of on
        // a connection of its own. One that does not say it speaks no HTTP/2.
        let limit = endpoint.connect_timeout;
        let rest = limit.saturating_sub(began.elapsed());
        let upstream = || endpoint.address.clone();
        match tokio::time::timeout(rest, settled).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(ConnectError::Speechless(upstream())),
            Err(_) => {
                return Err(ConnectError::Timeout {
                    upstream: upstream(),
                    limit,
                });
            }
        }
        let is_tls = endpoint.tls.is_some();
        let streams = Rc::<Streams>::default();
        streams.allow(connection.current_max_send_streams());
        let allowed = Rc::clone(&streams);
        let mut connection = Box::pin(connection);
        let driven = poll_fn(move |context| {
            let ended = connection.as_mut().poll(context);
            allowed.allow(connection.current_max_send_streams());
            ended
        });
        drive(driven, counts);
        Ok(Self::Http2(Http2 {
            sender,
            properties,
            streams,
            is_tls,
        }))
    }
}

/// Lets a connection go on until it ends. It counts for as long.
fn drive<E: Display>(connection: impl Future<Output = Result<(), E>> + 'static, counts: Counts) {
    tokio::task::spawn_local(async move {
        // Who waits for a response is told too.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to the upstream ended");
        }
        drop(counts);
    });
}

// === impl Http1 ===

impl Http1 {
    pub(super) async fn send(&mut self, request: Request<SentBody>) -> Result<Response<Incoming>, SendError> {
        let request = prepare(request, message::frame_http1);
        self.allowance.begin();
        let sent = self.sender.try_send_request(request).await;
        self.allowance.end();
        sent.map_err(split)
    }
}

// === impl Http2 ===

impl Http2 {
    /// Whether it takes a request more.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_closed() && self.streams.count() < MAX_STREAMS.min(self.streams.allowed())
    }

    /// Whether nobody can use it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.streams.is_closing()
    }

    pub(super) async fn send(&mut self, request: Request<SentBody>) -> Result<Response<Incoming>, SendError> {
        let is_tls = self.is_tls;
        let mut request = prepare(request, |head, _| message::frame_http2(head, is_tls));
        request.body_mut().body_mut().allow_all_trailers();
        self.sender.try_send_request(request).await.map_err(split)
    }
}

fn prepare(
    request: Request<SentBody>,
    frame: impl FnOnce(&mut http::request::Parts, bool),
) -> Request<SentBody> {
    let (mut head, body) = request.into_parts();
    frame(&mut head, body.is_end_stream());
    Request::from_parts(head, body)
}

fn split(mut error: TrySendError<Request<SentBody>>) -> SendError {
    let unsent = error
        .take_message()
        .map(|request| request.map(SentBody::into_body));
    (error.into_error(), unsent)
}
