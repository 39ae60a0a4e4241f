//! One call: what has come and not been delivered, what waits to be sent, whether it is paused.

use crate::event::{Event, Part, code};
use bytes::Bytes;
use std::collections::VecDeque;
use wasi_common::{Buffer, ByteMap, Callout, CalloutFlow, CalloutKind, CalloutStatus, Limits, MapLimits};

/// The state of a call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) plugin_id: u32,
    pub(crate) kind: CalloutKind,
    pub(crate) flow: CalloutFlow,
    max_message_bytes: usize,
    pub(crate) max_total_bytes: usize,
    map: MapLimits,
    /// Of a stream all that was not delivered, in order; of a unary call only its end.
    pending: VecDeque<Event>,
    /// What has come and is not being read: of a stream from the callback that tells of it to its last one.
    initial_metadata: Option<ByteMap>,
    trailing_metadata: Option<ByteMap>,
    /// The message of a unary call, which waits for its end.
    message: Option<Bytes>,
    /// What was given to be sent and has not been, with [`MESSAGE_OVERHEAD`] for each message. Of a unary call, the message as long
    /// as nothing has come.
    unsent_bytes: usize,
    /// Bytes of messages that were received and not delivered, and of the one that the plugin can read now.
    received_bytes: usize,
    lent_bytes: usize,
    sending_ended: bool,
    /// No event follows.
    pub(crate) ended: bool,
    /// The last callback has been called.
    pub(crate) told_end: bool,
}

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendRefusal {
    /// The sending direction has ended.
    Ended,
    /// Too much is waiting.
    Full,
}

/// What a message that waits costs besides its bytes.
const MESSAGE_OVERHEAD: usize = 64;

// === impl Call ===

impl Call {
    pub(crate) fn new(plugin_id: u32, kind: CalloutKind, unsent_bytes: usize, limits: &Limits) -> Self {
        Self {
            plugin_id,
            kind,
            flow: CalloutFlow::Open,
            max_message_bytes: limits.callout_bytes,
            max_total_bytes: limits.callouts_bytes,
            map: limits.map,
            pending: VecDeque::new(),
            initial_metadata: None,
            trailing_metadata: None,
            message: None,
            unsent_bytes,
            received_bytes: 0,
            lent_bytes: 0,
            sending_ended: kind == CalloutKind::GrpcCall,
            ended: false,
            told_end: false,
        }
    }

    /// Bytes that are held for the plugin.
    pub(crate) fn held_bytes(&self) -> usize {
        self.unsent_bytes + self.received_bytes + self.lent_bytes
    }

    /// Whether the upstream should be read.
    pub(crate) fn wants(&self) -> bool {
        !self.ended && self.pending.is_empty() && self.flow == CalloutFlow::Open
    }

    /// Whether a message can be sent, and takes note of it if so. There is `room` for the messages of all calls.
    pub(crate) fn send(
        &mut self,
        message: Option<&Bytes>,
        end_of_stream: bool,
        room: usize,
    ) -> Result<(), SendRefusal> {
        if self.sending_ended || self.ended {
            return Err(SendRefusal::Ended);
        }
        if let Some(message) = message {
            let unsent = self.unsent_bytes.saturating_add(message.len());
            if unsent > self.max_message_bytes || message.len() > room {
                return Err(SendRefusal::Full);
            }
            self.unsent_bytes = unsent.saturating_add(MESSAGE_OVERHEAD);
        }
        self.sending_ended = end_of_stream;
        Ok(())
    }

    pub(crate) fn sent(&mut self, message_bytes: usize) {
        let freed = message_bytes.saturating_add(MESSAGE_OVERHEAD);
        self.unsent_bytes = self.unsent_bytes.saturating_sub(freed);
    }

    /// Takes what came. Returns whether the call ends by it although the upstream has not ended it. For more messages there is `room`.
    pub(crate) fn receive(&mut self, event: Event, room: usize) -> bool {
        let is_end = matches!(event, Event::End { .. });
        let event = self.checked(event, room);
        let given_up = event.is_err() && !is_end;
        if self.kind == CalloutKind::GrpcCall {
            self.unsent_bytes = 0;
        }
        if let Ok(Event::Message(message)) = &event {
            self.received_bytes += message.len();
        }
        match event {
            Ok(Event::InitialMetadata(metadata)) if self.kind == CalloutKind::GrpcCall => {
                self.initial_metadata = Some(metadata);
            }
            Ok(Event::Message(message)) if self.kind == CalloutKind::GrpcCall => {
                self.message = Some(message);
            }
            Ok(event @ Event::End { .. }) | Err(event) => {
                self.ended = true;
                self.pending.push_back(event);
            }
            Ok(event) => self.pending.push_back(event),
        }
        given_up
    }

    /// The event, or in its place the end of a call whose upstream does what it must not.
    fn checked(&self, event: Event, room: usize) -> Result<Event, Event> {
        let unary = self.kind == CalloutKind::GrpcCall;
        let map =
            |metadata: &ByteMap| metadata.len() <= self.map.pairs && metadata.byte_len() <= self.map.bytes;
        let failure = match &event {
            Event::Message(message) if message.len() > self.max_message_bytes => (
                code::RESOURCE_EXHAUSTED,
                "the upstream sent a message beyond the limit",
            ),
            Event::Message(message) if message.len() > room => (
                code::RESOURCE_EXHAUSTED,
                "messages for the plugin are beyond the limit of all its calls",
            ),
            Event::Message(_) if unary && self.message.is_some() => (
                code::INTERNAL,
                "the upstream sent several messages for a unary call",
            ),
            Event::InitialMetadata(metadata) if !map(metadata) => (
                code::RESOURCE_EXHAUSTED,
                "the upstream sent metadata beyond the limit",
            ),
            Event::End {
                trailing_metadata: Some(metadata),
                ..
            } if !map(metadata) => (
                code::RESOURCE_EXHAUSTED,
                "the upstream sent metadata beyond the limit",
            ),
            Event::End { status, .. } if unary && status.code == code::OK && self.message.is_none() => {
                (code::INTERNAL, "the upstream sent no message for a unary call")
            }
            _ => return Ok(event),
        };
        Err(Event::failure(failure.0, failure.1))
    }

    /// What is told next. What can be read in that callback is in `callout` then, until [`Call::take_back`].
    pub(crate) fn next(&mut self, callout: &mut Callout) -> Option<Part> {
        if self.flow != CalloutFlow::Open || self.told_end {
            return None;
        }
        let event = self.pending.pop_front()?;
        let part = match event {
            Event::InitialMetadata(metadata) => {
                let num_elements = size(metadata.len());
                self.initial_metadata = Some(metadata);
                Part::InitialMetadata { num_elements }
            }
            Event::Message(message) => {
                let size = size(message.len());
                self.lend(message, callout);
                Part::Message { size }
            }
            Event::End {
                status,
                trailing_metadata,
            } => self.next_of_end(status, trailing_metadata, callout),
        };
        callout.headers = self.initial_metadata.take();
        callout.trailers = self.trailing_metadata.take();
        self.told_end = part.is_last();
        self.flow = CalloutFlow::Calling { resumed: false };
        Some(part)
    }

    fn next_of_end(
        &mut self,
        status: CalloutStatus,
        trailing_metadata: Option<ByteMap>,
        callout: &mut Callout,
    ) -> Part {
        let is_stream = self.kind == CalloutKind::GrpcStream;
        if is_stream && let Some(metadata) = trailing_metadata {
            let num_elements = size(metadata.len());
            self.trailing_metadata = Some(metadata);
            // The rest of the end comes as a callback of its own.
            self.pending.push_front(Event::End {
                status,
                trailing_metadata: None,
            });
            return Part::TrailingMetadata { num_elements };
        }
        let code = status.code;
        callout.status = Some(status);
        self.initial_metadata.get_or_insert_default();
        if is_stream {
            self.trailing_metadata.get_or_insert_default();
            return Part::Close { status: code };
        }
        self.trailing_metadata = Some(trailing_metadata.unwrap_or_default());
        let message = self
            .message
            .take()
            .filter(|_| code == code::OK)
            .unwrap_or_default();
        let message_size = size(message.len());
        self.lend(message, callout);
        Part::CallResponse {
            status: code,
            message_size,
        }
    }

    /// Lets the plugin read a message.
    fn lend(&mut self, message: Bytes, callout: &mut Callout) {
        self.received_bytes = self.received_bytes.saturating_sub(message.len());
        self.lent_bytes = message.len();
        callout.body = Some(Buffer::from(message));
    }

    /// Takes the right to read away.
    pub(crate) fn take_back(&mut self, callout: &mut Callout) {
        self.initial_metadata = callout.headers.take();
        self.trailing_metadata = callout.trailers.take();
        callout.body = None;
        self.lent_bytes = 0;
    }
}

/// A size as plugins see it. Bounds keep sizes below 4 GiB.
fn size(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
