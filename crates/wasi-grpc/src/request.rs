//! What a plugin asks for when it begins a call, and what of it is refused.

use bytes::Bytes;
use std::time::Duration;
use wasi_common::{ByteMap, CalloutKind, MapLimits, Status};

/// Where a plugin wants to call.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The name of the upstream.
    pub upstream: &'a [u8],
    /// The full name of the service.
    pub service: &'a [u8],
    /// The name of the method.
    pub method: &'a [u8],
    /// The metadata to send first. Values of keys that end in `-bin` are plain bytes.
    pub metadata: &'a [(&'a [u8], &'a [u8])],
}

/// A call that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// [`CalloutKind::GrpcCall`] or [`CalloutKind::GrpcStream`].
    pub kind: CalloutKind,
    /// The name of the upstream. There is one.
    pub upstream: String,
    /// `/package.Service/Method`.
    pub path: String,
    /// The metadata, in lower case. Values of keys that end in `-bin` are plain bytes, others printable ASCII.
    pub metadata: ByteMap,
    /// The message of a unary call, after which nothing is sent.
    pub message: Option<Bytes>,
    /// How long a unary call may take; `None` is the host's default. A stream has no end of its own.
    pub timeout: Option<Duration>,
    /// Bytes of the largest message that is accepted.
    pub max_message_bytes: usize,
}

/// Keys that belong to the transport, besides all that begin with `grpc-`.
const RESERVED: [&[u8]; 10] = [
    b"connection",
    b"content-length",
    b"content-type",
    b"host",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

// === impl Target ===

impl Target<'_> {
    /// The path of the method.
    pub(crate) fn path(&self) -> Result<String, Status> {
        if !is_path_segment(self.service) || !is_path_segment(self.method) {
            return Err(Status::BadArgument);
        }
        let (service, method) = (text(self.service)?, text(self.method)?);
        Ok(format!("/{service}/{method}"))
    }

    /// The metadata, if gRPC allows it.
    pub(crate) fn checked_metadata(&self, limits: MapLimits) -> Result<ByteMap, Status> {
        if !self.metadata.iter().all(|(key, value)| is_metadata(key, value)) {
            return Err(Status::BadArgument);
        }
        let bytes: usize = self
            .metadata
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if self.metadata.len() > limits.pairs || bytes > limits.bytes {
            return Err(Status::Unavailable);
        }
        Ok(self.metadata.iter().copied().collect())
    }
}

/// Whether values of a key are plain bytes, which travel as base64.
pub fn is_binary(key: &[u8]) -> bool {
    key.last_chunk::<4>()
        .is_some_and(|end| end.eq_ignore_ascii_case(b"-bin"))
}

pub(crate) fn text(bytes: &[u8]) -> Result<&str, Status> {
    std::str::from_utf8(bytes).map_err(|_| Status::BadArgument)
}

/// The characters that a segment of a path has without escapes (RFC 3986 section 3.3).
fn is_path_segment(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(byte))
}

fn is_metadata(key: &[u8], value: &[u8]) -> bool {
    let key_characters = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let reserved = |key: &[u8]| {
        key.first_chunk::<5>()
            .is_some_and(|start| start.eq_ignore_ascii_case(b"grpc-"))
            || RESERVED.iter().any(|name| name.eq_ignore_ascii_case(key))
    };
    !key.is_empty()
        && key.iter().all(key_characters)
        && !reserved(key)
        && (is_binary(key) || value.iter().all(|byte| matches!(byte, b' '..=b'~')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let table: &[(&str, &str, Option<&str>)] = &[
            ("package.Service", "Method", Some("/package.Service/Method")),
            ("s", "m", Some("/s/m")),
            ("", "m", None),
            ("s", "", None),
            ("a/b", "m", None),
            ("s", "m?q", None),
            ("s", "m#f", None),
            ("s", "m n", None),
            ("s", "m\r\nx: y", None),
            ("s", "%2e", None),
            ("sérvice", "m", None),
        ];
        for (service, method, expected) in table {
            let target = Target {
                upstream: b"u",
                service: service.as_bytes(),
                method: method.as_bytes(),
                metadata: &[],
            };
            assert_eq!(target.path().ok().as_deref(), *expected, "{service:?} {method:?}");
        }
    }

    #[test]
    fn metadata() {
        let table: &[(&[u8], &[u8], bool)] = &[
            (b"key", b"value", true),
            (b"Key_1.x-y", b" ~", true),
            (b"key", b"", true),
            (b"key-bin", b"\x00\xff\n", true),
            (b"KEY-BIN", b"\xff", true),
            (b"authorization", b"Bearer x", true),
            (b"", b"value", false),
            (b":path", b"/", false),
            (b"ke y", b"value", false),
            (b"k\xc3\xa9y", b"value", false),
            (b"key", b"\xff", false),
            (b"key", b"a\tb", false),
            (b"key", b"a\r\nb", false),
            (b"grpc-timeout", b"1S", false),
            (b"Grpc-Tags-Bin", b"x", false),
            (b"grpcx", b"x", true),
            (b"content-type", b"text/plain", false),
            (b"TE", b"trailers", false),
            (b"Host", b"other", false),
        ];
        for (key, value, expected) in table {
            let target = Target {
                upstream: b"u",
                service: b"s",
                method: b"m",
                metadata: &[(key, value)],
            };
            let checked = target.checked_metadata(MapLimits::default());
            assert_eq!(checked.is_ok(), *expected, "{key:?} {value:?}");
        }
    }

    #[test]
    fn metadata_is_bounded() {
        let target = Target {
            upstream: b"u",
            service: b"s",
            method: b"m",
            metadata: &[(b"a", b"12345"), (b"a", b"")],
        };
        for (pairs, bytes, expected) in [
            (2, 7, None),
            (1, 7, Some(Status::Unavailable)),
            (2, 6, Some(Status::Unavailable)),
        ] {
            let checked = target.checked_metadata(MapLimits { pairs, bytes });
            assert_eq!(checked.err(), expected, "{pairs} {bytes}");
        }
    }
}
