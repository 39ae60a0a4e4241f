//! Heads of messages: what a proxy takes off and puts on at each hop (RFC 9110, section 7.6, and RFC 9112).

use crate::routing::PathRefusal;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, request, response};

/// Headers that concern one connection only and have no constant in `http`.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// A request that no plugin and no upstream gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It says not, or not clearly, which host it is for.
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
    /// Whether it asks for another protocol on its connection.
    pub(crate) upgrades: bool,
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
            Self::Host => "a request needs exactly one host\n",
            Self::Connect => "this proxy makes no tunnels\n",
            Self::Path(PathRefusal::Escape) => "the path has a % that is no escape\n",
            Self::Path(PathRefusal::Nul) => "the path has a NUL\n",
            Self::Path(PathRefusal::Slash) => "the path has an escaped slash or a backslash\n",
        }
    }
}

/// A request head as it came from the client, by TLS or not, becomes one as plugins see it: with one host header, and a target that is
/// only a path, unless it came by TLS. Then the target has scheme and host too.
pub(crate) fn receive_request(head: &mut request::Parts, is_tls: bool) -> Result<Received, Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    receive_host(head)?;
    if is_tls {
        head.uri = absolute_form(&head.uri, &head.headers, Scheme::HTTPS)?;
    }
    single_length(&mut head.headers);
    let version = std::mem::replace(&mut head.version, Version::HTTP_11);
    if !has_hop_headers(&head.headers) {
        return Ok(Received {
            expects_continue: false,
            upgrades: false,
        });
    }
    strip_framing(&mut head.headers);
    // HTTP/2 has no upgrades.
    let upgrades = version == Version::HTTP_11 && strip_but_upgrade(&mut head.headers);
    if !upgrades {
        strip_connection(&mut head.headers);
    }
    Ok(Received {
        expects_continue: head.headers.remove(EXPECT).is_some(),
        upgrades,
    })
}

/// A request head as plugins left it becomes one for an upstream, up to what its version of HTTP needs. It may ask for another protocol
/// if the client's did. Returns whether it does.
pub(crate) fn send_request(head: &mut request::Parts, may_upgrade: bool) -> bool {
    if head.uri.authority().is_some() {
        head.uri = origin_form(&head.uri);
    }
    let mut upgrades = false;
    if has_hop_headers(&head.headers) {
        upgrades = may_upgrade && strip_but_upgrade(&mut head.headers);
        if !upgrades {
            strip_connection(&mut head.headers);
        }
        head.headers.remove(EXPECT);
        head.headers.remove(TRANSFER_ENCODING);
    }
    head.version = Version::HTTP_11;
    // What the client's connection left here is not for this one.
    head.extensions.clear();
    upgrades
}

/// Makes a request head one of HTTP/1.1. Its body follows unless `ends`.
pub(crate) fn frame_http1(head: &mut request::Parts, ends: bool) {
    head.version = Version::HTTP_11;
    if let Some(authority) = head.uri.authority() {
        // It was one of HTTP/2 before.
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            head.headers.insert(HOST, host);
        }
        head.uri = origin_form(&head.uri);
    }
    if !ends && !head.headers.contains_key(CONTENT_LENGTH) {
        // Said outright, for the client would send a GET without its body.
        head.headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Makes a request head one of HTTP/2, on a connection of TLS or not: scheme and host are in the target, and nothing tells of framing.
pub(crate) fn frame_http2(head: &mut request::Parts, is_tls: bool) {
    head.version = Version::HTTP_2;
    for name in [TRANSFER_ENCODING, CONNECTION, UPGRADE] {
        head.headers.remove(name);
    }
    let scheme = if is_tls { Scheme::HTTPS } else { Scheme::HTTP };
    // A host that is none was refused when the request came, or when a plugin changed it.
    if let Ok(uri) = absolute_form(&head.uri, &head.headers, scheme) {
        head.uri = uri;
        head.headers.remove(HOST);
    }
}

/// A response head as it came from the upstream becomes one as plugins see it.
pub(crate) fn receive_response(head: &mut response::Parts) {
    single_length(&mut head.headers);
    if has_hop_headers(&head.headers) {
        strip_framing(&mut head.headers);
        if !switches(head) || !strip_but_upgrade(&mut head.headers) {
            strip_connection(&mut head.headers);
        }
    }
    head.version = Version::HTTP_11;
}

/// Whether a response begins another protocol.
pub(crate) fn switches(head: &response::Parts) -> bool {
    head.status == StatusCode::SWITCHING_PROTOCOLS
}

/// A response head as plugins left it becomes one for the client, who asked with `method`. Its body follows unless `ends`.
pub(crate) fn send_response(head: &mut response::Parts, method: &Method, ends: bool) {
    if has_hop_headers(&head.headers) {
        if !switches(head) || !strip_but_upgrade(&mut head.headers) {
            strip_connection(&mut head.headers);
        }
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

/// Leaves the host in one place, the host header, and only the path in the target.
fn receive_host(head: &mut request::Parts) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() || host.is_some_and(|host| !is_host(host)) {
        return Err(Refusal::Host);
    }
    match head.uri.authority() {
        Some(authority) => {
            let named = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
            if !is_host(&named) {
                return Err(Refusal::Host);
            }
            // Over HTTP/1.1 the target overrides the header (RFC 9112, section 3.2.2), over HTTP/2 they may not differ (RFC 9113, section
            // 8.3.1).
            if head.version == Version::HTTP_2 && host.is_some_and(|host| !same_host(host, &named)) {
                return Err(Refusal::Host);
            }
            head.headers.insert(HOST, named);
            head.uri = origin_form(&head.uri);
        }
        // HTTP/1.0 has none.
        None if host.is_none() && head.version >= Version::HTTP_11 => return Err(Refusal::Host),
        None => {}
    }
    Ok(())
}

/// Whether a value has only what a host and a port have (RFC 3986, section 3.2.2). With a user name, a slash or the like, routes could see
/// another host in it than the upstream does; RFC 9112, section 3.2, has it refused.
fn is_host(value: &HeaderValue) -> bool {
    value
        .as_bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(byte))
}

fn same_host(one: &HeaderValue, other: &HeaderValue) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}

fn absolute_form(uri: &Uri, headers: &HeaderMap, scheme: Scheme) -> Result<Uri, Refusal> {
    // HTTP/1.0 need not tell.
    let Some(host) = headers.get(HOST) else {
        return Ok(uri.clone());
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| Refusal::Host)?);
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).map_err(|_| Refusal::Host)
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

/// Takes off what concerns one connection only, but leaves that it is to be upgraded, and to what, if it says so. Returns whether it
/// does.
fn strip_but_upgrade(headers: &mut HeaderMap) -> bool {
    if !listed(headers, &CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return false;
    }
    if listed(headers, &UPGRADE).any(carries_requests) {
        return false;
    }
    let Some(protocol) = headers.get(UPGRADE).cloned() else {
        return false;
    };
    strip_connection(headers);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
    true
}

/// Whether a protocol is HTTP again, or TLS with it inside. Upgraded to one, a connection would carry requests past plugins and routes
/// (request smuggling), so it is not upgraded, which a client has to put up with (RFC 9110, section 7.8).
fn carries_requests(protocol: &str) -> bool {
    let name = protocol.split('/').next().unwrap_or(protocol).trim();
    ["h2c", "h2", "http", "tls"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
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
        HTTP2_SETTINGS,
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
            receive_request(&mut head, false).unwrap();
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
            ("GET", "/", &[("host", "user@h")], Err(Refusal::Host)),
            ("GET", "/", &[("host", "h/a")], Err(Refusal::Host)),
            ("GET", "http://user@t/", &[("host", "t")], Err(Refusal::Host)),
            ("GET", "/", &[("host", "[::1]:80")], Ok(("/", "[::1]:80"))),
            ("GET", "/", &[("host", "")], Ok(("/", ""))),
            ("CONNECT", "t:80", &[("host", "t:80")], Err(Refusal::Connect)),
        ];
        for (method, uri, headers, expected) in table {
            let mut head = head(method, uri, headers);
            let result = receive_request(&mut head, false).map(|_| {
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
    fn targets_over_http_2_and_tls() {
        // The host header beside `:authority`, whether by TLS, and the target that plugins see.
        let table = [
            ("https://h:1/a?b", None, true, Ok("https://h:1/a?b")),
            ("https://h/a", Some("H"), true, Ok("https://h/a")),
            ("https://h/a", Some("other"), true, Err(Refusal::Host)),
            ("/a", Some("h"), true, Ok("https://h/a")),
            ("/a", Some("h"), false, Ok("/a")),
            ("/a", Some("a b"), true, Err(Refusal::Host)),
            ("/a", None, false, Err(Refusal::Host)),
            // The scheme is that of the connection, whatever the client says.
            ("http://h/a", None, true, Ok("https://h/a")),
            ("https://h/a", None, false, Ok("/a")),
        ];
        for (uri, host, is_tls, expected) in table {
            let headers: Vec<(&str, &str)> = host.iter().map(|host| ("host", *host)).collect();
            let mut head = head("GET", uri, &headers);
            head.version = Version::HTTP_2;
            let result = receive_request(&mut head, is_tls).map(|_| head.uri.to_string());
            assert_eq!(result, expected.map(str::to_owned), "{uri} {host:?} {is_tls}");
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
            send_request(&mut head, false);
            frame_http1(&mut head, ends);
            assert_eq!(
                head.headers.contains_key(TRANSFER_ENCODING),
                chunked,
                "{headers:?} {ends}"
            );
        }
    }

    #[test]
    fn upgrades() {
        let asks = &[
            ("host", "h"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ][..];
        // Headers, whether the client may upgrade, and whether that goes on.
        let table = [
            (asks, Version::HTTP_11, true),
            (asks, Version::HTTP_10, false),
            (asks, Version::HTTP_2, false),
            (
                &[("host", "h"), ("upgrade", "websocket")],
                Version::HTTP_11,
                false,
            ),
            (
                &[("host", "h"), ("connection", "upgrade")],
                Version::HTTP_11,
                false,
            ),
        ];
        let others = ["h2c", "websocket, H2C", "HTTP/2.0", "TLS/1.2"].map(|protocol| {
            [
                ("host", "h"),
                ("connection", "upgrade, http2-settings"),
                ("upgrade", protocol),
                ("http2-settings", "x"),
            ]
        });
        let others = others
            .iter()
            .map(|headers| (&headers[..], Version::HTTP_11, false));
        for (headers, version, expected) in table.into_iter().chain(others) {
            let mut head = head("GET", "/", headers);
            head.version = version;
            let upgrades = receive_request(&mut head, false).unwrap().upgrades;
            assert_eq!(upgrades, expected, "{headers:?} {version:?}");
            let kept = ["connection: upgrade", "host: h", "upgrade: websocket"];
            for may_upgrade in [true, false] {
                let mut head = head.clone();
                assert_eq!(send_request(&mut head, may_upgrade), expected && may_upgrade);
                let mut names = names(&head.headers);
                names.sort();
                let expected = if expected && may_upgrade {
                    &kept[..]
                } else {
                    &["host: h"]
                };
                assert_eq!(names, expected, "{headers:?} {version:?} {may_upgrade}");
            }
        }
    }

    #[test]
    fn framed_for_both_versions() {
        let mut head = head("GET", "/a?b", &[("host", "h:1"), ("x", "1")]);
        for _ in 0..2 {
            frame_http1(&mut head, false);
            assert_eq!(head.uri, "/a?b");
            let chunked = ["host: h:1", "transfer-encoding: chunked", "x: 1"];
            let mut sorted = names(&head.headers);
            sorted.sort();
            assert_eq!(sorted, chunked);
            for (is_tls, target) in [(false, "http://h:1/a?b"), (true, "https://h:1/a?b")] {
                frame_http2(&mut head, is_tls);
                assert_eq!(
                    (head.uri.to_string().as_str(), head.version),
                    (target, Version::HTTP_2)
                );
                assert_eq!(names(&head.headers), ["x: 1"]);
                frame_http1(&mut head, false);
            }
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
