//! The two connections of a byte stream, and how they close.
//!
//! *In order*: each plugin's share goes on to its end, and a connection is closed when what goes to it has been written. *Reset*: both at
//! once, and what is on its way is dropped.

use crate::callback::Callback;
use crate::host::{Effect, Host, StreamId};
use crate::output::{Output, ResetReason};
use crate::stream::effects::DIRECTIONS;
use crate::stream::parts::At;
use crate::stream::{Connections, Piece, StreamState, of};
use wasi_bytestream::{Phase, Side};
use wasi_common::stream::Reply;
use wasi_common::{Buffer, CloseSource, Context, Direction, Flow, StreamKey};

const SIDES: [Side; 2] = [Side::Upstream, Side::Downstream];

impl Host {
    /// The driver says that a connection is closed.
    pub(crate) fn connection_closed(&mut self, id: StreamId, side: Side, source: CloseSource) {
        let key = id.0;
        let Some(stream) = self.stream(key).filter(|stream| !stream.finished) else {
            return;
        };
        let Some(connections) = stream.connections() else {
            return;
        };
        let by = connections.closed_by(side);
        if by.is_some() {
            return;
        }
        *by = Some(source);
        let from = side.direction();
        let in_order = of(connections.received_end, from) || connections.closing;
        let sent = of(connections.sent_end, from);
        self.current = Some(key);
        self.shut(key, side.other().direction());
        // Where what it sent is complete, but still on its way through the chain, plugins are told when the stream is over.
        if sent || !in_order {
            self.shut(key, from);
            self.tell_of_end(key, side);
        }
        // A plugin that was told may have failed.
        if self.reply(key) != Reply::Closed {
            if sent || in_order {
                self.close_when_written(key);
            } else {
                self.reset(key, ResetReason::Disconnected);
            }
        }
        self.run();
    }

    /// A plugin closes a connection: what it has forwarded goes on to its end, both ways, and what it holds goes no further.
    pub(crate) fn close_in_order(&mut self, context: Context) {
        let key = context.stream;
        if self.reply(key) == Reply::Closed {
            return;
        }
        let Some(stream) = self.stream(key) else { return };
        let Some(connections) = stream.connections() else {
            return;
        };
        if !connections.connects {
            // Nobody waits for what it has forwarded.
            connections.closing = true;
            if !stream.open.contains(&true) {
                // Another plugin has closed it.
                return;
            }
            self.silence(key);
            if let Some(stream) = self.stream(key) {
                stream.outputs.push_back(Output::CloseDownstream);
            }
            return self.announce(key);
        }
        self.close_when_written(key);
        for direction in DIRECTIONS {
            let at = At::of(context, direction);
            self.discard(at);
            if self.lane(at).is_some_and(|lane| !lane.ended) {
                let piece = Piece::Body {
                    data: Buffer::new(),
                    end_of_stream: true,
                };
                self.send_on(at, piece);
            }
        }
        self.announce(key);
    }

    /// Whether a plugin has asked to close a connection, and what it asked for went with its instance.
    pub(crate) fn is_close_lost(&mut self, key: StreamKey) -> bool {
        let filters = self.streams.get(key).map_or(&[][..], |slots| &slots.filters);
        let asked = DIRECTIONS.map(|from| {
            filters
                .iter()
                .any(|filter| of(filter.lanes.each_ref(), from).closes)
        });
        let Some(connections) = self.stream(key).and_then(|stream| stream.connections()) else {
            return false;
        };
        let is_closed = |direction| of(connections.closed_by, direction).is_some();
        let lost = DIRECTIONS
            .into_iter()
            .any(|from| of(asked, from) && !is_closed(from));
        if connections.closing || !lost {
            return false;
        }
        let closes = self.effects.iter().filter_map(|queued| match queued.effect {
            Effect::Bytestream(wasi_bytestream::Effect::Close { context_id, .. }) => {
                Some((queued.vm, queued.generation, context_id))
            }
            _ => None,
        });
        let closes: Vec<_> = closes.collect();
        !closes.into_iter().any(|(vm, generation, context_id)| {
            let context = self.context(vm, generation, context_id);
            context.is_some_and(|context| context.stream == key)
        })
    }

    /// Tells the plugins of each connection that they do not know to be closed: the stream is over.
    pub(crate) fn tell_of_all_ends(&mut self, key: StreamKey) {
        for side in SIDES {
            self.tell_of_end(key, side);
        }
    }

    /// Tells the plugins that a connection is closed, each as long as it lives and is not done.
    fn tell_of_end(&mut self, key: StreamKey, side: Side) {
        let Some(stream) = self.stream(key) else { return };
        let filters = stream.filters.len();
        let Some(connections) = stream.connections() else {
            return;
        };
        let exists = side == Side::Downstream || connections.connects;
        if !exists || std::mem::replace(of(connections.told.each_mut(), side.direction()), true) {
            return;
        }
        let source = connections.closed_by(side).unwrap_or(CloseSource::Local);
        if let Some(slots) = self.streams.get_mut(key) {
            *slots.closed(side.direction()) = true;
        }
        let phase = Phase::close(side);
        for nth in 0..filters {
            let index = match side {
                Side::Downstream => nth,
                Side::Upstream => filters - 1 - nth,
            };
            let filter = self.stream(key).and_then(|stream| stream.filters.get(index));
            let called = filter.is_some_and(|filter| {
                filter.phases.contains_bytestream(phase) && !filter.lanes.iter().all(|lane| lane.bypassed)
            });
            if called {
                self.call(
                    key,
                    index,
                    Callback::Bytestream(phase),
                    |callbacks, store, context_id| {
                        callbacks.bytestream.closed(store, side, context_id, source)
                    },
                );
            }
        }
    }

    /// Nobody takes what goes in a direction any more: it is dropped wherever it is.
    fn shut(&mut self, key: StreamKey, direction: Direction) {
        self.work
            .retain(|work| work.key != key || work.direction != direction);
        let Some(stream) = self.stream(key) else { return };
        *of(stream.open.each_mut(), direction) = false;
        let kind = stream.context_type();
        for index in 0..stream.filters.len() {
            self.discard(At {
                key,
                kind,
                index,
                direction,
            });
        }
    }

    /// Drops what a filter holds of a direction. It stays readable.
    fn discard(&mut self, at: At) {
        if let Some(lane) = self.lane(at) {
            lane.clear();
        }
        if let Some(shared) = self.shared_lane(at) {
            shared.flow = Flow::Open;
            shared.seal();
        }
    }

    /// Has each connection closed when what goes to it has been written.
    fn close_when_written(&mut self, key: StreamKey) {
        let Some(stream) = self.stream(key) else { return };
        let Some(connections) = stream.connections() else {
            return;
        };
        if std::mem::replace(&mut connections.closing, true) {
            return;
        }
        for direction in DIRECTIONS {
            stream.close_if_written(direction);
        }
    }
}

// === impl StreamState ===

impl StreamState {
    /// The end of a direction has left the chain.
    pub(crate) fn sent_end(&mut self, direction: Direction) {
        if let Some(connections) = self.connections() {
            *of(connections.sent_end.each_mut(), direction) = true;
        }
        self.close_if_written(direction);
    }

    fn close_if_written(&mut self, direction: Direction) {
        let Some(connections) = self.connections() else {
            return;
        };
        let taker = Side::of(direction).other();
        let closes = connections.closing
            && of(connections.sent_end, direction)
            && connections.closed_by(taker).is_none();
        if closes {
            self.outputs.push_back(match taker {
                Side::Upstream => Output::CloseUpstream,
                Side::Downstream => Output::CloseDownstream,
            });
        }
    }
}

// === impl Connections ===

impl Connections {
    /// Who closed a connection, once it is closed.
    fn closed_by(&mut self, side: Side) -> &mut Option<CloseSource> {
        of(self.closed_by.each_mut(), side.direction())
    }
}
