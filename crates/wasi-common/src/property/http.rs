//! Properties that follow from the header and trailer maps of a stream.

use super::{PropertyPath, PropertyValue};
use crate::map::ByteMap;
use crate::stream::{Direction, Piece, Stream};

/// The value at `path`, if it is one of `request.*` or `response.*` that the maps tell.
///
/// Request headers stay readable for the whole stream, and the response from its head on.
pub(crate) fn message_property(stream: &mut Stream, path: PropertyPath<'_>) -> Option<PropertyValue> {
    let (root, rest) = path.split_first();
    let (name, below) = rest?.split_first();
    match root {
        b"request" => request(stream, name, below),
        b"response" => response(stream, name, below),
        _ => None,
    }
}

fn present(stream: &mut Stream, direction: Direction, piece: Piece) -> Option<&ByteMap> {
    let slot = stream.map(direction, piece);
    slot.is_present().then(|| slot.read())
}

fn request(stream: &mut Stream, name: &[u8], below: Option<PropertyPath<'_>>) -> Option<PropertyValue> {
    if let b"size" | b"total_size" = name {
        return size(stream, Direction::Request, name == b"total_size").map(PropertyValue::Int);
    }
    if name == b"duration" {
        return stream.times?.duration().map(PropertyValue::Duration);
    }
    let map = present(stream, Direction::Request, Piece::Headers)?;
    let path = || map.get(b":path").unwrap_or_default();
    let (url_path, query) = match path().iter().position(|byte| *byte == b'?') {
        Some(at) => (path().get(..at), path().get(at + 1..)),
        None => (Some(path()), None),
    };
    let value = match name {
        b"headers" => return map_property(map, below),
        b"headers_bytes" => return Some(PropertyValue::Int(map.byte_len() as i64)),
        b"path" => map.get(b":path"),
        b"url_path" => url_path,
        b"query" => Some(query.unwrap_or_default()),
        b"host" => map.get(b":authority"),
        b"scheme" => map.get(b":scheme"),
        b"method" => map.get(b":method"),
        b"referer" => map.get(b"referer"),
        b"useragent" => map.get(b"user-agent"),
        b"id" => map.get(b"x-request-id"),
        _ => None,
    };
    value.map(|bytes| PropertyValue::Bytes(bytes.to_vec()))
}

fn response(stream: &mut Stream, name: &[u8], below: Option<PropertyPath<'_>>) -> Option<PropertyValue> {
    match name {
        b"trailers" => map_property(present(stream, Direction::Response, Piece::Trailers)?, below),
        b"grpc_status" => {
            let trailers = present(stream, Direction::Response, Piece::Trailers);
            let status = trailers.and_then(|map| number(map.get(b"grpc-status")?));
            let headers = present(stream, Direction::Response, Piece::Headers);
            status
                .or_else(|| number(headers?.get(b"grpc-status")?))
                .map(PropertyValue::Int)
        }
        b"size" | b"total_size" => {
            size(stream, Direction::Response, name == b"total_size").map(PropertyValue::Int)
        }
        b"code_details" if !stream.response_details.is_empty() => {
            Some(PropertyValue::Bytes(stream.response_details.to_vec()))
        }
        b"backend_latency" => stream.times?.backend_latency().map(PropertyValue::Duration),
        b"headers" => map_property(present(stream, Direction::Response, Piece::Headers)?, below),
        b"headers_bytes" => {
            let map = present(stream, Direction::Response, Piece::Headers)?;
            Some(PropertyValue::Int(map.byte_len() as i64))
        }
        b"code" => {
            let map = present(stream, Direction::Response, Piece::Headers)?;
            number(map.get(b":status")?).map(PropertyValue::Int)
        }
        _ => None,
    }
}

/// The size of a body: what its head says, or what has come of it. All of a message has headers and trailers too.
fn size(stream: &mut Stream, direction: Direction, whole: bool) -> Option<i64> {
    let come = match (direction, stream.body_bytes) {
        (Direction::Request, [request, _]) => request,
        (Direction::Response, [_, response]) => response,
    };
    let headers = present(stream, direction, Piece::Headers)?;
    let told = headers.get(b"content-length").and_then(number);
    let body = told.unwrap_or(i64::try_from(come).unwrap_or(i64::MAX));
    if !whole {
        return Some(body);
    }
    let headers = headers.byte_len();
    let trailers = present(stream, direction, Piece::Trailers).map_or(0, ByteMap::byte_len);
    Some(body.saturating_add((headers + trailers) as i64))
}

/// One header, its values joined by commas, or all of them.
fn map_property(map: &ByteMap, below: Option<PropertyPath<'_>>) -> Option<PropertyValue> {
    let Some(name) = below else {
        return Some(PropertyValue::Map(map.clone()));
    };
    let values: Vec<&[u8]> = map.get_all(name.as_bytes()).collect();
    (!values.is_empty()).then(|| PropertyValue::Bytes(values.join(&b","[..])))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::StreamTable;

    #[test]
    fn from_maps() {
        let mut streams = StreamTable::new();
        let key = streams.open(0);
        let stream = streams.get_mut(key).unwrap();
        let request = [
            (":method", "GET"),
            (":path", "/a?b=c"),
            (":authority", "h"),
            ("x", "1"),
            ("x", "2"),
        ];
        stream
            .map(Direction::Request, Piece::Headers)
            .put_map(request.into_iter().collect());
        stream.count_body(Direction::Request, 7);
        let text = |text: &str| Some(PropertyValue::from(text));
        let table = [
            ("request\0path", text("/a?b=c")),
            ("request\0url_path", text("/a")),
            ("request\0query", text("b=c")),
            ("request\0method", text("GET")),
            ("request\0host", text("h")),
            ("request\0scheme", None),
            ("request\0headers\0X", text("1,2")),
            ("request\0headers\0y", None),
            ("request\0headers_bytes", Some(PropertyValue::Int(36))),
            ("request\0size", Some(PropertyValue::Int(7))),
            ("request\0total_size", Some(PropertyValue::Int(43))),
            ("response\0size", None),
            ("request\0nothing", None),
            ("request", None),
            ("response\0code", None),
            ("other\0path", None),
        ];
        for (path, expected) in table {
            assert_eq!(
                message_property(stream, PropertyPath::new(path.as_bytes())),
                expected,
                "{path:?}"
            );
        }
        stream.map(Direction::Response, Piece::Headers).put_map(
            [(":status", "204"), ("grpc-status", "7"), ("content-length", "9")]
                .into_iter()
                .collect(),
        );
        stream.response_details = "via_upstream".into();
        let table = [
            ("response\0size", Some(PropertyValue::Int(9))),
            ("response\0code_details", text("via_upstream")),
            ("response\0code", Some(PropertyValue::Int(204))),
            ("response\0grpc_status", Some(PropertyValue::Int(7))),
            ("response\0trailers", None),
        ];
        for (path, expected) in table {
            assert_eq!(
                message_property(stream, PropertyPath::new(path.as_bytes())),
                expected,
                "{path:?}"
            );
        }
    }
}
