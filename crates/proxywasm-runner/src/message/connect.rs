//! Requests that ask for a tunnel: CONNECT (RFC 9110, section 9.3.6), and that of WebSocket over HTTP/2 (RFC 8441).
//!
//! Plugins and routes see CONNECT with the path `/` and its target as host. A WebSocket over HTTP/2 is for them, and for the upstream, the
//! same request as one over HTTP/1.1.

use super::{Refusal, checks::is_host};
use base64::Engine;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, StatusCode, Uri, Version, request, response};
use hyper::ext::Protocol;
use std::hash::{BuildHasher, RandomState};

/// Whether a request over HTTP/2 asks for a WebSocket. It becomes the GET that asks for one over HTTP/1.1.
pub(super) fn receive_websocket(head: &mut request::Parts) -> Result<bool, Refusal> {
    if head.version != Version::HTTP_2 || head.method != Method::CONNECT {
        return Ok(false);
    }
    match head.extensions.remove::<Protocol>() {
        None => Ok(false),
        Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => {
            head.method = Method::GET;
            Ok(true)
        }
        Some(_) => Err(Refusal::Protocol),
    }
}

/// Puts on what a WebSocket over HTTP/1.1 has to say.
pub(super) fn ask_for_websocket(head: &mut request::Parts) {
    let headers = &mut head.headers;
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if !headers.contains_key(SEC_WEBSOCKET_KEY)
        && let Ok(key) = HeaderValue::from_str(&random_key())
    {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
}

/// The response to a WebSocket that was asked for over HTTP/2: what stands for success there is 200, and nothing else may look like it.
pub(crate) fn answer_websocket(head: &mut response::Parts) {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        head.status = StatusCode::OK;
        for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
            head.headers.remove(name);
        }
    } else if head.status.is_success() {
        head.status = StatusCode::BAD_GATEWAY;
    }
}

/// A CONNECT becomes what plugins and routes see.
pub(super) fn receive_connect(head: &mut request::Parts) -> Result<(), Refusal> {
    let target = head.uri.authority().ok_or(Refusal::Target)?;
    let named = HeaderValue::from_str(target.as_str()).map_err(|_| Refusal::Target)?;
    let is_target = is_host(named.as_bytes()) && target.port().is_some() && !target.host().is_empty();
    if !is_target || head.uri.scheme().is_some() || head.uri.path_and_query().is_some() {
        return Err(Refusal::Target);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    let is_missing = host.is_none() && head.version == Version::HTTP_11;
    if is_missing || another.is_some() || host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(Refusal::Host);
    }
    // What follows is the tunnel's.
    if head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::Length);
    }
    head.headers.insert(HOST, named);
    head.uri = Uri::from(PathAndQuery::from_static("/"));
    Ok(())
}

/// The target of a CONNECT for an upstream, by its host.
pub(super) fn connect_target(head: &request::Parts) -> Option<Uri> {
    let host = head.headers.get(HOST)?;
    let authority = Authority::try_from(host.as_bytes()).ok()?;
    Uri::builder().authority(authority).build().ok()
}

/// 16 bytes that no client can know; nothing secret hangs on them.
fn random_key() -> String {
    let keys = RandomState::new();
    let number = u128::from(keys.hash_one(0_u8)) << 64 | u128::from(keys.hash_one(1_u8));
    base64::engine::general_purpose::STANDARD.encode(number.to_be_bytes())
}
