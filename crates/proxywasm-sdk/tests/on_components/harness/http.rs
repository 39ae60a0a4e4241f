//! What happens on HTTP streams.

#![allow(clippy::expect_used, reason = "a test whose surroundings fail has to fail")]

use super::{Guest, Pairs};
use bytes::Bytes;
use wasi_common::stream::{Flow, Lane};
use wasi_common::{Access, Action, ByteMap, Direction, Piece};
use wasi_http::{CallEffect, Effect, HttpCallbacks};
use wasmtime::AsContextMut;

impl Guest {
    /// Delivers headers; returns the action, and what the headers are then.
    pub(crate) fn headers(&mut self, direction: Direction, headers: &[(&str, &str)]) -> (Action, Pairs) {
        self.put(direction, Piece::Headers, headers);
        self.enter(self.context_id, "headers");
        let size = headers.len() as u32;
        let store = self.store.as_context_mut();
        let action = self
            .callbacks
            .http
            .headers(store, direction, self.context_id, size, false)
            .expect("no trap")
            .expect("a known action");
        self.answered(direction, action);
        (action, self.get(direction, Piece::Headers))
    }

    /// Delivers trailers; returns the action, and what the trailers are then.
    pub(crate) fn trailers(&mut self, direction: Direction, trailers: &[(&str, &str)]) -> (Action, Pairs) {
        self.put(direction, Piece::Trailers, trailers);
        self.enter(self.context_id, "trailers");
        let size = trailers.len() as u32;
        let store = self.store.as_context_mut();
        let action = self
            .callbacks
            .http
            .trailers(store, direction, self.context_id, size)
            .expect("no trap")
            .expect("a known action");
        self.answered(direction, action);
        (action, self.get(direction, Piece::Trailers))
    }

    /// Delivers a piece of a body behind what is held; returns the action, and what the body is then.
    pub(crate) fn body(
        &mut self,
        direction: Direction,
        piece: &[u8],
        end_of_stream: bool,
    ) -> (Action, Vec<u8>) {
        self.enter(self.context_id, "body");
        let lane = self.lane(direction);
        lane.body_access = Access::Write;
        lane.body.push(Bytes::copy_from_slice(piece));
        let size = lane.body.len() as u32;
        let store = self.store.as_context_mut();
        let action = self
            .callbacks
            .http
            .body(store, direction, self.context_id, size, end_of_stream)
            .expect("no trap")
            .expect("a known action");
        self.answered(direction, action);
        let body = self
            .lane(direction)
            .body
            .range(0, usize::MAX)
            .collect::<Vec<_>>()
            .concat();
        (action, body)
    }

    /// What was asked for on streams since the last call.
    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        self.collect_effects();
        std::mem::take(&mut self.stream_effects)
    }

    /// What was asked of the driver of HTTP calls since the last call.
    pub(crate) fn call_effects(&mut self) -> Vec<CallEffect> {
        self.collect_effects();
        std::mem::take(&mut self.call_effects)
    }

    fn collect_effects(&mut self) {
        for effect in self.store.data_mut().http.take_effects() {
            match effect {
                Effect::Call(effect) => self.call_effects.push(effect),
                effect => self.stream_effects.push(effect),
            }
        }
    }

    /// A piece was answered: whether the plugin holds the direction.
    pub(super) fn answered(&mut self, direction: Direction, action: Action) {
        let holds = matches!(
            action,
            Action::Pause | Action::WaitForMoreData | Action::WaitForEndOrFull
        );
        self.lane(direction).flow = if holds { Flow::Held } else { Flow::Open };
        self.leave();
    }

    pub(super) fn lane(&mut self, direction: Direction) -> &mut Lane {
        let stream = self
            .store
            .data_mut()
            .common
            .streams
            .get_mut(self.stream)
            .expect("the stream lives");
        stream.lane(0, direction).expect("one filter")
    }

    fn put(&mut self, direction: Direction, piece: Piece, pairs: &[(&str, &str)]) {
        let map: ByteMap = pairs.iter().copied().collect();
        let stream = self
            .store
            .data_mut()
            .common
            .streams
            .get_mut(self.stream)
            .expect("the stream lives");
        stream.map(direction, piece).put_map(map);
        *self.lane(direction).map_access(piece) = Access::Write;
    }

    fn get(&mut self, direction: Direction, piece: Piece) -> Pairs {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stream = self
            .store
            .data_mut()
            .common
            .streams
            .get_mut(self.stream)
            .expect("the stream lives");
        stream
            .map(direction, piece)
            .read()
            .iter()
            .map(|(key, value)| (text(key), text(value)))
            .collect()
    }
}
