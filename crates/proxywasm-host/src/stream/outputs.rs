//! What leaves the chain: messages are turned back into the driver's form and checked.

use crate::host::Host;
use crate::message::{MessageError, take_request, take_response, take_trailers};
use crate::output::{Output, ResetReason};
use crate::stream::{Length, Piece};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use wasi_common::stream::Reply;
use wasi_common::{Buffer, ByteMap, ContextType, Direction, Piece as Map, StreamKey};
use wasi_http::LocalResponse;

impl Host {
    /// Hands a piece that has passed all filters to the driver.
    pub(crate) fn emit(&mut self, key: StreamKey, direction: Direction, piece: Piece) {
        match (piece, direction) {
            (Piece::Headers { end_of_stream }, Direction::Request) => self.emit_request(key, end_of_stream),
            (Piece::Headers { end_of_stream }, Direction::Response) => self.emit_response(key, end_of_stream),
            (Piece::Body { data, end_of_stream }, _) => self.emit_body(key, direction, data, end_of_stream),
            (Piece::Trailers, _) => self.emit_trailers(key, direction),
            (Piece::Metadata(map), _) => self.emit_metadata(key, direction, map),
        }
        self.announce(key);
    }

    fn emit_request(&mut self, key: StreamKey, end_of_stream: bool) {
        let Some(stream) = self.stream(key) else { return };
        if let Some(connections) = stream.connections() {
            connections.connects = true;
            return stream.outputs.push_back(Output::ConnectUpstream);
        }
        let keep = stream.keeps_maps;
        let Some(slots) = self.streams.get_mut(key) else {
            return;
        };
        if let Some(times) = &mut slots.times {
            times.sent();
        }
        let taken = take_request(slots.map(Direction::Request, Map::Headers), keep);
        let Some(stream) = self.stream(key) else { return };
        match taken {
            Ok(mut head) => {
                if end_of_stream {
                    promise_no_body(&mut head.headers);
                }
                *stream.length(Direction::Request) = declared(&head.headers, end_of_stream);
                stream
                    .outputs
                    .push_back(Output::RequestHeaders { head, end_of_stream });
            }
            Err(error) => {
                let filters = stream.filters.len();
                self.invalid("request", &error);
                let response = LocalResponse::text(400, "Bad Request\n");
                self.respond_or_reset(key, filters, response, ResetReason::PluginFailed);
            }
        }
    }

    fn emit_response(&mut self, key: StreamKey, end_of_stream: bool) {
        let keep = self.keeps_maps(key);
        let Some(slots) = self.streams.get_mut(key) else {
            return;
        };
        if matches!(slots.reply, Reply::Sent | Reply::Closed) {
            return;
        }
        let taken = take_response(slots.map(Direction::Response, Map::Headers), keep);
        let bodiless = self
            .states
            .get(key.index())
            .is_some_and(|stream| stream.answered.head);
        match taken {
            Ok(mut head) => {
                slots.reply = Reply::Sent;
                if end_of_stream && !bodiless && head.status != StatusCode::NOT_MODIFIED {
                    promise_no_body(&mut head.headers);
                }
                let Some(stream) = self.stream(key) else { return };
                // The length of a response to HEAD is that of another response.
                *stream.length(Direction::Response) = if bodiless {
                    Length::default()
                } else {
                    declared(&head.headers, end_of_stream)
                };
                stream
                    .outputs
                    .push_back(Output::ResponseHeaders { head, end_of_stream });
            }
            Err(error) => {
                self.invalid("response", &error);
                // Every filter has seen a response already, so this one passes none.
                self.respond(key, 0, LocalResponse::text(502, "Bad Gateway\n"));
            }
        }
    }

    fn emit_body(&mut self, key: StreamKey, direction: Direction, mut data: Buffer, end_of_stream: bool) {
        let Some(stream) = self.stream(key) else { return };
        let length = stream.length(direction);
        length.sent += data.len() as u64;
        let wrong = length
            .declared
            .is_some_and(|declared| length.sent > declared || (end_of_stream && length.sent < declared));
        if wrong {
            return self.reset(key, ResetReason::LengthChanged);
        }
        let kind = stream.context_type();
        let output = |data, end_of_stream| match (kind, direction) {
            (ContextType::Http, Direction::Request) => Output::RequestBody { data, end_of_stream },
            (ContextType::Http, Direction::Response) => Output::ResponseBody { data, end_of_stream },
            (ContextType::Bytestream, Direction::Request) => Output::UpstreamData { data, end_of_stream },
            (ContextType::Bytestream, Direction::Response) => Output::DownstreamData { data, end_of_stream },
        };
        if data.is_empty() && end_of_stream {
            stream.outputs.push_back(output(Bytes::new(), true));
        }
        while let Some(chunk) = data.pop() {
            let last = end_of_stream && data.is_empty();
            stream.outputs.push_back(output(chunk, last));
        }
        if end_of_stream && kind == ContextType::Bytestream {
            stream.sent_end(direction);
        }
    }

    fn emit_trailers(&mut self, key: StreamKey, direction: Direction) {
        let Some(stream) = self.stream(key) else { return };
        let length = stream.length(direction);
        if length.declared.is_some_and(|declared| length.sent < declared) {
            return self.reset(key, ResetReason::LengthChanged);
        }
        let keep = self.keeps_maps(key);
        let Some(slots) = self.streams.get_mut(key) else {
            return;
        };
        let taken = take_trailers(slots.map(direction, Map::Trailers), keep);
        let Some(stream) = self.stream(key) else { return };
        match (taken, direction) {
            (Ok(trailers), Direction::Request) => {
                stream.outputs.push_back(Output::RequestTrailers(trailers));
            }
            (Ok(trailers), Direction::Response) => {
                stream.outputs.push_back(Output::ResponseTrailers(trailers));
            }
            (Err(error), _) => {
                self.invalid("trailers", &error);
                self.reset(key, ResetReason::InvalidTrailers);
            }
        }
    }

    fn emit_metadata(&mut self, key: StreamKey, direction: Direction, map: ByteMap) {
        let Some(stream) = self.stream(key) else { return };
        stream.outputs.push_back(match direction {
            Direction::Request => Output::RequestMetadata(map),
            Direction::Response => Output::ResponseMetadata(map),
        });
    }

    /// Whether any plugin could still read a map after it left.
    fn keeps_maps(&self, key: StreamKey) -> bool {
        self.states
            .get(key.index())
            .is_some_and(|stream| stream.keeps_maps)
    }

    fn invalid(&self, message: &str, error: &MessageError) {
        tracing::warn!("plugins left a {message} that cannot be sent: {error}");
    }
}

/// A head that ends its message gives no length but 0: a peer would take what comes next for the body.
fn promise_no_body(headers: &mut HeaderMap) {
    if headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") {
        headers.remove(CONTENT_LENGTH);
    }
}

/// The length that a head gives to the body that follows.
fn declared(headers: &HeaderMap, end_of_stream: bool) -> Length {
    if end_of_stream {
        return Length::default();
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    Length {
        declared: length.and_then(|value| value.parse().ok()),
        sent: 0,
    }
}
