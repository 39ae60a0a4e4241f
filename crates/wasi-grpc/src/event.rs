//! What goes back and forth between the state of a call and whoever has the connection.

use crate::request::Request;
use bytes::Bytes;
use wasi_common::{ByteMap, CalloutStatus};

/// What the host has to carry out after the callback has returned.
#[derive(Debug)]
pub enum Effect {
    /// A call begins.
    Open {
        /// The callout.
        callout_id: u32,
        /// What to send where.
        request: Box<Request>,
    },
    /// Something goes out on a stream.
    Send {
        /// The callout.
        callout_id: u32,
        /// The message. [`Grpc::sent`](crate::Grpc::sent) is owed for it.
        message: Option<Bytes>,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Look for deliveries of a stream that its plugin has resumed, and read on.
    Resume {
        /// The callout.
        callout_id: u32,
    },
    /// Stop: nobody waits for the rest of the answer.
    Cancel {
        /// The callout.
        callout_id: u32,
    },
}

/// What comes from the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The metadata that precedes the messages. Where a call ends without any, it is left out.
    InitialMetadata(ByteMap),
    /// A message, without framing.
    Message(Bytes),
    /// The call has ended, well or not. The last event.
    End {
        /// How. The code is one of 0 to 16.
        status: CalloutStatus,
        /// The metadata that follows the messages; `None` where the upstream sent none, for the call broke.
        trailing_metadata: Option<ByteMap>,
    },
}

/// A callback that is due. What it can read has been put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The plugin that made the callout.
    pub plugin_id: u32,
    /// What it is told.
    pub part: Part,
}

/// What a callback tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A unary call has ended.
    CallResponse {
        /// The gRPC status, 0 to 16.
        status: u32,
        /// Bytes of the message.
        message_size: u32,
    },
    /// The metadata that precedes the messages of a stream is there.
    InitialMetadata {
        /// How many pairs it has.
        num_elements: u32,
    },
    /// A message of a stream is there.
    Message {
        /// Its bytes.
        size: u32,
    },
    /// The metadata that follows the messages of a stream is there.
    TrailingMetadata {
        /// How many pairs it has.
        num_elements: u32,
    },
    /// A stream has ended.
    Close {
        /// The gRPC status, 0 to 16.
        status: u32,
    },
}

/// Which callback tells of what came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The end of a unary call.
    CallResponse,
    /// The metadata that precedes the messages of a stream.
    InitialMetadata,
    /// A message of a stream.
    Message,
    /// The metadata that follows the messages of a stream.
    TrailingMetadata,
    /// The end of a stream.
    Close,
}

/// The codes of gRPC.
pub mod code {
    /// Success.
    pub const OK: u32 = 0;
    /// The call was cancelled.
    pub const CANCELLED: u32 = 1;
    /// A reason that has no code of its own.
    pub const UNKNOWN: u32 = 2;
    /// The time for the call is over.
    pub const DEADLINE_EXCEEDED: u32 = 4;
    /// The caller may not do this.
    pub const PERMISSION_DENIED: u32 = 7;
    /// A limit is reached.
    pub const RESOURCE_EXHAUSTED: u32 = 8;
    /// The protocol was violated.
    pub const INTERNAL: u32 = 13;
    /// The upstream cannot be reached, or went away.
    pub const UNAVAILABLE: u32 = 14;
}

// === impl Event ===

impl Event {
    /// The end of a call that fails without a word from the upstream.
    pub fn failure(code: u32, message: impl Into<Bytes>) -> Self {
        Self::End {
            status: CalloutStatus {
                code,
                message: message.into(),
            },
            trailing_metadata: None,
        }
    }
}

// === impl Effect ===

impl Effect {
    /// The callout it is about.
    pub fn callout_id(&self) -> u32 {
        match self {
            Self::Open { callout_id, .. }
            | Self::Send { callout_id, .. }
            | Self::Resume { callout_id }
            | Self::Cancel { callout_id } => *callout_id,
        }
    }
}

// === impl Part ===

impl Part {
    /// Which callback tells it.
    pub fn phase(self) -> Phase {
        match self {
            Self::CallResponse { .. } => Phase::CallResponse,
            Self::InitialMetadata { .. } => Phase::InitialMetadata,
            Self::Message { .. } => Phase::Message,
            Self::TrailingMetadata { .. } => Phase::TrailingMetadata,
            Self::Close { .. } => Phase::Close,
        }
    }

    /// Whether no other callback follows it.
    pub fn is_last(self) -> bool {
        matches!(self, Self::CallResponse { .. } | Self::Close { .. })
    }
}

// === impl Phase ===

impl Phase {
    /// All callbacks.
    pub const ALL: [Self; 5] = [
        Self::CallResponse,
        Self::InitialMetadata,
        Self::Message,
        Self::TrailingMetadata,
        Self::Close,
    ];

    /// The name of the callback on the seed page.
    pub fn callback(self) -> &'static str {
        match self {
            Self::CallResponse => "on_grpc_call_response",
            Self::InitialMetadata => "on_grpc_stream_response_header_metadata",
            Self::Message => "on_grpc_stream_response_message",
            Self::TrailingMetadata => "on_grpc_stream_response_trailer_metadata",
            Self::Close => "on_grpc_stream_close",
        }
    }
}
