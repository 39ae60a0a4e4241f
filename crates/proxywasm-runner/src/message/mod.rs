//! Heads of messages: what a proxy takes off and puts on at each hop (RFC 9110, section 7.6, and RFC 9112).

mod checks;
mod connect;
mod trailers;

pub(crate) use connect::answer_websocket;
pub(crate) use trailers::strip_trailers;

use crate::routing::PathRefusal;
use checks::{check_fields, check_lengths, check_target, codings, is_end_to_end, is_host};
use connect::{ask_for_websocket, connect_target, receive_connect, receive_websocket};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version, request, response};
use thiserror::Error;

/// Headers that concern one connection only and have no constant in `http`.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// A request that no plugin and no upstream gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It says not, or not clearly, which host it is for.
    Host,
    /// Its target has not the form that its method asks for.
    Target,
    /// Several lengths, or one that is none.
    Length,
    /// Its body is encoded for the transfer in a way that nobody here takes off.
    TransferCoding,
    /// A value that HTTP/2 forbids.
    Field,
    /// `CONNECT`, which the listener does not allow.
    Connect,
    /// A tunnel for another protocol than WebSocket.
    Protocol,
    /// A path that has no spelling that is safe to pass on.
    Path(PathRefusal),
}

/// A response that no plugin and no client gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MalformedResponse {
    /// Two lengths, or one beside a transfer coding: client and proxy could see it end in different places.
    #[error("it tells of its length in two ways")]
    Length,
    /// Its body is encoded for the transfer in a way that nobody here takes off.
    #[error("it has another transfer coding than chunked")]
    TransferCoding,
}

/// Whether a message is of gRPC, by its headers.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// What the runner remembers of a request head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    /// Whether it asks for another protocol on its connection, or a tunnel.
    pub(crate) upgrades: bool,
    /// Whether that is a WebSocket over HTTP/2.
    pub(crate) websocket: bool,
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Target | Self::Length | Self::Field | Self::Path(_) => StatusCode::BAD_REQUEST,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::TransferCoding | Self::Protocol => StatusCode::NOT_IMPLEMENTED,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Host => "a request needs exactly one host\n",
            Self::Target => "the target of the request has not the form that its method asks for\n",
            Self::Length => "the request has no clear content-length\n",
            Self::TransferCoding => "no transfer coding is known but chunked\n",
            Self::Field => "a header has a space at an end of its value\n",
            Self::Connect => "this proxy makes no tunnels\n",
            Self::Protocol => "no protocol is known here but websocket\n",
            Self::Path(PathRefusal::Escape) => "the path has a % that is no escape\n",
            Self::Path(PathRefusal::Nul) => "the path has a NUL\n",
            Self::Path(PathRefusal::Slash) => "the path has an escaped slash or a backslash\n",
        }
    }
}

/// A request head as it came from the client, by TLS or not, becomes one as plugins see it: with one host header, and a target that is
/// only a path, unless it came by TLS. Then the target has scheme and host too.
pub(crate) fn receive_request(
    head: &mut request::Parts,
    is_tls: bool,
    may_connect: bool,
) -> Result<Received, Refusal> {
    let websocket = receive_websocket(head)?;
    let connects = head.method == Method::CONNECT;
    if connects {
        if !may_connect {
            return Err(Refusal::Connect);
        }
        receive_connect(head)?;
    } else {
        check_target(head)?;
        receive_host(head)?;
    }
    if head.version == Version::HTTP_2 {
        check_fields(&head.headers)?;
    }
    if is_tls {
        head.uri = absolute_form(&head.uri, &head.headers, Scheme::HTTPS)?;
    }
    check_lengths(&head.headers).map_err(|_| Refusal::Length)?;
    single_length(&mut head.headers);
    let mut version = std::mem::replace(&mut head.version, Version::HTTP_11);
    if websocket {
        ask_for_websocket(head);
        version = Version::HTTP_11;
    }
    if !has_hop_headers(&head.headers) {
        return Ok(Received {
            expects_continue: false,
            upgrades: connects,
            websocket: false,
        });
    }
    check_codings(&head.headers).map_err(|_| Refusal::TransferCoding)?;
    strip_framing(&mut head.headers);
    // HTTP/2 has no upgrades, nor has a tunnel.
    let upgrades = version == Version::HTTP_11 && !connects && strip_but_upgrade(&mut head.headers);
    if !upgrades {
        strip_connection(&mut head.headers);
    }
    Ok(Received {
        expects_continue: head.headers.remove(EXPECT).is_some(),
        upgrades: upgrades || connects,
        websocket,
    })
}

/// Shows plugins by the target of a request that its client speaks TLS, as [`receive_request`] does.
pub(crate) fn show_scheme(head: &mut request::Parts, is_tls: bool) {
    if is_tls && let Ok(uri) = absolute_form(&head.uri, &head.headers, Scheme::HTTPS) {
        head.uri = uri;
    }
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
    if head.method == Method::CONNECT {
        if let Some(target) = connect_target(head) {
            head.uri = target;
        }
        return;
    }
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
    if head.method == Method::CONNECT {
        if let Some(target) = connect_target(head) {
            head.uri = target;
            head.headers.remove(HOST);
        }
        return;
    }
    let scheme = if is_tls { Scheme::HTTPS } else { Scheme::HTTP };
    // A host that is none was refused when the request came, or when a plugin changed it.
    if let Ok(uri) = absolute_form(&head.uri, &head.headers, scheme) {
        head.uri = uri;
        head.headers.remove(HOST);
    }
}

/// Whether a response head as it came from the upstream says clearly where its body ends (RFC 9112, section 6.3). The codec has looked at
/// most of that, but not where there is no body, nor at codings that it leaves to others.
pub(crate) fn check_response<B>(response: &Response<B>) -> Result<(), MalformedResponse> {
    let headers = response.headers();
    check_lengths(headers)?;
    if headers.contains_key(TRANSFER_ENCODING) {
        check_codings(headers)?;
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(MalformedResponse::Length);
        }
    }
    Ok(())
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

/// Whether a response to a request with this method is followed by something else than HTTP.
pub(crate) fn tunnels(head: &response::Parts, method: &Method) -> bool {
    switches(head) || *method == Method::CONNECT && head.status.is_success()
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
    if *method == Method::CONNECT && head.status.is_success() {
        head.headers.remove(CONTENT_LENGTH);
        return;
    }
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
    if another.is_some() || host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(Refusal::Host);
    }
    // A target does not stand in for the header (RFC 9112, section 3.2). HTTP/1.0 has none.
    if host.is_none() && head.version == Version::HTTP_11 {
        return Err(Refusal::Host);
    }
    match head.uri.authority() {
        Some(authority) => {
            let named = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
            // A URI without a host is invalid (RFC 9110, section 4.2).
            if !is_host(named.as_bytes()) || authority.host().is_empty() {
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
        None if host.is_none() && head.version >= Version::HTTP_11 => return Err(Refusal::Host),
        // HTTP/1.0 need not tell; the next hop has to be told that nobody did (RFC 9110, section 7.2).
        None if host.is_none() => drop(head.headers.insert(HOST, HeaderValue::from_static(""))),
        None => {}
    }
    Ok(())
}

fn same_host(one: &HeaderValue, other: &HeaderValue) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}

fn absolute_form(uri: &Uri, headers: &HeaderMap, scheme: Scheme) -> Result<Uri, Refusal> {
    // Nobody has told.
    let Some(host) = headers.get(HOST).filter(|host| !host.is_empty()) else {
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

/// Whether what a body is encoded with for its transfer is what the codec takes off, which is `chunked` alone.
fn check_codings(headers: &HeaderMap) -> Result<(), MalformedResponse> {
    let mut codings = codings(headers);
    let first = codings.next();
    match first.is_none_or(|coding| coding.eq_ignore_ascii_case(b"chunked")) && codings.next().is_none() {
        true => Ok(()),
        false => Err(MalformedResponse::TransferCoding),
    }
}

/// Leaves one of several content-lengths, which are equal.
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
            // What frames or routes the message, or is for all who get it, is nobody's to take away.
            .filter(|name| *name != TE && !is_end_to_end(name))
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
mod tests;
