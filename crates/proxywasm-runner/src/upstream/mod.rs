//! Where requests go: a server, or the built-in echo.

mod body;
mod connect;
mod count;
mod echo;
mod patience;
mod pool;
mod proxy_header;
mod target;

pub(crate) use body::{BoxError, RequestBody, ResponseBody, copy};
pub use connect::ConnectError;
pub(crate) use connect::connect;
pub(crate) use count::{Active, Open};
pub use patience::ResponseTimeouts;
pub(crate) use patience::{HeadLimit, broke_off};
pub(crate) use proxy_header::proxy_header;
pub use target::{
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, Endpoint, HttpProtocol, HttpTarget, ProxyVersion,
    TargetError, TcpTarget, UpstreamAddress, UpstreamTarget, UpstreamUrl,
};

use crate::figures::{StatusClass, UpstreamFailure, UpstreamFigures};
use crate::message::MalformedResponse;
use crate::properties::UpstreamProperties;
use http::{Request, Response, StatusCode};
pub(crate) use pool::Places;
use pool::Pool;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// No response can be had from the upstream.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It broke before a response head came.
    #[error(
        "the upstream closed the connection, or sent no HTTP, before its response head was complete: {0}"
    )]
    Exchange(#[source] hyper::Error),
    /// It switched to another protocol unasked: what follows is no response, and nobody would read it as what it is.
    #[error("the upstream began another protocol (status 101), which the request had not asked for")]
    Switched,
    /// It sent a response that has no clear meaning.
    #[error("the upstream sent a malformed response: {0}")]
    Malformed(#[from] MalformedResponse),
    /// No response head came in time, or nothing of the request was taken.
    #[error("the upstream has not begun a response within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// As many requests as it may have are under way, and as many as may wait for them wait.
    #[error("the upstream `{0}` has as many requests as its `limits` allow")]
    Overloaded(String),
    /// Its plugins ended the stream.
    #[error("the plugins of the upstream gave no response: {0}")]
    Filtered(String),
    /// It has no server: none of its names could be resolved.
    #[error("the upstream `{0}` has no endpoint; its names could not be resolved")]
    NoEndpoint(String),
}

/// No response came to a request.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: UpstreamError,
    /// The request, if it can be sent again without harm: none of it was sent, or it is idempotent, its body can be had twice, and the
    /// connection closed before a response, or the server says that it has not looked at it.
    pub(crate) again: Option<Request<RequestBody>>,
}

/// The upstream of a listener, as one worker has it.
pub(crate) struct Upstream {
    kind: Kind,
    /// What is counted, if anything is.
    figures: Option<Arc<UpstreamFigures>>,
}

enum Kind {
    Echo,
    Http(Box<Pool>),
}

// === impl UpstreamError ===

impl UpstreamError {
    /// Whether it was the client that broke its request off. The upstream has done nothing wrong then.
    pub(crate) fn is_of_client(&self) -> bool {
        // What this side has reset over HTTP/2, it has for want of the rest of the body.
        let is_own_reset = |error: &h2::Error| error.is_reset() && !error.is_remote() && !error.is_library();
        match self {
            Self::Exchange(error) => error.is_user() || pool::h2_error(error).is_some_and(is_own_reset),
            _ => false,
        }
    }

    /// The status that the client gets for it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Connect(ConnectError::Timeout { .. }) | Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Connect(ConnectError::NoPlace { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect(_)
            | Self::Exchange(_)
            | Self::Switched
            | Self::Malformed(_)
            | Self::Filtered(_) => StatusCode::BAD_GATEWAY,
            Self::Overloaded(_) | Self::NoEndpoint(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the client is told of it; the log tells more.
    pub(crate) fn text(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::Timeout { .. }) => "the upstream could not be reached in time\n",
            Self::Timeout(_) => "the upstream did not respond in time\n",
            Self::Connect(ConnectError::NoPlace { .. }) => "the upstream has too many connections\n",
            Self::Connect(_)
            | Self::Exchange(_)
            | Self::Switched
            | Self::Malformed(_)
            | Self::Filtered(_) => "no response can be had from the upstream\n",
            Self::Overloaded(_) => "the upstream has too many requests\n",
            Self::NoEndpoint(_) => "the upstream has no server\n",
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// The server, or the built-in echo.
    pub(crate) fn new(target: Option<&HttpTarget>, figures: Option<&Arc<UpstreamFigures>>) -> Self {
        Self::within(target, figures, None)
    }

    /// The same, to which there are no more connections than places.
    pub(crate) fn within(
        target: Option<&HttpTarget>,
        figures: Option<&Arc<UpstreamFigures>>,
        places: Option<&Arc<Places>>,
    ) -> Self {
        Self {
            kind: match target {
                None => Kind::Echo,
                Some(target) => Kind::Http(Box::new(Pool::new(
                    target.clone(),
                    figures.cloned(),
                    places.cloned(),
                ))),
            },
            figures: figures.cloned(),
        }
    }

    /// The server; none is the built-in echo's.
    pub(crate) fn target(&self) -> Option<&HttpTarget> {
        match &self.kind {
            Kind::Echo => None,
            Kind::Http(pool) => Some(pool.target()),
        }
    }

    /// Sends a request and waits for the head of the response. To drop the future is to cancel the request.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
        limit: HeadLimit,
        properties: Option<&UpstreamProperties>,
    ) -> Result<Response<ResponseBody>, Failed> {
        let pool = match &self.kind {
            Kind::Echo => return Ok(echo::respond(request).map(ResponseBody::Echo)),
            Kind::Http(pool) => pool,
        };
        let Some(figures) = &self.figures else {
            return pool.send(request, limit, properties).await;
        };
        let begun = Instant::now();
        let sent = pool.send(request, limit, properties).await;
        match &sent {
            Ok(response) => {
                figures.statuses.add(StatusClass::of(Some(response.status())));
                figures.durations.record(begun.elapsed());
            }
            Err(failed) if failed.error.is_of_client() => {}
            Err(failed) => figures.failed(UpstreamFailure::of(&failed.error)),
        }
        sent
    }
}
