//! Heads of messages: what a proxy takes off and puts on at each hop (RFC 9110, section 7.6, and RFC 9112).

use crate::routing::PathRefusal;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, request, response};

/// Headers that concern one connection only and have no constant in `http`.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A request that no plugin and no upstream gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A host header is missing, or there is more than one.
    Host,
    /// `CONNECT`: this is no forward proxy.
    Connect,
    /// A path that has no spelling that is safe to pass on.
    Path(PathRefusal),
}

/// What the runner remembers of a request head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Path(_) => StatusCode::BAD_REQUEST,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Host => "a request needs exactly one host header\n",
            Self::Connect => "this proxy makes no tunnels\n",
            Self::Path(PathRefusal::Escape) => "the path has a % that is no escape\n",
            Self::Path(PathRefusal::Nul) => "the path has a NUL\n",
            Self::Path(PathRefusal::Slash) => "the path has an escaped slash or a backslash\n",
        }
    }
}

/// A request head as it came from the client becomes one as plugins see it.
pub(crate) fn receive_request(head: &mut request::Parts) -> Result<Received, Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || hosts == 0 && head.version == Version::HTTP_11 {
        return Err(Refusal::Host);
    }
    if let Some(authority) = head.uri.authority() {
        // The target overrides the header (RFC 9112, section 3.2.2).
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
        head.headers.insert(HOST, host);
        head.uri = origin_form(&head.uri);
    }
    single_length(&mut head.headers);
    head.version = Version::HTTP_11;
    if !has_hop_headers(&head.headers) {
        return Ok(Received {
            expects_continue: false,
        });
    }
    strip_framing(&mut head.headers);
    strip_connection(&mut head.headers);
    Ok(Received {
        expects_continue: head.headers.remove(EXPECT).is_some(),
    })
}

/// A request head as plugins left it becomes one for an upstream. Its body follows unless `ends`.
pub(crate) fn send_request(head: &mut request::Parts, ends: bool) {
    if head.uri.authority().is_some() {
        head.uri = origin_form(&head.uri);
    }
    if has_hop_headers(&head.headers) {
        strip_connection(&mut head.headers);
        head.headers.remove(EXPECT);
        head.headers.remove(TRANSFER_ENCODING);
    }
    head.version = Version::HTTP_11;
    // Upgrades and the like that the client's connection left here are not for this one.
    head.extensions.clear();
    if !ends && !head.headers.contains_key(CONTENT_LENGTH) {
        // Said outright, for the client would send a GET without its body.
        head.headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// A response head as it came from the upstream becomes one as plugins see it.
pub(crate) fn receive_response(head: &mut response::Parts) {
    single_length(&mut head.headers);
    if has_hop_headers(&head.headers) {
        strip_framing(&mut head.headers);
        strip_connection(&mut head.headers);
    }
    head.version = Version::HTTP_11;
}

/// A response head as plugins left it becomes one for the client, who asked with `method`. Its body follows unless `ends`.
pub(crate) fn send_response(head: &mut response::Parts, method: &Method, ends: bool) {
    if has_hop_headers(&head.headers) {
        strip_connection(&mut head.headers);
        head.headers.remove(TRANSFER_ENCODING);
    }
    head.version = Version::HTTP_11;
    head.extensions.clear();
    if ends && method != Method::HEAD && head.status != StatusCode::NOT_MODIFIED {
        // It would promise a body that does not come.
        if head
            .headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0")
        {
            head.headers.remove(CONTENT_LENGTH);
        }
    }
}

fn origin_form(uri: &Uri) -> Uri {
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::from(path)
}

/// Whether a head has anything that concerns the connection or the framing, which most have not.
fn has_hop_headers(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        matches!(
            name.as_str(),
            "connection"
                | "expect"
                | "keep-alive"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "proxy-connection"
                | "te"
                | "transfer-encoding"
                | "upgrade"
        )
    })
}

/// Takes off how the message was framed. The HTTP codec has read it; where both framings were given it has followed
/// transfer-encoding, and passing the length on would let the next hop see another message (request smuggling).
fn strip_framing(headers: &mut HeaderMap) {
    if headers.remove(TRANSFER_ENCODING).is_some() {
        headers.remove(CONTENT_LENGTH);
    }
}

/// Leaves one of several content-lengths. They are equal, or the codec had refused them.
fn single_length(headers: &mut HeaderMap) {
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some()
        && let Some(length) = headers.remove(CONTENT_LENGTH)
    {
        headers.insert(CONTENT_LENGTH, length);
    }
}

/// Takes off what concerns one connection only, and what `connection` names.
fn strip_connection(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = listed(headers, &CONNECTION)
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            // What frames or routes the message is nobody's to take away.
            .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != TE)
            .collect();
        headers.remove(CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
    for name in [
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        UPGRADE,
    ] {
        headers.remove(name);
    }
    let trailers = listed(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"));
    if headers.remove(TE).is_some() && trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The items of a header that is a list.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut builder = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn names(headers: &HeaderMap) -> Vec<String> {
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn requests_lose_what_concerns_the_connection() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let table: &[Row<'_>] = &[
            (
                &[
                    ("host", "h"),
                    ("connection", "keep-alive, X-Hop"),
                    ("x-hop", "1"),
                    ("x", "2"),
                ],
                &["host: h", "x: 2"],
            ),
            (
                &[
                    ("host", "h"),
                    ("connection", "host, content-length"),
                    ("content-length", "1"),
                ],
                &["host: h", "content-length: 1"],
            ),
            (
                &[
                    ("host", "h"),
                    ("transfer-encoding", "chunked"),
                    ("content-length", "5"),
                ],
                &["host: h"],
            ),
            (
                &[("host", "h"), ("content-length", "5"), ("content-length", "5")],
                &["host: h", "content-length: 5"],
            ),
            (
                &[("host", "h"), ("te", "gzip, Trailers"), ("upgrade", "websocket")],
                &["host: h", "te: trailers"],
            ),
            (
                &[("host", "h"), ("te", "gzip"), ("keep-alive", "timeout=5")],
                &["host: h"],
            ),
            (
                &[
                    ("host", "h"),
                    ("proxy-authorization", "x"),
                    ("proxy-connection", "close"),
                ],
                &["host: h"],
            ),
            (&[("host", "h"), ("expect", "100-continue")], &["host: h"]),
        ];
        for (headers, expected) in table {
            let mut head = head("GET", "/", headers);
            receive_request(&mut head).unwrap();
            assert_eq!(names(&head.headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn targets() {
        let table = [
            ("GET", "/a?b", &[("host", "h")][..], Ok(("/a?b", "h"))),
            ("GET", "http://t:81/a?b", &[("host", "h")], Ok(("/a?b", "t:81"))),
            ("GET", "http://t", &[("host", "h")], Ok(("/", "t"))),
            ("OPTIONS", "*", &[("host", "h")], Ok(("*", "h"))),
            ("GET", "/", &[], Err(Refusal::Host)),
            ("GET", "/", &[("host", "a"), ("host", "b")], Err(Refusal::Host)),
            ("CONNECT", "t:80", &[("host", "t:80")], Err(Refusal::Connect)),
        ];
        for (method, uri, headers, expected) in table {
            let mut head = head(method, uri, headers);
            let result = receive_request(&mut head).map(|_| {
                (
                    head.uri.to_string(),
                    head.headers[HOST].to_str().unwrap().to_owned(),
                )
            });
            assert_eq!(
                result,
                expected.map(|(uri, host)| (uri.to_owned(), host.to_owned())),
                "{method} {uri}"
            );
        }
    }

    #[test]
    fn bodies_are_announced() {
        for (headers, ends, chunked) in [
            (&[("content-length", "5")][..], false, false),
            (&[], false, true),
            (&[], true, false),
        ] {
            let mut head = head("GET", "/", headers);
            send_request(&mut head, ends);
            assert_eq!(
                head.headers.contains_key(TRANSFER_ENCODING),
                chunked,
                "{headers:?} {ends}"
            );
        }
    }

    #[test]
    fn lengths_without_a_body() {
        for (method, status, kept) in [
            ("GET", 200, false),
            ("HEAD", 200, true),
            ("GET", 304, true),
            ("HEAD", 304, true),
        ] {
            let response = http::Response::builder()
                .status(status)
                .header("content-length", "5");
            let mut head = response.body(()).unwrap().into_parts().0;
            send_response(&mut head, &Method::from_bytes(method.as_bytes()).unwrap(), true);
            assert_eq!(
                head.headers.contains_key(CONTENT_LENGTH),
                kept,
                "{method} {status}"
            );
        }
    }
}
