//! Local responses, resets, and what happens when a plugin fails.

use crate::backtrace::Failure;
use crate::callback::Callback;
use crate::config::FailurePolicy;
use crate::host::{Host, StreamId};
use crate::instance::Instance;
use crate::output::{LocalAnswer, Output, ResetReason};
use crate::stream::effects::DIRECTIONS;
use crate::stream::parts::At;
use crate::stream::{Length, Piece, Place, StreamState, Work};
use std::time::Instant;
use wasi_common::stream::Reply;
use wasi_common::{Buffer, ContextType, Direction, Piece as Map, StreamKey};
use wasi_http::LocalResponse;

impl Host {
    /// Whose answer a stream got, where a plugin gave it or is to blame for it.
    pub fn local_answer(&self, id: StreamId) -> Option<LocalAnswer> {
        let stream = self.states.get(id.0.index());
        stream.filter(|stream| stream.key == Some(id.0))?.local_answer
    }

    /// Answers the downstream. The answer passes the filters before `below`, in the order of a response, that no response has come
    /// to yet.
    pub(crate) fn respond(&mut self, key: StreamKey, below: usize, response: LocalResponse) {
        let Some(stream) = self
            .states
            .get_mut(key.index())
            .filter(|stream| stream.key == Some(key))
        else {
            return;
        };
        if stream.finished {
            return;
        }
        let details = response.details.clone();
        let (head, body) = response.into_message(stream.answered);
        let below = below.min(stream.response_low);
        self.silence(key);
        let Some(stream) = self.stream(key) else { return };
        *stream.length(Direction::Response) = Length::default();
        stream.outputs.push_back(Output::UpstreamAbandoned);
        let place = below.checked_sub(1).map_or(Place::Out, Place::Filter);
        if let Some(slots) = self.streams.get_mut(key) {
            slots.reply = Reply::Local;
            slots.response_details = details;
            let [request, _] = slots.body_bytes;
            slots.body_bytes = [request, body.len() as u64];
            slots.map(Direction::Response, Map::Headers).put_map(head);
            slots.map(Direction::Response, Map::Trailers).clear();
        }
        let end_of_stream = body.is_empty();
        let direction = Direction::Response;
        self.work.push_back(Work {
            key,
            place,
            direction,
            piece: Piece::Headers { end_of_stream },
        });
        if !end_of_stream {
            let piece = Piece::Body {
                data: Buffer::from(body),
                end_of_stream: true,
            };
            self.work.push_back(Work {
                key,
                place,
                direction,
                piece,
            });
        }
        self.announce(key);
    }

    /// Resets a stream.
    pub(crate) fn reset(&mut self, key: StreamKey, reason: ResetReason) {
        self.silence(key);
        if let Some(slots) = self.streams.get_mut(key) {
            slots.reply = Reply::Closed;
        }
        let Some(stream) = self.stream(key).filter(|stream| !stream.finished) else {
            return;
        };
        stream.outputs.push_back(Output::Reset(reason));
        self.announce(key);
    }

    /// Answers while that is possible, else resets.
    pub(crate) fn respond_or_reset(
        &mut self,
        key: StreamKey,
        below: usize,
        response: LocalResponse,
        reason: ResetReason,
    ) {
        match self.reply(key) {
            Reply::Open | Reply::Local => self.respond(key, below, response),
            Reply::Sent => self.reset(key, reason),
            Reply::Closed => {}
        }
    }

    /// Takes no more of the messages of a stream and drops what is on its way: what was held, what waits, what the driver has
    /// not taken. What was held of a byte stream stays readable until its end.
    pub(crate) fn silence(&mut self, key: StreamKey) {
        self.work.retain(|work| work.key != key);
        let Some(stream) = self.stream(key) else { return };
        stream.open = [false, false];
        stream.outputs.clear();
        for lane in stream.filters.iter_mut().flat_map(|filter| &mut filter.lanes) {
            lane.clear();
        }
        let keeps_data = stream.context_type() == ContextType::Bytestream;
        let Some(slots) = self.streams.get_mut(key) else {
            return;
        };
        for lane in slots.filters.iter_mut().flat_map(|filter| &mut filter.lanes) {
            if !keeps_data {
                lane.body.clear();
            }
            lane.body_written = false;
            lane.flow = Default::default();
            lane.seal();
        }
    }

    /// An instance trapped, ran out of time or was stopped, in a callback of a plugin, which may have been for a stream.
    pub(crate) fn fail(
        &mut self,
        (vm, generation): (usize, u64),
        (plugin_id, callback): (u32, Callback),
        stream: Option<StreamKey>,
        error: &wasmtime::Error,
    ) {
        let Some(instance) = self.vms.get_mut(vm).and_then(|slot| slot.instance.as_mut()) else {
            return;
        };
        let reason = Failure(error).to_string();
        if let Some(figures) = instance.figures(plugin_id) {
            figures.failed(callback, reason.clone());
        }
        let plugin = instance.state().common.contexts.plugin(plugin_id);
        tracing::error!(
            plugin = plugin.map_or("", |plugin| plugin.settings.name.as_str()),
            callback = callback.name(),
            stream = stream.map(StreamKey::index),
            "a plugin failed: {reason}"
        );
        self.fail_vm(vm, generation);
    }

    /// Drops a failed instance and gives each of its streams the policy.
    pub(crate) fn fail_vm(&mut self, vm: usize, generation: u64) {
        let Some(slot) = self.vms.get_mut(vm).filter(|slot| slot.generation == generation) else {
            return;
        };
        let plugin = slot.instance.as_mut().map(Instance::name);
        let held_back = slot.drop_failed(Instant::now());
        if let Some((failures, wait)) = held_back.filter(|_| !slot.transient) {
            tracing::error!(
                plugin,
                failures,
                "its instances fail again and again; the next one is made in {:.1} s, and streams get its failure policy until then",
                wait.as_secs_f64()
            );
        }
        let dropped = slot.generation;
        self.free_vm(vm, dropped);
        self.apply_failure(vm, generation);
    }

    /// Gives each stream of an instance that is gone its policy, once.
    pub(crate) fn apply_failure(&mut self, vm: usize, generation: u64) {
        let lost = |stream: &StreamState| {
            stream
                .filters
                .iter()
                .any(|filter| filter.alive && (filter.vm, filter.generation) == (vm, generation))
        };
        self.deferred
            .retain(|deferred| (deferred.vm, deferred.generation) != (vm, generation));
        self.cancel_callouts(vm, generation);
        self.timers.set(vm, None);
        self.retirement.context_ended = true;
        self.lose_backgrounds(vm, generation);
        let affected: Vec<StreamKey> = self
            .states
            .iter()
            .filter(|stream| lost(stream))
            .filter_map(|stream| stream.key)
            .collect();
        for key in affected {
            self.lose_filters(key, vm, generation);
        }
    }

    fn lose_filters(&mut self, key: StreamKey, vm: usize, generation: u64) {
        let Some(stream) = self.stream(key) else { return };
        let mut closed_at = None;
        let mut open = Vec::new();
        for (index, filter) in stream.filters.iter_mut().enumerate() {
            if !filter.alive || (filter.vm, filter.generation) != (vm, generation) {
                continue;
            }
            filter.alive = false;
            filter.lanes.iter_mut().for_each(|lane| lane.bypassed = true);
            match filter.failure {
                FailurePolicy::Open => open.push(index),
                FailurePolicy::Closed | FailurePolicy::Reload => closed_at = closed_at.or(Some(index)),
            }
        }
        let kind = stream.context_type();
        let open_ended = stream.is_open(Direction::Request);
        if stream.finished {
            self.close_if_done(key);
        } else if open_ended && (self.reply(key) == Reply::Closed || self.is_close_lost(key)) {
            // A plugin has asked for this, and what it asked for may have gone with the instance.
            self.reset(key, ResetReason::Closed);
        } else if let Some(index) = closed_at {
            if let Some(stream) = self.stream(key) {
                stream.local_answer = Some(LocalAnswer::PluginFailed(index));
            }
            self.respond_or_reset(key, index, unavailable(), ResetReason::PluginFailed);
        } else {
            // So may the answer that a plugin gave.
            if open_ended
                && let Some(slots) = self.streams.get_mut(key)
                && slots.reply == Reply::Local
            {
                slots.reply = Reply::Open;
            }
            for index in open {
                for direction in DIRECTIONS {
                    self.release_all(At {
                        key,
                        kind,
                        index,
                        direction,
                    });
                }
            }
        }
    }

    /// No instance of a plugin can be had for a stream that begins.
    pub(crate) fn unavailable(&mut self, key: StreamKey, index: usize, failure: FailurePolicy) {
        let Some(stream) = self.stream(key) else { return };
        if let Some(filter) = stream.filters.get_mut(index) {
            filter.lanes.iter_mut().for_each(|lane| lane.bypassed = true);
        }
        if failure != FailurePolicy::Open {
            stream.local_answer = Some(LocalAnswer::PluginFailed(index));
            self.respond_or_reset(key, index, unavailable(), ResetReason::PluginFailed);
        }
    }
}

/// The answer to a stream whose plugin failed.
pub(crate) fn unavailable() -> LocalResponse {
    LocalResponse::text(503, "Service Unavailable\n")
}
