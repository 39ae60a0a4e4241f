//! The body of a request as its client sends it.

use crate::message;
use crate::piece_timer::PieceTimer;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use thiserror::Error;

/// A body that a client sends: its pieces have to come in time, and what may not stand in trailers is taken off.
#[derive(Debug)]
pub(crate) struct ClientBody {
    incoming: Incoming,
    timer: PieceTimer,
    fault: Rc<Cell<Option<ClientFault>>>,
}

/// Why the body of a client ended before it was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ClientFault {
    /// It is framed in a way that has no meaning, or the client left.
    #[error("the body of the request is malformed, or broke off")]
    BrokenOff,
    /// Nothing came for too long.
    #[error("the next piece of the request's body did not come in time")]
    TimedOut,
}

// === impl ClientFault ===

impl ClientFault {
    /// What the client is answered, if it is still there.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::BrokenOff => "the body of the request is malformed\n",
            Self::TimedOut => "the body of the request did not come in time\n",
        }
    }
}

// === impl ClientBody ===

impl ClientBody {
    /// A body whose pieces may each take so long once they are wanted.
    pub(super) fn new(incoming: Incoming, limit: Option<Duration>) -> Self {
        Self {
            incoming,
            timer: PieceTimer::new(limit),
            fault: Rc::default(),
        }
    }

    /// Where it is told why the body ended before it was complete.
    pub(super) fn fault(&self) -> Rc<Cell<Option<ClientFault>>> {
        Rc::clone(&self.fault)
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = ClientFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientFault>>> {
        let fault = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Pending => {
                std::task::ready!(self.timer.poll(context));
                ClientFault::TimedOut
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "the request broke off");
                ClientFault::BrokenOff
            }
            Poll::Ready(Some(Ok(mut frame))) => {
                self.timer.stop();
                frame.trailers_mut().map(message::strip_trailers);
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
        };
        self.fault.set(Some(fault));
        Poll::Ready(Some(Err(fault)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
