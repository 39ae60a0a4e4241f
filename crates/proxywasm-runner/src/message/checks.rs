//! What heads may not say, and the codecs let pass.

use super::{MalformedResponse, Refusal};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, Method, request};

/// Whether the target has the form that the method asks for (RFC 9112, section 3.2; RFC 9113, section 8.3.1): a path, or a whole URI of HTTP;
/// `*` only to ask about the server.
pub(super) fn check_target(head: &request::Parts) -> Result<(), Refusal> {
    let uri = &head.uri;
    let of_http = match uri.scheme_str() {
        Some(scheme) => scheme == "http" || scheme == "https",
        // `host:port`, without a scheme, is for CONNECT.
        None => uri.authority().is_none(),
    };
    let path = match uri.path() {
        "*" => head.method == Method::OPTIONS,
        path => path.starts_with('/'),
    };
    match of_http && path {
        true => Ok(()),
        false => Err(Refusal::Target),
    }
}

/// Whether no value begins or ends with a space (RFC 9113, section 8.2.1). Over HTTP/1.1 such spaces are no part of the value.
pub(super) fn check_fields(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let padded = headers.values().any(|value| {
        let bytes = value.as_bytes();
        bytes.first().is_some_and(is_space) || bytes.last().is_some_and(is_space)
    });
    match padded {
        true => Err(Refusal::Field),
        false => Ok(()),
    }
}

/// Whether all lengths that are told are numbers, and the same one (RFC 9112, section 6.3).
pub(super) fn check_lengths(headers: &HeaderMap) -> Result<(), MalformedResponse> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = values.next() else {
        return Ok(());
    };
    let first = first.as_bytes();
    let is_number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    match is_number && values.all(|value| value.as_bytes() == first) {
        true => Ok(()),
        false => Err(MalformedResponse::Length),
    }
}

/// What a body is encoded with for its transfer, the outermost last.
pub(super) fn codings(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(TRANSFER_ENCODING).iter();
    let items = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    items.map(<[u8]>::trim_ascii)
}

/// Whether a value is a host and maybe a port (RFC 9110, section 7.2; RFC 3986, section 3.2.2), or empty. With a user name, a slash or the
/// like, routes could see another host in it than the upstream does; RFC 9112, section 3.2, has it refused.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value.strip_prefix(b"[") {
        Some(rest) => {
            let Some((address, port)) = split_at(rest, b']') else {
                return false;
            };
            // IPv6, or what may follow it one day.
            let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b":.".contains(byte);
            (!address.is_empty() && address.iter().all(fits), port)
        }
        None => {
            let end = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
            let (name, port) = value.split_at_checked(end).unwrap_or_default();
            (is_name(name), port)
        }
    };
    let port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host && port
}

/// Whether a field is for all who get the message: a `connection` header that names it would take from the message what its recipient goes by
/// (RFC 9110, section 7.6.1, forbids senders to do that).
pub(super) fn is_end_to_end(name: &HeaderName) -> bool {
    let name = name.as_str();
    let starts = [
        "x-forwarded-",
        "x-real-",
        "content-",
        "sec-",
        "access-control-",
        "if-",
    ];
    *HOST.as_str() == *name
        || starts.iter().any(|start| name.starts_with(start))
        || matches!(
            name,
            "authorization"
                | "cache-control"
                | "cookie"
                | "date"
                | "etag"
                | "expires"
                | "forwarded"
                | "location"
                | "origin"
                | "range"
                | "set-cookie"
                | "traceparent"
                | "tracestate"
                | "vary"
                | "via"
                | "www-authenticate"
                | "x-request-id"
        )
}

/// Whether this is a registered name: letters, digits, some signs, and whole escapes.
fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    loop {
        match rest {
            [] => return true,
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after
            }
            [byte, after @ ..] if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => {
                rest = after
            }
            _ => return false,
        }
    }
}

fn split_at(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    Some((bytes.get(..place)?, bytes.get(place + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let table: &[(&str, bool)] = &[
            ("", true),
            ("h", true),
            ("h:80", true),
            ("h:", true),
            ("a-b.c_d~e", true),
            ("[::1]", true),
            ("[::1]:80", true),
            ("[v1.x]", true),
            ("%41b", true),
            ("user@h", false),
            ("h/a", false),
            ("h?a", false),
            ("h a", false),
            ("h:x", false),
            ("h:123456", false),
            ("a:b:c", false),
            ("::1", false),
            ("[::1", false),
            ("[]", false),
            ("[::1]x", false),
            ("%4", false),
            ("%zz", false),
            ("h\\x", false),
            ("\u{e9}", false),
        ];
        for (host, expected) in table {
            assert_eq!(is_host(host.as_bytes()), *expected, "{host:?}");
        }
    }
}
