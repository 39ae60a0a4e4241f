//! The semantics of wasi-http for streams: local responses, resume and close, and which action is legal where. Those of callouts are
//! in [`crate::calls`].

use crate::calls::{CallEffect, Calls};
use crate::local_response::LocalResponse;
use std::sync::Arc;
use wasi_common::policy::{InvalidStatus, LateResponse};
use wasi_common::stream::Reply;
use wasi_common::{Action, Common, ContextType, Direction, Status, Upstreams};

/// The state of wasi-http in one instance.
#[derive(Debug, Default)]
pub struct Http {
    /// The callouts of the plugins.
    pub calls: Calls,
    effects: Vec<Effect>,
}

/// What the host has to carry out after the callback has returned; it may concern any stream of the instance.
#[derive(Debug)]
pub enum Effect {
    /// What a plugin holds of one direction goes on.
    Resume {
        /// The stream, as its plugin knows it.
        context_id: u32,
        /// The direction.
        direction: Direction,
    },
    /// A plugin answers itself.
    Respond {
        /// The stream, as its plugin knows it.
        context_id: u32,
        /// The answer.
        response: Box<LocalResponse>,
    },
    /// The stream is reset.
    Close {
        /// The stream, as its plugin knows it.
        context_id: u32,
    },
    /// Something of a callout.
    Call(CallEffect),
}

/// A part of a message, in the order in which parts come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Headers.
    Headers = 0,
    /// A piece of the body.
    Body = 1,
    /// Trailers, which end the message.
    Trailers = 2,
    /// An HTTP/2 METADATA frame.
    Metadata = 3,
}

/// A callback of an HTTP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Phase {
    /// Which message.
    pub direction: Direction,
    /// Which part of it.
    pub part: Part,
}

// === impl Http ===

impl Http {
    /// A state without streams and callouts; plugins can call the upstreams that there are.
    pub fn new(upstreams: Arc<dyn Upstreams>) -> Self {
        Self {
            calls: Calls::new(upstreams),
            effects: Vec::new(),
        }
    }

    /// Answers the downstream instead of the upstream. The answer is sent after the callback has returned and takes precedence
    /// over its action.
    ///
    /// # Errors
    /// `bad_argument` and `not_allowed` for the id; `bad_argument` for a status code that is not 200 to 599 and for header names
    /// or values that no message may carry; `unavailable` beyond the plugin's bounds; `invalid_operation` for a context that is no
    /// HTTP stream, for a second response, and once the response head is out or the stream has ended. The older ABIs get `ok`
    /// in some of these cases, as [`wasi_common::AbiPolicy`] says.
    pub fn respond(
        &mut self,
        common: &mut Common,
        context_id: u32,
        mut response: LocalResponse,
    ) -> Result<(), Status> {
        let context = common.own_context(context_id)?;
        let settings = &common.own_plugin(context_id)?.settings;
        let (policy, limits) = (settings.policy, settings.limits);
        if context.kind != ContextType::Http {
            return Err(Status::InvalidOperation);
        }
        let stream = common.streams.get_mut(context.stream);
        let Some(stream) = stream.filter(|stream| stream.reply != Reply::Closed) else {
            return policy.close_ended.answer();
        };
        if !response.has_valid_headers() {
            return Err(Status::BadArgument);
        }
        if !(200..=599).contains(&response.status) {
            match policy.invalid_status {
                InvalidStatus::Refuse => return Err(Status::BadArgument),
                InvalidStatus::Replace => response.status = 500,
            }
        }
        if response.headers.len() > limits.map.pairs
            || response.headers.byte_len() > limits.map.bytes
            || response.body.len() > limits.written_body_bytes
        {
            return Err(Status::Unavailable);
        }
        match (stream.reply, policy.late_response) {
            (Reply::Local, _) => return policy.second_response.answer(),
            (Reply::Sent, LateResponse::Refuse) => return Err(Status::InvalidOperation),
            (Reply::Sent, LateResponse::Reset) => {
                stream.reply = Reply::Closed;
                self.effects.push(Effect::Close { context_id });
            }
            _ => {
                stream.reply = Reply::Local;
                self.effects.push(Effect::Respond {
                    context_id,
                    response: Box::new(response),
                });
            }
        }
        Ok(())
    }

    /// Lets go on what a plugin holds of one direction.
    ///
    /// # Errors
    /// As [`Common::resume`].
    pub fn resume(
        &mut self,
        common: &mut Common,
        context_id: u32,
        direction: Direction,
    ) -> Result<(), Status> {
        if common.resume(context_id, ContextType::Http, direction)? {
            self.effects.push(Effect::Resume {
                context_id,
                direction,
            });
        }
        Ok(())
    }

    /// Resets a stream, both its directions.
    ///
    /// # Errors
    /// As [`Common::close`].
    pub fn close(&mut self, common: &mut Common, context_id: u32) -> Result<(), Status> {
        if common.close(context_id, ContextType::Http)? {
            self.effects.push(Effect::Close { context_id });
        }
        Ok(())
    }

    /// Whether there is anything to carry out.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty() || self.calls.has_effects()
    }

    /// Takes what has to be carried out, in the order in which it was asked for: first what concerns streams, then callouts.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        if self.calls.has_effects() {
            effects.extend(self.calls.take_effects().into_iter().map(Effect::Call));
        }
        effects
    }
}

// === impl Effect ===

impl Effect {
    /// Follows a context that gets another id before the effect is carried out.
    pub fn rename_context(&mut self, old_id: u32, new_id: u32) {
        let (Self::Resume { context_id, .. } | Self::Respond { context_id, .. } | Self::Close { context_id }) =
            self
        else {
            // Callouts are the plugin's.
            return;
        };
        if *context_id == old_id {
            *context_id = new_id;
        }
    }
}

// === impl Phase ===

impl Phase {
    /// Every callback of an HTTP stream, in the order of a stream's life.
    pub const ALL: [Self; 8] = [
        Self::new(Direction::Request, Part::Headers),
        Self::new(Direction::Request, Part::Metadata),
        Self::new(Direction::Request, Part::Body),
        Self::new(Direction::Request, Part::Trailers),
        Self::new(Direction::Response, Part::Headers),
        Self::new(Direction::Response, Part::Metadata),
        Self::new(Direction::Response, Part::Body),
        Self::new(Direction::Response, Part::Trailers),
    ];

    /// A phase.
    pub const fn new(direction: Direction, part: Part) -> Self {
        Self { direction, part }
    }

    /// Its name in configuration: the name of its callback without `on_http_`.
    pub fn name(self) -> &'static str {
        self.callback().strip_prefix("on_http_").unwrap_or_default()
    }

    /// The name of its callback on the seed page.
    pub fn callback(self) -> &'static str {
        match (self.direction, self.part) {
            (Direction::Request, Part::Headers) => "on_http_request_headers",
            (Direction::Request, Part::Body) => "on_http_request_body",
            (Direction::Request, Part::Trailers) => "on_http_request_trailers",
            (Direction::Request, Part::Metadata) => "on_http_request_metadata",
            (Direction::Response, Part::Headers) => "on_http_response_headers",
            (Direction::Response, Part::Body) => "on_http_response_body",
            (Direction::Response, Part::Trailers) => "on_http_response_trailers",
            (Direction::Response, Part::Metadata) => "on_http_response_metadata",
        }
    }

    /// A bit of its own, for sets of phases.
    pub fn bit(self) -> u8 {
        1 << (self.direction as u8 * 4 + self.part as u8)
    }
}

/// Whether a plugin may return `action` from a callback for `part`.
///
/// A wait in the headers callback holds the headers while the body is delivered; trailers and metadata have nothing to wait for.
pub fn is_legal(part: Part, action: Action) -> bool {
    match action {
        Action::Forward | Action::EndStream | Action::Done | Action::Pause | Action::Close => true,
        Action::WaitForMoreData | Action::WaitForEndOrFull => matches!(part, Part::Headers | Part::Body),
    }
}

/// Whether a content type is one of gRPC.
pub fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
