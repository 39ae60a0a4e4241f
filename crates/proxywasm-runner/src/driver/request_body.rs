//! The body of a request, as the connection to the upstream takes it.

use super::exchange::Exchange;
use super::lane::Piece;
use super::trailers::Announced;
use crate::upstream::BoxError;
use bytes::Bytes;
use http_body::Frame;
use std::rc::Rc;
use std::task::{Context, Poll};

/// What plugins let through of a request body. Polling it reads the client's connection and enters plugins.
#[derive(Debug)]
pub(crate) struct FilteredRequestBody {
    exchange: Rc<Exchange>,
    announced: Announced,
}

// === impl FilteredRequestBody ===

impl FilteredRequestBody {
    pub(super) fn new(exchange: Rc<Exchange>, announced: Announced) -> Self {
        Self { exchange, announced }
    }

    /// It goes where trailers need not be announced.
    pub(crate) fn allow_all_trailers(&mut self) {
        self.announced = Announced::All;
    }

    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match std::task::ready!(self.exchange.poll_request(context)) {
            None => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            Some(Ok(Piece::Data { data, .. })) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Ok(Piece::Trailers(trailers))) => Poll::Ready(
                self.announced
                    .sendable(*trailers, "request")
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            ),
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.exchange.request_is_drained()
    }
}
