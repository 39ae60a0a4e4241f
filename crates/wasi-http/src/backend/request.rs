//! The request of a callout as one of reqwest.

use crate::calls::CallRequest;
use http::Method;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http_body_util::{BodyExt, Full};
use reqwest::{Body, Request, Url};
use std::convert::Infallible;
use std::fmt::Write as _;
use wasi_common::ByteMap;

/// Headers that are the connection's, not the request's.
const OF_THE_CONNECTION: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The request as it goes to the server at `origin`; an error is the reason why it cannot be sent.
pub(super) fn convert(origin: &Url, request: CallRequest) -> Result<Request, String> {
    let CallRequest {
        headers,
        body,
        trailers,
        ..
    } = request;
    let pseudo = |name: &str| headers.get(name.as_bytes()).unwrap_or_default();
    let method = Method::from_bytes(pseudo(":method")).map_err(|_| "the method is none".to_owned())?;
    let url = target(origin, pseudo(":path"))?;
    let authority = pseudo(":authority");
    let mut converted = Request::new(method, url);
    *converted.headers_mut() = header_map(&headers)?;
    let map = converted.headers_mut();
    OF_THE_CONNECTION
        .iter()
        .chain([&HOST])
        .for_each(|name| _ = map.remove(name));
    if !authority.is_empty() {
        let host = HeaderValue::from_bytes(authority).map_err(|_| "the authority is none".to_owned())?;
        map.insert(HOST, host);
    }
    if trailers.is_empty() {
        if !body.is_empty() {
            *converted.body_mut() = Some(Body::from(body));
        }
        return Ok(converted);
    }
    let trailers = header_map(&trailers)?;
    // HTTP/1.1 has trailers only behind a chunked body, and only announced ones are sent.
    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
    let announced =
        HeaderValue::from_str(&names.join(", ")).map_err(|_| "a trailer has no name".to_owned())?;
    map.remove(CONTENT_LENGTH);
    map.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    map.insert(TRAILER, announced);
    let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers)));
    *converted.body_mut() = Some(Body::wrap(Full::new(body).with_trailers(trailers)));
    Ok(converted)
}

/// Regular headers, in their order.
fn header_map(map: &ByteMap) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(map.len());
    for (name, value) in map.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let unfit = || format!("`{}` cannot be sent as a header", String::from_utf8_lossy(name));
        let name = HeaderName::from_bytes(name).map_err(|_| unfit())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| unfit())?;
        headers.try_append(name, value).map_err(|_| unfit())?;
    }
    Ok(headers)
}

/// The URL of a path at an origin. A URL has no dot segments, so a path with some cannot be sent as it is, and is refused: another path
/// than the plugin's might be answered differently.
fn target(origin: &Url, path: &[u8]) -> Result<Url, String> {
    let path = encode(path);
    let unfit = || format!("the path `{path}` cannot be sent as it is");
    if !path.starts_with('/') {
        return Err(unfit());
    }
    let text = format!("{}{path}", origin.as_str().trim_end_matches('/'));
    let url = Url::parse(&text).map_err(|_| unfit())?;
    let sent = url.as_str().strip_prefix(origin.as_str().trim_end_matches('/'));
    if sent != Some(path.as_str()) {
        return Err(unfit());
    }
    Ok(url)
}

/// Writes what no URL has as percent-encoded bytes, as browsers do.
fn encode(path: &[u8]) -> String {
    let mut encoded = String::with_capacity(path.len());
    let mut in_query = false;
    for byte in path {
        in_query |= *byte == b'?';
        let special = match byte {
            b'"' | b'<' | b'>' | b'#' => true,
            b'\'' => in_query,
            b'`' | b'{' | b'}' | b'^' | b'\\' => !in_query,
            _ => false,
        };
        if special || !byte.is_ascii_graphic() {
            // Writing to a string cannot fail.
            let _written = write!(encoded, "%{byte:02X}");
        } else {
            encoded.push(char::from(*byte));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let origin = Url::parse("http://127.0.0.1:9000").unwrap();
        let table: &[(&[u8], Option<&str>)] = &[
            (b"/", Some("/")),
            (b"/a/b?c=d&e", Some("/a/b?c=d&e")),
            (b"//double//slash/", Some("//double//slash/")),
            (b"/a?", Some("/a?")),
            (b"/%2F%zz", Some("/%2F%zz")),
            (b"/a;b=c,d:e@f!$&'()*+", Some("/a;b=c,d:e@f!$&'()*+")),
            (b"/{a}?q={\"b\":'c'}", Some("/%7Ba%7D?q={%22b%22:%27c%27}")),
            (b"/a\\b^c`d|e", Some("/a%5Cb%5Ec%60d|e")),
            (b"/?a\\b^c`d|e", Some("/?a\\b^c`d|e")),
            ("/ä".as_bytes(), Some("/%C3%A4")),
            (b"/\xff", Some("/%FF")),
            (b"/a/../b", None),
            (b"/a/./b", None),
            (b"/a/%2e%2E/b", None),
            (b"/..", None),
            (b"*", None),
            (b"", None),
            (b"http://elsewhere.test/", None),
            (b"@elsewhere.test/", None),
        ];
        for (path, expected) in table {
            let url = target(&origin, path).ok();
            let expected = expected.map(|path| format!("http://127.0.0.1:9000{path}"));
            assert_eq!(
                url.map(String::from),
                expected,
                "{}",
                String::from_utf8_lossy(path)
            );
        }
    }
}
