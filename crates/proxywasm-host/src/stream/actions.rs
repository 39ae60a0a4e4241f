//! A filter has returned: what its action does to what is there.

use crate::host::{Effect, Host, QueuedEffect};
use crate::output::ResetReason;
use crate::stream::parts::At;
use crate::stream::{Hold, Piece};
use wasi_common::stream::Reply;
use wasi_common::{Access, Action, ContextType, Direction, Flow, Piece as Map, Returned};
use wasi_http::{LocalResponse, Part, is_legal};

impl Host {
    /// Carries an action out. `end_of_stream` is what the callback was told.
    pub(crate) fn act(&mut self, at: At, part: Part, returned: Returned, end_of_stream: bool) {
        if self.is_overridden(at) {
            return;
        }
        if part == Part::Headers && returned == Ok(Action::Forward) {
            return self.forward_headers(at, end_of_stream);
        }
        let Some(shared) = self.shared_lane(at) else {
            return;
        };
        let resumed = shared.flow == Flow::Calling { resumed: true };
        shared.flow = Flow::Open;
        let held = shared.body.len();
        let action = self.legal_action(at, part, returned);
        let Some(filter) = self
            .stream(at.key)
            .and_then(|stream| stream.filters.get_mut(at.index))
        else {
            return;
        };
        let full = held >= filter.bound;
        let lane = filter.lane(at.direction);
        let waited = lane.hold;
        match action {
            Action::Pause | Action::Forward if resumed => self.release(at, false),
            // A wait that the end of the stream has satisfied already, or a resume has overtaken.
            Action::WaitForMoreData | Action::WaitForEndOrFull if resumed || end_of_stream => {
                self.release(at, false);
            }
            Action::Forward => self.forward(at, part),
            Action::EndStream => {
                self.release(at, part != Part::Trailers);
                if let Some(lane) = self.lane(at) {
                    lane.ended = true;
                }
            }
            Action::Done => {
                lane.bypassed = true;
                self.release(at, false);
                if at.kind == ContextType::Bytestream {
                    self.bypass(at.opposite());
                }
            }
            Action::Pause => self.hold(at, Hold::Pause),
            Action::WaitForMoreData if part == Part::Body && full => self.held_too_much(at),
            Action::WaitForMoreData => self.hold(at, Hold::MoreData),
            Action::WaitForEndOrFull if part == Part::Body && full && waited == Hold::EndOrFull => {
                self.held_too_much(at);
            }
            Action::WaitForEndOrFull => {
                self.hold(at, Hold::EndOrFull);
                if part == Part::Body && full {
                    // It is full already; the plugin is told so once.
                    self.call_body(at, false);
                }
            }
            Action::Close => self.reset(at.key, ResetReason::Closed),
        }
    }

    /// Whether the callback that has just returned answered or closed its own stream, so that its action does not count.
    fn is_overridden(&mut self, at: At) -> bool {
        if self.effects.is_empty() {
            return false;
        }
        let Some(filter) = self
            .stream(at.key)
            .and_then(|stream| stream.filters.get(at.index))
        else {
            return true;
        };
        let (vm, generation, own) = (filter.vm, filter.generation, filter.context_id);
        self.effects.iter().any(|queued| match queued {
            QueuedEffect {
                vm: from,
                generation: of,
                effect: Effect::Http(effect),
                ..
            } if (*from, *of) == (vm, generation) => match effect {
                wasi_http::Effect::Respond { context_id, .. } | wasi_http::Effect::Close { context_id } => {
                    *context_id == own
                }
                wasi_http::Effect::Resume { .. } | wasi_http::Effect::Call(_) => false,
            },
            _ => false,
        })
    }

    /// The action, or `close` and a log line for one that is not legal there.
    fn legal_action(&mut self, at: At, part: Part, returned: Returned) -> Action {
        let is_legal = |action| match at.kind {
            ContextType::Http => is_legal(part, action),
            ContextType::Bytestream => wasi_bytestream::is_legal(at.bytestream_phase(part), action),
        };
        let illegal = match returned {
            Ok(action) if is_legal(action) => return action,
            Ok(action) => format!("{action:?}"),
            Err(number) => number.0.to_string(),
        };
        let callback = at.callback(part).name();
        let plugin = self.plugin_name(at);
        tracing::warn!(
            plugin,
            callback,
            "a plugin returned an action that is not legal there: {illegal}"
        );
        Action::Close
    }

    /// Sends on what a filter holds, and has the plugin called no more.
    fn bypass(&mut self, at: At) {
        if let Some(lane) = self.lane(at) {
            lane.bypassed = true;
        }
        self.release_all(at);
    }

    fn plugin_name(&mut self, at: At) -> String {
        let Some(filter) = self
            .stream(at.key)
            .and_then(|stream| stream.filters.get(at.index))
        else {
            return String::new();
        };
        let (vm, plugin_id) = (filter.vm, filter.plugin_id);
        let instance = self.vms.get_mut(vm).and_then(|slot| slot.instance.as_mut());
        let plugin = instance.and_then(|instance| instance.state().common.contexts.plugin(plugin_id));
        plugin.map_or_else(String::new, |plugin| plugin.settings.name.clone())
    }

    fn forward(&mut self, at: At, part: Part) {
        let Some(lane) = self.lane(at) else { return };
        if part == Part::Metadata && lane.hold != Hold::None {
            // A frame does not end a wait for the body; it goes with what is held.
            if let Some(shared) = self.shared_lane(at) {
                shared.flow = Flow::Held;
            }
            return self.check_metadata(at);
        }
        self.release(at, false);
    }

    /// Sends headers on as they came: they are the first of a message, so nothing else is held.
    fn forward_headers(&mut self, at: At, end_of_stream: bool) {
        if let Some(lane) = self.lane(at) {
            lane.headers = None;
        }
        if let Some(shared) = self.shared_lane(at) {
            shared.flow = Flow::Open;
            *shared.map_access(Map::Headers) = Access::Read;
        }
        self.send_last(at, Piece::Headers { end_of_stream });
    }

    fn hold(&mut self, at: At, hold: Hold) {
        self.note_held(at.key, at.index);
        if let Some(lane) = self.lane(at) {
            lane.hold = hold;
        }
        if let Some(shared) = self.shared_lane(at) {
            shared.flow = Flow::Held;
        }
    }

    /// Sends on everything that a filter holds of a direction. With `end` nothing follows it.
    pub(crate) fn release(&mut self, at: At, end: bool) {
        let Some(lane) = self.lane(at) else { return };
        lane.hold = Hold::None;
        let headers = lane.headers.take();
        let has_body = std::mem::take(&mut lane.has_body);
        let body_end = std::mem::take(&mut lane.body_end);
        let trailers = std::mem::take(&mut lane.trailers);
        let metadata = std::mem::take(&mut lane.metadata);
        lane.metadata_bytes = 0;

        let Some(stream) = self.streams.get_mut(at.key) else {
            return;
        };
        let created = body_end && !end && !trailers && stream.map(at.direction, Map::Trailers).is_present();
        let Some(shared) = stream.lane(at.index, at.direction) else {
            return;
        };
        let body = std::mem::take(&mut shared.body);
        let written = std::mem::take(&mut shared.body_written);
        shared.flow = Flow::Open;
        shared.seal();
        shared.body_access = Access::None;
        let trailers = (trailers || created) && !end;

        if let Some(end_of_stream) = headers {
            let complete = body_end || trailers || end;
            let cut = end && !end_of_stream;
            if cut || (has_body && written) {
                let length = complete.then_some(body.len());
                self.correct_length(at, length);
            }
            let end_of_stream = end_of_stream || (end && !has_body);
            self.send_on(at, Piece::Headers { end_of_stream });
        }
        for map in metadata {
            self.send_on(at, Piece::Metadata(map));
        }
        if has_body || (end && headers.is_none()) {
            let end_of_stream = end || (body_end && !trailers);
            if !body.is_empty() || end_of_stream {
                let piece = Piece::Body {
                    data: body,
                    end_of_stream,
                };
                if trailers {
                    self.send_on(at, piece);
                } else {
                    self.send_last(at, piece);
                }
            }
        }
        if trailers {
            self.send_last(at, Piece::Trailers);
        }
    }

    /// Makes `content-length` fit a body that a plugin changed before the head went on: `None` where its length is not known.
    fn correct_length(&mut self, at: At, length: Option<usize>) {
        const NAME: &[u8] = b"content-length";
        let Some(stream) = self.streams.get_mut(at.key) else {
            return;
        };
        let slot = stream.map(at.direction, Map::Headers);
        if slot.read().get(NAME).is_none() {
            return;
        }
        match length {
            Some(length) => slot.write().set(NAME, length.to_string().as_bytes()),
            None => _ = slot.write().remove(NAME),
        }
    }

    /// Frames that are held are bounded as the body is, though a small bound leaves room for a few.
    pub(crate) fn check_metadata(&mut self, at: At) {
        const FEW: usize = 16 << 10;
        let filter = self
            .stream(at.key)
            .and_then(|stream| stream.filters.get_mut(at.index));
        if filter.is_some_and(|filter| filter.lane(at.direction).metadata_bytes > filter.bound.max(FEW)) {
            self.held_too_much(at);
        }
    }

    /// A plugin held as much as it may and wants to hold more.
    fn held_too_much(&mut self, at: At) {
        tracing::warn!(plugin = self.plugin_name(at), "a plugin held more than it may");
        let response = match at.direction {
            Direction::Request => LocalResponse::text(413, "Payload Too Large\n"),
            Direction::Response => LocalResponse::text(500, "Internal Server Error\n"),
        };
        match self.reply(at.key) {
            Reply::Open | Reply::Local => self.respond(at.key, at.index, response),
            Reply::Sent | Reply::Closed => self.reset(at.key, ResetReason::HeldTooMuch),
        }
    }
}
