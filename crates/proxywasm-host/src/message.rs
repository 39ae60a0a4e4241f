//! Maps that plugins have changed as messages of the `http` crate again.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, request, response};
use std::any::Any;
use wasi_common::ByteMap;
use wasi_common::stream::{Change, MapSlot};
use wasi_http::Answered;

/// A plugin left a map that is no HTTP message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{name}` has the value `{value}`, which it cannot have")]
    Value { name: String, value: String },
    #[error("there are more headers than a message can have")]
    TooMany,
    #[error("`{0}` is no name that a header of this message can have")]
    Name(String),
}

/// What a response that a plugin gives has to know of a request.
pub(crate) fn answered(head: &request::Parts) -> Answered {
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    Answered {
        head: head.method == Method::HEAD,
        grpc: content_type.is_some_and(wasi_http::is_grpc),
    }
}

// === from maps ===

/// Takes a request head out of a stream, to send it on. With `keep`, its pairs stay readable.
pub(crate) fn take_request(slot: &mut MapSlot, keep: bool) -> Result<Box<request::Parts>, MessageError> {
    let mut head =
        take::<request::Parts>(slot).unwrap_or_else(|| Box::new(http::Request::new(()).into_parts().0));
    match slot.change() {
        Change::None => {}
        // The host header is the authority, which nothing that is appended changes.
        Change::Appended => {
            let host = HOST.as_str().as_bytes();
            append_to_head(
                slot.appended().filter(|(name, _)| *name != host),
                &mut head.headers,
            )?;
        }
        Change::Rewritten => {
            rebuild_request(slot.read(), &mut head)?;
            check_length(&mut head.headers)?;
        }
    }
    if keep {
        slot.keep(&*head);
    }
    Ok(head)
}

/// Takes a response head out of a stream, to send it on; see [`take_request`].
pub(crate) fn take_response(slot: &mut MapSlot, keep: bool) -> Result<Box<response::Parts>, MessageError> {
    let mut head =
        take::<response::Parts>(slot).unwrap_or_else(|| Box::new(http::Response::new(()).into_parts().0));
    match slot.change() {
        Change::None => {}
        Change::Appended => append_to_head(slot.appended(), &mut head.headers)?,
        Change::Rewritten => {
            let map = slot.read();
            let status = map.get(b":status").ok_or(MessageError::Missing(":status"))?;
            let before = head.status;
            head.status = StatusCode::from_bytes(status).map_err(|_| value_error(":status", status))?;
            // One that begins another protocol comes from the upstream alone.
            if head.status.is_informational() && head.status != before {
                return Err(value_error(":status", status));
            }
            head.headers = headers(map, &[b":status"])?;
            check_length(&mut head.headers)?;
        }
    }
    if keep {
        slot.keep(&*head);
    }
    Ok(head)
}

/// Takes trailers out of a stream, to send them on; see [`take_request`].
pub(crate) fn take_trailers(slot: &mut MapSlot, keep: bool) -> Result<HeaderMap, MessageError> {
    let mut trailers = take::<HeaderMap>(slot)
        .map(|trailers| *trailers)
        .unwrap_or_default();
    match slot.change() {
        Change::None => {}
        Change::Appended => append_headers(slot.appended(), &mut trailers)?,
        Change::Rewritten => trailers = headers(slot.read(), &[])?,
    }
    if keep {
        slot.keep(&trailers);
    }
    Ok(trailers)
}

fn take<T: 'static>(slot: &mut MapSlot) -> Option<Box<T>> {
    let source: Box<dyn Any> = slot.take_source()?;
    source.downcast().ok()
}

fn rebuild_request(map: &ByteMap, head: &mut request::Parts) -> Result<(), MessageError> {
    let required = |name: &'static str| map.get(name.as_bytes()).ok_or(MessageError::Missing(name));
    let method = required(":method")?;
    head.method = Method::from_bytes(method).map_err(|_| value_error(":method", method))?;
    let path = required(":path")?;
    let authority = required(":authority")?;
    let scheme = map.get(b":scheme").unwrap_or(b"http");
    let origin_form = path.starts_with(b"/") || path == b"*";
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = PathAndQuery::try_from(path).ok().filter(|_| origin_form);
    if parts.path_and_query.is_none() {
        return Err(value_error(":path", path));
    }
    // An origin-form target stays one: scheme and authority then travel as the host header.
    let absolute = head.uri.authority().is_some();
    if authority.contains(&b'@') {
        // User information in a request target is how phishing works, RFC 9110 section 4.2.4.
        return Err(value_error(":authority", authority));
    }
    let parsed = match authority {
        // The client named none.
        b"" if !absolute => None,
        _ => Some(Authority::try_from(authority).map_err(|_| value_error(":authority", authority))?),
    };
    let scheme = Scheme::try_from(scheme).map_err(|_| value_error(":scheme", scheme))?;
    if absolute {
        (parts.scheme, parts.authority) = (Some(scheme), parsed);
    }
    head.uri = Uri::from_parts(parts).map_err(|_| value_error(":path", path))?;
    head.headers = headers(map, &[b":method", b":path", b":authority", b":scheme"])?;
    let host = HeaderValue::from_bytes(authority).map_err(|_| value_error(":authority", authority))?;
    head.headers.insert(HOST, host);
    Ok(())
}

/// The regular headers of a map; pseudo-headers other than `known` are an error, and so are repeated ones.
fn headers(map: &ByteMap, known: &[&[u8]]) -> Result<HeaderMap, MessageError> {
    let pseudo = map.iter().take_while(|(name, _)| name.first() == Some(&b':'));
    for (name, _) in pseudo {
        if !known.contains(&name) || map.get_all(name).nth(1).is_some() {
            return Err(MessageError::Name(name.escape_ascii().to_string()));
        }
    }
    let mut headers = HeaderMap::try_with_capacity(map.len()).map_err(|_| MessageError::TooMany)?;
    append_headers(
        map.iter().skip_while(|(name, _)| name.first() == Some(&b':')),
        &mut headers,
    )?;
    Ok(headers)
}

fn append_headers<'a>(
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    headers: &mut HeaderMap,
) -> Result<(), MessageError> {
    for (name, value) in pairs {
        append_header(name, value, headers)?;
    }
    Ok(())
}

/// Appends to a head, which stays one of a message whose length is known.
fn append_to_head<'a>(
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    headers: &mut HeaderMap,
) -> Result<(), MessageError> {
    let mut has_length = false;
    for (name, value) in pairs {
        has_length |= name == CONTENT_LENGTH.as_str().as_bytes();
        append_header(name, value, headers)?;
    }
    if has_length { check_length(headers) } else { Ok(()) }
}

fn append_header(name: &[u8], value: &[u8], headers: &mut HeaderMap) -> Result<(), MessageError> {
    let parsed =
        HeaderName::from_bytes(name).map_err(|_| MessageError::Name(name.escape_ascii().to_string()))?;
    let value = HeaderValue::from_bytes(value).map_err(|_| value_error(parsed.as_str(), value))?;
    let appended = headers.try_append(parsed, value);
    appended.map(drop).map_err(|_| MessageError::TooMany)
}

/// The length of a body is one number, as RFC 9110 section 8.6 writes it: peers that read it differently would read messages into
/// it. Equal ones become one.
fn check_length(headers: &mut HeaderMap) -> Result<(), MessageError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(());
    };
    let is_number = |value: &HeaderValue| {
        let digits = value.as_bytes().iter().all(u8::is_ascii_digit);
        digits && value.to_str().is_ok_and(|text| text.parse::<u64>().is_ok())
    };
    let mut repeated = false;
    for other in lengths {
        if other != length {
            return Err(value_error(CONTENT_LENGTH.as_str(), other.as_bytes()));
        }
        repeated = true;
    }
    if !is_number(length) {
        return Err(value_error(CONTENT_LENGTH.as_str(), length.as_bytes()));
    }
    if repeated {
        let length = length.clone();
        headers.insert(CONTENT_LENGTH, length);
    }
    Ok(())
}

fn value_error(name: &str, value: &[u8]) -> MessageError {
    MessageError::Value {
        name: name.to_owned(),
        value: value.escape_ascii().to_string(),
    }
}
