//! A response that a plugin gives instead of the upstream.

use bytes::Bytes;
use wasi_common::ByteMap;
use wasi_common::core::{is_valid_name, is_valid_value};

/// A response that a plugin gives instead of the upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalResponse {
    /// The HTTP status code, 200 to 599.
    pub status: u16,
    /// Headers to add. Pseudo-headers and `content-length` in them do not count.
    pub headers: ByteMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// The gRPC status, for gRPC requests; derived from `status` where it is not given.
    pub grpc_status: Option<u32>,
    /// A short text for logs and the property `response.code_details`; only the older ABIs give one.
    pub details: Bytes,
}

/// What matters of the request that is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// It was a HEAD request.
    pub head: bool,
    /// It was a gRPC request.
    pub grpc: bool,
}

// === impl LocalResponse ===

impl LocalResponse {
    /// A response with a text body.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    /// Whether a message may carry the headers.
    pub fn has_valid_headers(&self) -> bool {
        self.headers
            .iter()
            .all(|(name, value)| is_valid_name(name) && is_valid_value(value))
    }

    /// The head and the body as they go to the downstream.
    ///
    /// A body gets `content-length`, and `content-type: text/plain` unless another is given. HEAD requests, 204 and 304 get no
    /// body. A gRPC request is answered as gRPC wants it: HTTP 200 with the status and the body as message in the headers.
    pub fn into_message(self, request: Answered) -> (ByteMap, Bytes) {
        if request.grpc {
            return self.into_grpc_message();
        }
        let Self {
            status,
            headers,
            body,
            ..
        } = self;
        let mut head = ByteMap::new();
        head.append(b":status", status.to_string().as_bytes());
        append_regular(&mut head, &headers);
        let bodiless = matches!(status, 204 | 205 | 304);
        if !bodiless {
            head.append(b"content-length", body.len().to_string().as_bytes());
            if !body.is_empty() && headers.get(b"content-type").is_none() {
                head.append(b"content-type", b"text/plain");
            }
        }
        let body = if request.head || bodiless {
            Bytes::new()
        } else {
            body
        };
        (head, body)
    }

    fn into_grpc_message(self) -> (ByteMap, Bytes) {
        let mut head = ByteMap::new();
        head.append(b":status", b"200");
        head.append(b"content-type", b"application/grpc");
        let status = self.grpc_status.filter(|status| *status <= 16);
        let status = status.unwrap_or_else(|| grpc_status_of(self.status));
        head.append(b"grpc-status", status.to_string().as_bytes());
        if !self.body.is_empty() {
            head.append(b"grpc-message", &percent_encoded(&self.body));
        }
        let mut headers = self.headers;
        for own in [&b"content-type"[..], b"grpc-status", b"grpc-message"] {
            headers.remove(own);
        }
        append_regular(&mut head, &headers);
        (head, Bytes::new())
    }
}

fn append_regular(head: &mut ByteMap, headers: &ByteMap) {
    let regular = headers
        .iter()
        .filter(|(name, _)| name.first() != Some(&b':') && *name != b"content-length");
    head.extend(regular);
}

/// The gRPC status for an HTTP status, as "HTTP to gRPC Status Code Mapping" of the gRPC project has it.
fn grpc_status_of(http: u16) -> u32 {
    match http {
        200 => 0,
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// The encoding of `grpc-message`: everything but printable ASCII, and the percent sign, as `%XX`.
fn percent_encoded(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'%' | 0..0x20 | 0x7f.. => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            byte => encoded.push(*byte),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let plain = Answered::default();
        let head = Answered { head: true, ..plain };
        let grpc = Answered { grpc: true, ..plain };
        let response = |status, headers: &[(&str, &str)], body: &'static str, grpc_status| LocalResponse {
            status,
            headers: headers.iter().copied().collect(),
            body: Bytes::from_static(body.as_bytes()),
            grpc_status,
            details: Bytes::new(),
        };
        type Row = (
            &'static str,
            LocalResponse,
            Answered,
            &'static [(&'static str, &'static str)],
            &'static str,
        );
        let table: Vec<Row> = vec![
            (
                "text",
                response(403, &[("x", "y")], "no\n", None),
                plain,
                &[
                    (":status", "403"),
                    ("x", "y"),
                    ("content-length", "3"),
                    ("content-type", "text/plain"),
                ],
                "no\n",
            ),
            (
                "own type; its length and pseudo-headers do not count",
                response(
                    200,
                    &[
                        (":status", "999"),
                        ("content-type", "a/b"),
                        ("content-length", "77"),
                    ],
                    "{}",
                    Some(3),
                ),
                plain,
                &[
                    (":status", "200"),
                    ("content-type", "a/b"),
                    ("content-length", "2"),
                ],
                "{}",
            ),
            (
                "no body",
                response(302, &[], "", None),
                plain,
                &[(":status", "302"), ("content-length", "0")],
                "",
            ),
            (
                "204 has none",
                response(204, &[], "x", None),
                plain,
                &[(":status", "204")],
                "",
            ),
            (
                "HEAD tells the length only",
                response(200, &[], "abc", None),
                head,
                &[
                    (":status", "200"),
                    ("content-length", "3"),
                    ("content-type", "text/plain"),
                ],
                "",
            ),
            (
                "gRPC, status given",
                response(401, &[("a", "b"), ("grpc-status", "0")], "100% no\n", Some(16)),
                grpc,
                &[
                    (":status", "200"),
                    ("content-type", "application/grpc"),
                    ("grpc-status", "16"),
                    ("grpc-message", "100%25 no%0A"),
                    ("a", "b"),
                ],
                "",
            ),
            (
                "gRPC, status derived",
                response(503, &[], "", None),
                grpc,
                &[
                    (":status", "200"),
                    ("content-type", "application/grpc"),
                    ("grpc-status", "14"),
                ],
                "",
            ),
        ];
        for (name, response, request, head, body) in table {
            let expected: ByteMap = head.iter().copied().collect();
            assert_eq!(
                response.into_message(request),
                (expected, Bytes::from_static(body.as_bytes())),
                "{name}"
            );
        }
    }
}
