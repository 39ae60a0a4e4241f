//! The body of a response, as the client's connection takes it.

use super::exchange::Driver;
use super::lane::Piece;
use super::trailers::Announced;
use crate::upstream::{self, BoxError};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of a response to a client.
#[derive(Debug)]
pub(crate) enum ResponseBody {
    Empty,
    /// All of it.
    Full(Bytes),
    /// That of the upstream, which no plugin looks at.
    Passed(upstream::ResponseBody),
    /// What plugins let through.
    Filtered(FilteredResponseBody),
}

/// What plugins let through of a response body. Polling it reads the upstream's connection and enters plugins; dropping it ends
/// the stream.
#[derive(Debug)]
pub(crate) struct FilteredResponseBody {
    driver: Driver,
    announced: Announced,
}

// === impl FilteredResponseBody ===

impl FilteredResponseBody {
    pub(super) fn new(driver: Driver, announced: Announced) -> Self {
        Self { driver, announced }
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match std::task::ready!(self.driver.exchange().poll_response(context)) {
            None => None,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(Piece::Data { data, .. })) => Some(Frame::data(data)),
            Some(Ok(Piece::Trailers(trailers))) => self
                .announced
                .sendable(*trailers, "response")
                .map(Frame::trailers),
        };
        if self.is_end_stream() {
            self.driver.complete();
        }
        Poll::Ready(frame.map(Ok))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.driver.exchange().response_is_drained()
    }
}

// === impl ResponseBody ===

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        match body {
            Self::Empty => Poll::Ready(None),
            Self::Full(data) => {
                let data = std::mem::take(data);
                *body = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Self::Passed(passed) => Pin::new(passed).poll_frame(context),
            Self::Filtered(filtered) => filtered.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(data) => data.is_empty(),
            Self::Passed(passed) => passed.is_end_stream(),
            Self::Filtered(filtered) => filtered.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(data) => SizeHint::with_exact(data.len() as u64),
            Self::Passed(passed) => passed.size_hint(),
            Self::Filtered(_) => SizeHint::default(),
        }
    }
}
