//! A part of a message comes to a filter.

use crate::callback::Callback;
use crate::host::Host;
use crate::stream::{Hold, LaneState, Piece, Place, StreamState, Work};
use wasi_bytestream::Side;
use wasi_common::stream::Lane;
use wasi_common::{Access, Buffer, ByteMap, Context, ContextType, Direction, Flow, Piece as Map, StreamKey};
use wasi_http::{Part, Phase};

/// A filter of a stream, in one direction.
#[derive(Clone, Copy)]
pub(crate) struct At {
    pub(crate) key: StreamKey,
    pub(crate) kind: ContextType,
    pub(crate) index: usize,
    pub(crate) direction: Direction,
}

impl Host {
    /// Takes a piece one step further.
    pub(crate) fn advance(&mut self, work: Work) {
        let Work {
            key,
            place,
            direction,
            piece,
        } = work;
        match place {
            Place::Out => self.emit(key, direction, piece),
            Place::Filter(index) => self.arrive(key, index, direction, piece),
        }
    }

    fn arrive(&mut self, key: StreamKey, index: usize, direction: Direction, piece: Piece) {
        let Some(stream) = self.stream(key) else { return };
        let at = At {
            key,
            kind: stream.context_type(),
            index,
            direction,
        };
        if at.direction == Direction::Response {
            stream.response_low = stream.response_low.min(at.index);
        }
        let Some(filter) = stream.filters.get_mut(at.index) else {
            return;
        };
        let (phases, bound) = (filter.phases, filter.bound);
        let lane = filter.lane(at.direction);
        if lane.ended {
            return;
        }
        if lane.hold == Hold::Pause {
            lane.unseen.push_back(piece);
            return;
        }
        let calls = |part| !lane.bypassed && phases.contains(Phase::new(at.direction, part));
        match piece {
            Piece::Headers { end_of_stream } if calls(Part::Headers) => {
                lane.headers = Some(end_of_stream);
                match at.kind {
                    ContextType::Http => self.headers(at, end_of_stream),
                    ContextType::Bytestream => self.connection(at),
                }
            }
            Piece::Body { data, end_of_stream } if calls(Part::Body) => {
                self.body(at, data, end_of_stream, bound);
            }
            Piece::Trailers => {
                let (body, trailers) = (calls(Part::Body), calls(Part::Trailers));
                self.trailers(at, body, trailers);
            }
            Piece::Metadata(map) if calls(Part::Metadata) => self.metadata(at, map),
            piece => self.uncalled(at, piece),
        }
    }

    fn headers(&mut self, at: At, end_of_stream: bool) {
        let Some(num_headers) = self.begin(at, Some(Map::Headers)) else {
            return;
        };
        let callback = Callback::Http(Phase::new(at.direction, Part::Headers));
        let returned = self.call(at.key, at.index, callback, |callbacks, store, context_id| {
            callbacks
                .http
                .headers(store, at.direction, context_id, num_headers, end_of_stream)
        });
        if let Some(returned) = returned {
            self.act(at, Part::Headers, returned, end_of_stream);
        }
    }

    fn connection(&mut self, at: At) {
        if self.begin(at, None).is_none() {
            return;
        }
        let callback = at.callback(Part::Headers);
        let returned = self.call(at.key, at.index, callback, |callbacks, store, context_id| {
            callbacks.bytestream.new_connection(store, context_id)
        });
        if let Some(returned) = returned {
            self.act(at, Part::Headers, returned, false);
        }
    }

    fn body(&mut self, at: At, mut data: Buffer, end_of_stream: bool, bound: usize) {
        let Some(lane) = self.lane(at) else { return };
        lane.has_body = true;
        lane.body_end |= end_of_stream;
        let waits = lane.hold == Hold::EndOrFull;
        let Some(shared) = self.shared_lane(at) else {
            return;
        };
        while let Some(chunk) = data.pop() {
            shared.body.push(chunk);
        }
        shared.body_access = Access::Write;
        if end_of_stream {
            // The last piece: trailers can be created now.
            *shared.map_access(Map::Trailers) = Access::Write;
        }
        if waits && !end_of_stream && shared.body.len() < bound {
            return;
        }
        self.call_body(at, end_of_stream);
    }

    /// Calls the plugin for the body that is here.
    pub(crate) fn call_body(&mut self, at: At, end_of_stream: bool) {
        let Some(shared) = self.shared_lane(at) else {
            return;
        };
        shared.body_access = Access::Write;
        let size = u32::try_from(shared.body.len()).unwrap_or(u32::MAX);
        if self.begin(at, None).is_none() {
            return;
        }
        let callback = at.callback(Part::Body);
        let returned = self.call(
            at.key,
            at.index,
            callback,
            |callbacks, store, context_id| match at.kind {
                ContextType::Http => {
                    callbacks
                        .http
                        .body(store, at.direction, context_id, size, end_of_stream)
                }
                ContextType::Bytestream => {
                    let side = Side::of(at.direction);
                    callbacks
                        .bytestream
                        .data(store, side, context_id, size, end_of_stream)
                }
            },
        );
        if let Some(returned) = returned {
            self.act(at, Part::Body, returned, end_of_stream);
        }
    }

    fn trailers(&mut self, at: At, calls_body: bool, calls_trailers: bool) {
        let Some(lane) = self.lane(at) else { return };
        if lane.hold == Hold::EndOrFull && calls_body {
            // The trailers say that the body is complete, which is what the plugin waits for. It may write one where none came.
            lane.has_body = true;
            self.call_body(at, true);
            let Some(lane) = self.lane(at) else { return };
            match lane.hold {
                _ if lane.ended => return,
                Hold::Pause => return lane.unseen.push_back(Piece::Trailers),
                _ => {}
            }
            // It may have answered, closed the stream or failed meanwhile.
            if !self
                .stream(at.key)
                .is_some_and(|stream| stream.is_open(at.direction))
            {
                return;
            }
            let bypassed = self.lane(at).is_none_or(|lane| lane.bypassed);
            return self.last_part(at, calls_trailers && !bypassed);
        }
        self.last_part(at, calls_trailers);
    }

    fn last_part(&mut self, at: At, calls_trailers: bool) {
        let Some(lane) = self.lane(at) else { return };
        lane.trailers = true;
        if !calls_trailers {
            if let Some(shared) = self.shared_lane(at) {
                *shared.map_access(Map::Trailers) = Access::Read;
            }
            return self.release(at, false);
        }
        let Some(num_trailers) = self.begin(at, Some(Map::Trailers)) else {
            return;
        };
        let callback = Callback::Http(Phase::new(at.direction, Part::Trailers));
        let returned = self.call(at.key, at.index, callback, |callbacks, store, context_id| {
            callbacks
                .http
                .trailers(store, at.direction, context_id, num_trailers)
        });
        if let Some(returned) = returned {
            self.act(at, Part::Trailers, returned, true);
        }
    }

    fn metadata(&mut self, at: At, map: ByteMap) {
        let Some(stream) = self.streams.get_mut(at.key) else {
            return;
        };
        stream.map(at.direction, Map::Metadata).put_map(map);
        let Some(num_elements) = self.begin(at, Some(Map::Metadata)) else {
            return;
        };
        let callback = Callback::Http(Phase::new(at.direction, Part::Metadata));
        let returned = self.call(at.key, at.index, callback, |callbacks, store, context_id| {
            callbacks
                .http
                .metadata(store, at.direction, context_id, num_elements)
        });
        let Some(stream) = self.streams.get_mut(at.key) else {
            return;
        };
        let map = std::mem::take(stream.map(at.direction, Map::Metadata).write());
        if let Some(shared) = self.shared_lane(at) {
            *shared.map_access(Map::Metadata) = Access::None;
        }
        if let Some(lane) = self.lane(at) {
            lane.push_metadata(map);
        }
        match returned {
            Some(returned) => self.act(at, Part::Metadata, returned, false),
            // The plugin failed; if the stream goes on without it, so does the frame.
            None if self
                .stream(at.key)
                .is_some_and(|stream| stream.is_open(at.direction)) =>
            {
                self.release(at, false);
            }
            None => {}
        }
    }

    /// A piece that the plugin is not called for: an absent callback answers `forward`.
    fn uncalled(&mut self, at: At, piece: Piece) {
        let Some(lane) = self.lane(at) else { return };
        let holds = lane.hold != Hold::None;
        match piece {
            Piece::Metadata(map) if holds => {
                lane.push_metadata(map);
                self.check_metadata(at);
            }
            Piece::Body {
                mut data,
                end_of_stream,
            } if holds => {
                (lane.has_body, lane.body_end) = (true, lane.body_end || end_of_stream);
                if let Some(shared) = self.shared_lane(at) {
                    while let Some(chunk) = data.pop() {
                        shared.body.push(chunk);
                    }
                }
                self.release(at, false);
            }
            piece => {
                if matches!(piece, Piece::Headers { .. })
                    && let Some(shared) = self.shared_lane(at)
                {
                    *shared.map_access(Map::Headers) = Access::Read;
                }
                self.send_on(at, piece);
            }
        }
    }

    /// Prepares a callback: the plugin may change the map, and may resume. Returns the number of pairs of the map.
    fn begin(&mut self, at: At, map: Option<Map>) -> Option<u32> {
        let stream = self.streams.get_mut(at.key)?;
        let pairs = map.map_or(0, |map| stream.map(at.direction, map).len());
        let shared = stream.lane(at.index, at.direction)?;
        if let Some(map) = map {
            *shared.map_access(map) = Access::Write;
        }
        shared.flow = Flow::Calling { resumed: false };
        Some(u32::try_from(pairs).unwrap_or(u32::MAX))
    }

    /// Sends a piece on to where it comes next.
    pub(crate) fn send_on(&mut self, at: At, piece: Piece) {
        let Some(stream) = self.stream(at.key) else { return };
        at.note_end(&piece, stream);
        let place = stream.next(at.index, at.direction);
        self.work.push_back(Work {
            key: at.key,
            place,
            direction: at.direction,
            piece,
        });
    }

    /// Sends the last of what goes on now: if it leaves the chain, and nothing else is on its way, it need not wait.
    pub(crate) fn send_last(&mut self, at: At, piece: Piece) {
        let Some(stream) = self.stream(at.key) else {
            return;
        };
        at.note_end(&piece, stream);
        let place = stream.next(at.index, at.direction);
        if place == Place::Out && self.work.is_empty() {
            self.emit(at.key, at.direction, piece);
        } else {
            self.work.push_back(Work {
                key: at.key,
                place,
                direction: at.direction,
                piece,
            });
        }
    }

    pub(crate) fn lane(&mut self, at: At) -> Option<&mut LaneState> {
        self.stream(at.key)?.lane(at.index, at.direction)
    }

    pub(crate) fn shared_lane(&mut self, at: At) -> Option<&mut Lane> {
        self.streams.get_mut(at.key)?.lane(at.index, at.direction)
    }
}

// === impl At ===

impl At {
    /// The filter that a context stands for.
    pub(crate) fn of(context: Context, direction: Direction) -> Self {
        Self {
            key: context.stream,
            kind: context.kind,
            index: context.filter,
            direction,
        }
    }

    /// The other direction.
    pub(crate) fn opposite(self) -> Self {
        let direction = match self.direction {
            Direction::Request => Direction::Response,
            Direction::Response => Direction::Request,
        };
        Self { direction, ..self }
    }

    /// The callback for a part.
    pub(crate) fn callback(self, part: Part) -> Callback {
        match self.kind {
            ContextType::Http => Callback::Http(Phase::new(self.direction, part)),
            ContextType::Bytestream => Callback::Bytestream(self.bytestream_phase(part)),
        }
    }

    /// What a part is of a byte stream.
    pub(crate) fn bytestream_phase(self, part: Part) -> wasi_bytestream::Phase {
        match part {
            Part::Headers => wasi_bytestream::Phase::NewConnection,
            _ => wasi_bytestream::Phase::data(Side::of(self.direction)),
        }
    }

    /// Behind the end of a direction of a byte stream nothing goes on. (A body of HTTP may have trailers behind it.)
    #[inline]
    fn note_end(self, piece: &Piece, stream: &mut StreamState) {
        let ends = || {
            matches!(
                piece,
                Piece::Body {
                    end_of_stream: true,
                    ..
                }
            )
        };
        if self.kind == ContextType::Bytestream
            && ends()
            && let Some(lane) = stream.lane(self.index, self.direction)
        {
            lane.ended = true;
        }
    }
}
