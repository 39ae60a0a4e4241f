//! Bodies on their way to and from an upstream.

use super::echo::EchoBody;
use super::pool::PooledBody;
use crate::cluster::{Counted, Replay};
use crate::driver::{ClientBody, FilteredRequestBody, FilteredResponseBody, Record};
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The body of a request to an upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    /// All of it, which is less than one could stream.
    Full(Bytes),
    /// That of the downstream, which no plugin looks at.
    Passed(ClientBody, Rc<Record>),
    /// What plugins let through.
    Filtered(FilteredRequestBody),
    /// One of these that is kept to be sent again.
    Replayed(Replay),
}

/// The body of a response from an upstream.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    /// All of it: that of an answer of the proxy's own.
    Full(Bytes),
    Echo(EchoBody),
    /// From a connection that others can have afterwards.
    Pooled(PooledBody),
    /// From one of several servers, which is counted until then.
    Counted(
        Box<Self>,
        #[expect(dead_code, reason = "counts until it is dropped")] Counted,
    ),
    /// What plugins of the upstream let through.
    Filtered(Box<FilteredResponseBody>),
}

/// A boxed error; only its text is used.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

type PolledFrame = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// A second request like this one, if its body can be had twice.
pub(crate) fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let mut copy = Request::new(request.body().again()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

// === impl RequestBody ===

impl RequestBody {
    /// The same body a second time, if it can be had twice.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(data) => Some(Self::Full(data.clone())),
            Self::Replayed(replay) => Some(Self::Replayed(replay.again())),
            Self::Passed(..) | Self::Filtered(_) => None,
        }
    }

    /// Whether nothing of it is lost by now.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Self::Replayed(replay) => replay.is_whole(),
            _ => true,
        }
    }

    /// It goes where trailers need not be announced.
    pub(crate) fn allow_all_trailers(&mut self) {
        match self {
            Self::Filtered(filtered) => filtered.allow_all_trailers(),
            Self::Replayed(replay) => replay.allow_all_trailers(),
            Self::Empty | Self::Full(_) | Self::Passed(..) => {}
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame {
        let body = self.get_mut();
        match body {
            Self::Empty => Poll::Ready(None),
            Self::Full(data) => {
                let data = std::mem::take(data);
                *body = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Self::Passed(incoming, record) => {
                let frame = ready!(Pin::new(incoming).poll_frame(context));
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    record.add_received(data.len());
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::Filtered(filtered) => filtered.poll_frame(context),
            Self::Replayed(replay) => replay.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(data) => data.is_empty(),
            Self::Passed(incoming, _) => incoming.is_end_stream(),
            Self::Filtered(filtered) => filtered.is_end_stream(),
            Self::Replayed(replay) => replay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(data) => SizeHint::with_exact(data.len() as u64),
            Self::Passed(incoming, _) => incoming.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
            Self::Replayed(replay) => replay.size_hint(),
        }
    }
}

// === impl ResponseBody ===

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame {
        let body = self.get_mut();
        match body {
            Self::Full(data) if data.is_empty() => Poll::Ready(None),
            Self::Full(data) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            Self::Echo(body) => Pin::new(body).poll_frame(context),
            Self::Pooled(body) => Pin::new(body).poll_frame(context),
            Self::Counted(body, _) => Pin::new(&mut **body).poll_frame(context),
            Self::Filtered(body) => body.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(data) => data.is_empty(),
            Self::Echo(body) => body.is_end_stream(),
            Self::Pooled(body) => body.is_end_stream(),
            Self::Counted(body, _) => body.is_end_stream(),
            Self::Filtered(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(data) => SizeHint::with_exact(data.len() as u64),
            Self::Echo(body) => body.size_hint(),
            Self::Pooled(body) => body.size_hint(),
            Self::Counted(body, _) => body.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
        }
    }
}
