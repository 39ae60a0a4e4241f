//! A response body whose bytes are counted, and with which its request is over.

use super::ResponseBody;
use super::reason::Reason;
use super::record::Recording;
use crate::observed_body::{BodyObserver, ObservedBody, PolledFrame};
use http_body::Body;
use std::task::Poll;

/// A response body. Its request is over when it is dropped.
pub(crate) type RecordedBody = ObservedBody<ResponseBody, BodyRecorder>;

/// Notes what becomes of a response body.
#[derive(Debug)]
pub(crate) struct BodyRecorder {
    /// All of it was taken, or none is wanted.
    complete: bool,
    recording: Recording,
}

/// The body of a response, of which nobody takes any where `unread`.
pub(super) fn record_body(body: ResponseBody, unread: bool, recording: Recording) -> RecordedBody {
    let recorder = BodyRecorder {
        complete: unread || body.is_end_stream(),
        recording,
    };
    ObservedBody::new(body, recorder)
}

// === impl BodyRecorder ===

impl BodyObserver<ResponseBody> for BodyRecorder {
    fn polled(&mut self, answer: &PolledFrame<ResponseBody>, body: &ResponseBody) {
        match answer {
            Poll::Pending => {}
            Poll::Ready(None) => self.complete = true,
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.recording.record().add_sent(data.len());
                }
                self.complete = body.is_end_stream();
            }
            Poll::Ready(Some(Err(_))) => {
                self.recording.record().set_reason(Reason::UpstreamBroke);
            }
        }
    }
}

impl Drop for BodyRecorder {
    fn drop(&mut self) {
        if !self.complete {
            self.recording.record().set_reason(Reason::ClientClosed);
        }
    }
}
