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
    /// The response no longer comes from the upstream: cancel what goes on with it.
    UpstreamAbandoned,
    /// Reset the stream: close the downstream without a (further) response, and cancel what goes on with the upstream.
    Reset(ResetReason),
}

/// Why a stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResetReason {
    /// A plugin closed it.
    #[error("a plugin closed the stream")]
    Closed,
    /// A plugin failed, and the response head was out already.
    #[error("a plugin failed after the response head was sent")]
    PluginFailed,
    /// A plugin held more of the response than it may.
    #[error("a plugin held more of the response body than it may, after the response head was sent")]
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
    /// A plugin answered after the response head was sent.
    #[error("a plugin answered by itself after the response head was sent")]
    AnsweredLate,
}
