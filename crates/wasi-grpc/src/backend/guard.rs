//! What stands between tonic's client and the connection: it keeps what the client would not tell, and keeps from the client what
//! would make it panic.

use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::{Channel, Error};

/// A connection, for one call.
#[derive(Debug)]
pub(super) struct Guard {
    channel: Channel,
    seen: Arc<Seen>,
}

/// What the upstream said at the end of a call.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The trailers, or the head where it has the status, as they came.
    trailers: OnceLock<HeaderMap>,
    status_in_head: OnceLock<()>,
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

// === impl Guard ===

impl Guard {
    pub(super) fn new(channel: Channel, seen: Arc<Seen>) -> Self {
        Self { channel, seen }
    }
}

impl GrpcService<Body> for Guard {
    type ResponseBody = Body;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        GrpcService::poll_ready(&mut self.channel, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let response = GrpcService::call(&mut self.channel, request);
        let seen = Arc::clone(&self.seen);
        Box::pin(async move { Ok(observed(response.await?, seen)) })
    }
}

fn observed(mut response: Response<Body>, seen: Arc<Seen>) -> Response<Body> {
    let head = response.headers_mut();
    if head.contains_key(STATUS) {
        // There is but one response and one set of trailers, so nothing is there yet.
        let _first = seen.trailers.set(head.clone());
        let _first = seen.status_in_head.set(());
    }
    // tonic would panic on details that are no base64; plugins get them from what was seen.
    head.remove(STATUS_DETAILS);
    response.map(|body| {
        Body::new(body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                if trailers.contains_key(STATUS) {
                    let _first = seen.trailers.set(trailers.clone());
                }
                trailers.remove(STATUS_DETAILS);
            }
            frame
        }))
    })
}

// === impl Seen ===

impl Seen {
    /// The headers that came with the status, if one came.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.get()
    }

    /// Whether the status came with the head: there is no metadata before the messages, and no message.
    pub(super) fn status_in_head(&self) -> bool {
        self.status_in_head.get().is_some()
    }
}
