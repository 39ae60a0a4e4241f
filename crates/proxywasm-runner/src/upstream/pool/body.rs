//! The body of a response, and what it has of its connection.

use super::Lease;
use crate::message;
use crate::upstream::BoxError;
use crate::upstream::count::Active;
use crate::upstream::patience::Silence;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The body of a response, whose pieces have to come in time. What may not stand in trailers is taken off.
#[derive(Debug)]
pub(crate) struct PooledBody {
    incoming: Incoming,
    silence: Silence,
    /// Gives the connection back when dropped.
    lease: Lease,
    #[expect(dead_code, reason = "counts until it is dropped")]
    active: Option<Active>,
}

// === impl PooledBody ===

impl PooledBody {
    pub(super) fn new(incoming: Incoming, silence: Silence, lease: Lease) -> Self {
        Self {
            incoming,
            silence,
            lease,
            active: None,
        }
    }

    /// Counts as one of these until it is dropped.
    pub(super) fn counted(self, active: Option<Active>) -> Self {
        Self { active, ..self }
    }

    /// Gives its connection up.
    pub(super) fn discard(self) {
        self.lease.discard();
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Pending => this.silence.poll(context).map(|silent| {
                tracing::warn!("{silent}");
                Some(Err(silent.into()))
            }),
            Poll::Ready(Some(Ok(mut frame))) => {
                this.silence.stop();
                frame.trailers_mut().map(message::strip_trailers);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
