//! The request of a callout, and what HTTP allows in one.

use bytes::Bytes;
use std::time::Duration;
use wasi_common::core::{is_valid_name, is_valid_value};
use wasi_common::{ByteMap, Limits, Status};

/// An HTTP request that a plugin makes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// The name of the upstream.
    pub upstream: Bytes,
    /// The headers, with `:method`, `:path` and `:authority` and perhaps `:scheme`. Once dispatched, `content-length` is that of the
    /// body, and there wherever a body could be expected.
    pub headers: ByteMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// The trailers; empty for none.
    pub trailers: ByteMap,
    /// How long the whole callout may take; `None` for as long as the host lets it.
    pub timeout: Option<Duration>,
}

/// Pseudo-headers that a request must have, each once.
const REQUIRED: [&[u8]; 3] = [b":method", b":path", b":authority"];

// === impl CallRequest ===

impl CallRequest {
    /// Checks what a plugin gave, and brings the length into line with the body.
    ///
    /// # Errors
    /// `bad_argument` where a required pseudo-header is missing, given twice or unknown, and for names and values that no message may
    /// carry; `unavailable` beyond `limits`.
    pub(crate) fn accept(&mut self, limits: Limits) -> Result<(), Status> {
        self.check_pseudo_headers()?;
        for (name, value) in self.headers.iter().chain(self.trailers.iter()) {
            if !is_valid_name(name) || !is_valid_value(value) {
                return Err(Status::BadArgument);
            }
        }
        let fits = |map: &ByteMap| map.len() <= limits.map.pairs && map.byte_len() <= limits.map.bytes;
        if !fits(&self.headers) || !fits(&self.trailers) || self.body.len() > limits.callout_bytes {
            return Err(Status::Unavailable);
        }
        let declares = self.headers.get(b"content-length").is_some();
        let method = self.headers.get(b":method").unwrap_or_default();
        // With these methods servers want to be told that there is no body.
        if declares || !self.body.is_empty() || matches!(method, b"POST" | b"PUT" | b"PATCH") {
            let length = self.body.len().to_string();
            self.headers.set(b"content-length", length.as_bytes());
        }
        Ok(())
    }

    fn check_pseudo_headers(&self) -> Result<(), Status> {
        let pseudo = |map: &ByteMap| map.iter().filter(|(name, _)| name.starts_with(b":")).count();
        let schemes = self.headers.get_all(b":scheme").count();
        let complete = REQUIRED
            .iter()
            .all(|name| self.headers.get_all(name).count() == 1);
        let method = self.headers.get(b":method").unwrap_or_default();
        let path = self.headers.get(b":path").unwrap_or_default();
        let valid = complete
            && schemes <= 1
            && pseudo(&self.headers) == REQUIRED.len() + schemes
            && pseudo(&self.trailers) == 0
            && is_method(method)
            && is_path(path);
        if valid { Ok(()) } else { Err(Status::BadArgument) }
    }
}

/// Methods are tokens, as names are. CONNECT makes a tunnel, which no callout is.
fn is_method(method: &[u8]) -> bool {
    is_valid_name(method) && !method.starts_with(b":") && !method.eq_ignore_ascii_case(b"CONNECT")
}

/// Whether a request can ask for this: a path with or without a query, or the whole server. A fragment is never sent.
fn is_path(path: &[u8]) -> bool {
    let sendable = |byte: &u8| *byte > b' ' && *byte != 0x7f && *byte != b'#';
    (path.starts_with(b"/") || path == b"*") && path.iter().all(sendable)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];
    const GET: Pairs = &[(":method", "GET"), (":path", "/"), (":authority", "a")];

    fn request(
        headers: &[(&'static str, &'static str)],
        more: Pairs,
        body: &'static str,
        trailers: Pairs,
    ) -> CallRequest {
        CallRequest {
            headers: headers.iter().chain(more).copied().collect(),
            body: Bytes::from_static(body.as_bytes()),
            trailers: trailers.iter().copied().collect(),
            ..CallRequest::default()
        }
    }

    #[test]
    fn what_http_allows() {
        const OK: Result<(), Status> = Ok(());
        const BAD: Result<(), Status> = Err(Status::BadArgument);
        let table: &[(Pairs, Pairs, Pairs, Result<(), Status>)] = &[
            (GET, &[], &[], OK),
            (GET, &[(":scheme", "https"), ("x", "\u{e4}")], &[("t", "")], OK),
            (
                &[(":method", "GET"), (":path", "/?a=%20"), (":authority", "")],
                &[],
                &[],
                OK,
            ),
            (
                &[(":method", "OPTIONS"), (":path", "*"), (":authority", "a")],
                &[],
                &[],
                OK,
            ),
            (&[(":path", "/"), (":authority", "a")], &[], &[], BAD),
            (&[(":method", "GET"), (":authority", "a")], &[], &[], BAD),
            (&[(":method", "GET"), (":path", "/")], &[], &[], BAD),
            (&[(":method", "GET"), (":path", "/")], &[("host", "a")], &[], BAD),
            (
                &[(":method", ""), (":path", "/"), (":authority", "a")],
                &[],
                &[],
                BAD,
            ),
            (
                &[(":method", "G T"), (":path", "/"), (":authority", "a")],
                &[],
                &[],
                BAD,
            ),
            (
                &[(":method", "CONNECT"), (":path", "/"), (":authority", "a")],
                &[],
                &[],
                BAD,
            ),
            (
                &[(":method", "GET"), (":path", ""), (":authority", "a")],
                &[],
                &[],
                BAD,
            ),
            (
                &[(":method", "GET"), (":path", "a"), (":authority", "a")],
                &[],
                &[],
                BAD,
            ),
            (
                &[(":method", "GET"), (":path", "/a b"), (":authority", "a")],
                &[],
                &[],
                BAD,
            ),
            (
                &[(":method", "GET"), (":path", "/a#b"), (":authority", "a")],
                &[],
                &[],
                BAD,
            ),
            (GET, &[(":path", "/b")], &[], BAD),
            (GET, &[(":status", "200")], &[], BAD),
            (GET, &[(":scheme", "http"), (":scheme", "http")], &[], BAD),
            (GET, &[("a b", "")], &[], BAD),
            (GET, &[("a", "b\r\nc: d")], &[], BAD),
            (GET, &[], &[("", "a")], BAD),
            (GET, &[], &[("a", "\0")], BAD),
            (GET, &[], &[(":path", "/")], BAD),
        ];
        for (headers, more, trailers, expected) in table {
            let accepted = request(headers, more, "", trailers).accept(Limits::default());
            assert_eq!(accepted, *expected, "{headers:?} {more:?} {trailers:?}");
        }
    }

    #[test]
    fn bounds() {
        let mut limits = Limits {
            callout_bytes: 3,
            ..Limits::default()
        };
        limits.map.pairs = 4;
        let table: &[(Pairs, &str, Pairs, bool)] = &[
            (&[], "abc", &[], true),
            (&[], "abcd", &[], false),
            (&[("a", ""), ("b", "")], "", &[], false),
            (
                &[],
                "",
                &[("a", ""), ("a", ""), ("a", ""), ("a", ""), ("a", "")],
                false,
            ),
        ];
        for (more, body, trailers, fits) in table {
            let accepted = request(GET, more, body, trailers).accept(limits);
            let expected = if *fits { Ok(()) } else { Err(Status::Unavailable) };
            assert_eq!(accepted, expected, "{more:?} {body:?} {trailers:?}");
        }
    }

    #[test]
    fn the_length_is_that_of_the_body() {
        let table: &[(Pairs, &str, &[&str])] = &[
            (&[], "", &[]),
            (&[], "abc", &["3"]),
            (&[("content-length", "7")], "abc", &["3"]),
            (&[("content-length", "7"), ("content-length", "8")], "", &["0"]),
            (&[(":method", "POST")], "", &["0"]),
        ];
        for (more, body, expected) in table {
            let head = if more.iter().any(|(name, _)| *name == ":method") {
                &GET[1..]
            } else {
                GET
            };
            let mut request = request(head, more, body, &[]);
            request.accept(Limits::default()).unwrap();
            let lengths: Vec<&[u8]> = request.headers.get_all(b"content-length").collect();
            let expected: Vec<&[u8]> = expected.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(lengths, expected, "{more:?} {body:?}");
        }
    }
}
