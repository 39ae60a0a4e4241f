//! A response body whose bytes are counted, and with which its request is over.

use super::ResponseBody;
use super::reason::Reason;
use super::record::Recording;
use crate::upstream::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A response body. Its request is over when it is dropped.
#[derive(Debug)]
pub(crate) struct RecordedBody {
    // In this order: what is dropped first still counts.
    body: ResponseBody,
    /// All of it was taken, or none is wanted.
    complete: bool,
    recording: Recording,
}

// === impl RecordedBody ===

impl RecordedBody {
    /// The body of a response, of which nobody takes any where `unread`.
    pub(super) fn new(body: ResponseBody, unread: bool, recording: Recording) -> Self {
        Self {
            complete: unread || body.is_end_stream(),
            body,
            recording,
        }
    }
}

impl Body for RecordedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        let frame = ready!(Pin::new(&mut body.body).poll_frame(context));
        match &frame {
            None => body.complete = true,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    body.recording.record().add_sent(data.len());
                }
                body.complete = body.body.is_end_stream();
            }
            Some(Err(_)) => {
                body.recording.record().set_reason(Reason::UpstreamBroke);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        if !self.complete {
            self.recording.record().set_reason(Reason::ClientClosed);
        }
    }
}
