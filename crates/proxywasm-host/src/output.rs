//! What comes out of a stream.

use bytes::Bytes;
use http::{HeaderMap, request, response};
use wasi_common::ByteMap;

/// Something for the driver of a stream to do, in order.
#[derive(Debug)]
pub enum Output {
    /// Send this head to the upstream.
    RequestHeaders {
        /// The head.
        head: Box<request::Parts>,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send this piece of the request body to the upstream.
    RequestBody {
        /// The piece; may be empty at the end.
        data: Bytes,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send these trailers to the upstream and end the request.
    RequestTrailers(HeaderMap),
    /// Send this METADATA frame to the upstream.
    RequestMetadata(ByteMap),
    /// Send this head to the downstream.
    ResponseHeaders {
        /// The head.
        head: Box<response::Parts>,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send this piece of the response body to the downstream.
    ResponseBody {
        /// The piece; may be empty at the end.
        data: Bytes,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Send these trailers to the downstream and end the response.
    ResponseTrailers(HeaderMap),
    /// Send this METADATA frame to the downstream.
    ResponseMetadata(ByteMap),
    /// Connect to the upstream.
    ConnectUpstream,
    /// Write this to the upstream.
    UpstreamData {
        /// The bytes; may be empty at the end.
        data: Bytes,
        /// Whether nothing follows: end the connection in this direction when they are written.
        end_of_stream: bool,
    },
    /// Write this to the downstream.
    DownstreamData {
        /// The bytes; may be empty at the end.
        data: Bytes,
        /// Whether nothing follows: end the connection in this direction when they are written.
        end_of_stream: bool,
    },
    /// Close the connection to the upstream when all that came before is written.
    CloseUpstream,
    /// Close the connection to the downstream when all that came before is written.
    CloseDownstream,
    /// The response no longer comes from the upstream: cancel what goes on with it.
    UpstreamAbandoned,
    /// Reset the stream: close the downstream without a (further) response, and cancel what goes on with the upstream. Of a byte
    /// stream, close both connections at once, and so that neither peer takes it for an end.
    Reset(ResetReason),
}

/// Whose answer a stream got that did not come from its upstream. Filters are numbered as in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalAnswer {
    /// The plugin of this filter gave it.
    Plugin(usize),
    /// The plugin of this filter failed.
    PluginFailed(usize),
}

/// Why a stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResetReason {
    /// A plugin closed it.
    #[error("a plugin closed the stream")]
    Closed,
    /// A plugin failed, and nothing can be answered any more.
    #[error("a plugin failed, and nothing could be answered any more")]
    PluginFailed,
    /// A plugin held more of a stream than it may, and nothing can be answered any more.
    #[error("a plugin held more than it may, and nothing could be answered any more")]
    HeldTooMuch,
    /// The body does not have the length that its head gives.
    #[error("a plugin changed the length of a body after its content-length was sent")]
    LengthChanged,
    /// A plugin left trailers that cannot be sent, or the like after the head.
    #[error("a plugin left trailers that no message may carry")]
    InvalidTrailers,
    /// The upstream failed after the response head was sent.
    #[error("the upstream failed after the response head was sent")]
    UpstreamFailed,
    /// One of the connections of a byte stream broke off.
    #[error("a connection broke off before its end")]
    Disconnected,
    /// A plugin answered after the response head was sent.
    #[error("a plugin answered by itself after the response head was sent")]
    AnsweredLate,
}
