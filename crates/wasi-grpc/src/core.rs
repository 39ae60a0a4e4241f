//! The semantics of wasi-grpc: calls and streams by explicit callout id, without connection and without clock.

use crate::call::{Call, SendRefusal};
use crate::event::{Delivery, Effect, Event};
use crate::request::{Request, Target};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use wasi_common::{Action, CalloutFlow, CalloutKind, Common, Returned, Status, Upstreams};

/// The state of wasi-grpc in one instance.
///
/// What guests read of a call is in [`Common::callouts`], under the same id.
pub struct Grpc {
    upstreams: Arc<dyn Upstreams>,
    calls: FxHashMap<u32, Call>,
    effects: Vec<Effect>,
}

// === impl Grpc ===

impl Grpc {
    /// A state whose plugins can call `upstreams`.
    pub fn new(upstreams: Arc<dyn Upstreams>) -> Self {
        Self {
            upstreams,
            calls: FxHashMap::default(),
            effects: Vec::new(),
        }
    }

    // === what plugins ask for ===

    /// Begins a unary call of the plugin that is executing and returns its callout. `timeout` is `None` for the host's default.
    ///
    /// # Errors
    /// `bad_argument` for an empty service or method, one that no path can have, and metadata that gRPC forbids; `not_allowed` for an
    /// upstream that the plugin may not call; `not_found` where there is no such upstream; `unavailable` beyond the plugin's bounds of
    /// callouts, metadata and messages; `invalid_operation` while no plugin is executing.
    pub fn dispatch_call(
        &mut self,
        common: &mut Common,
        target: Target<'_>,
        message: Bytes,
        timeout: Option<Duration>,
    ) -> Result<u32, Status> {
        self.open(common, target, CalloutKind::GrpcCall, Some(message), timeout)
    }

    /// Opens a stream of the plugin that is executing and returns its callout.
    ///
    /// # Errors
    /// As [`Grpc::dispatch_call`].
    pub fn open_stream(&mut self, common: &mut Common, target: Target<'_>) -> Result<u32, Status> {
        self.open(common, target, CalloutKind::GrpcStream, None, None)
    }

    /// Sends a message on a stream, or ends the sending direction, or both.
    ///
    /// # Errors
    /// `bad_argument` for an unknown callout and a unary call; `not_allowed` for another plugin's; `invalid_operation` where the
    /// sending direction has ended, also because the upstream has ended the stream; `unavailable` where more than
    /// [`Limits::callout_bytes`](wasi_common::Limits::callout_bytes) would wait to be sent, or too much were held of all its calls.
    pub fn send(
        &mut self,
        common: &Common,
        callout_id: u32,
        message: Option<Bytes>,
        end_of_stream: bool,
    ) -> Result<(), Status> {
        let call = self.own(common, callout_id, Some(CalloutKind::GrpcStream))?;
        if message.is_none() && !end_of_stream {
            return Ok(());
        }
        let (plugin_id, limit) = (call.plugin_id, call.max_total_bytes);
        let room = self.room(plugin_id, limit);
        let call = self.own(common, callout_id, None)?;
        call.send(message.as_ref(), end_of_stream, room)
            .map_err(|refusal| match refusal {
                SendRefusal::Ended => Status::InvalidOperation,
                SendRefusal::Full => Status::Unavailable,
            })?;
        self.effects.push(Effect::Send {
            callout_id,
            message,
            end_of_stream,
        });
        Ok(())
    }

    /// Cancels a call of the given kind, or of any; or ends the pause of one that has ended. No callback of it follows.
    ///
    /// # Errors
    /// `bad_argument` for an unknown callout and one of another kind, `not_allowed` for another plugin's.
    pub fn close(
        &mut self,
        common: &mut Common,
        callout_id: u32,
        kind: Option<CalloutKind>,
    ) -> Result<(), Status> {
        self.own(common, callout_id, kind)?;
        self.discard(common, callout_id);
        Ok(())
    }

    /// Lets a paused stream go on. Within the callback that then returns `pause`, cancels that pause.
    ///
    /// # Errors
    /// `bad_argument` for an unknown callout and a unary call, `not_allowed` for another plugin's, `invalid_operation` where it is not
    /// paused.
    pub fn resume(&mut self, common: &mut Common, callout_id: u32) -> Result<(), Status> {
        let call = self.own(common, callout_id, Some(CalloutKind::GrpcStream))?;
        if !call.flow.resume()? {
            return Ok(());
        }
        if call.told_end {
            self.discard(common, callout_id);
        } else {
            call.take_back(common.callouts.get_mut(call.plugin_id, callout_id)?);
            self.effects.push(Effect::Resume { callout_id });
        }
        Ok(())
    }

    /// The kind of a callout of the plugin that is executing.
    ///
    /// # Errors
    /// `bad_argument` for an unknown callout and one that is none of gRPC, `not_allowed` for another plugin's.
    pub fn kind(&self, common: &Common, callout_id: u32) -> Result<CalloutKind, Status> {
        let kind = common.callouts.get(common.scope.plugin_id, callout_id)?.kind;
        if kind.is_grpc() {
            Ok(kind)
        } else {
            Err(Status::BadArgument)
        }
    }

    // === what comes back ===

    /// Takes what came back for a call. What comes for one that has ended, or is unknown, is dropped.
    ///
    /// A message beyond the plugin's bounds ends the call with `RESOURCE_EXHAUSTED` and cancels it; a unary call without a message or
    /// with several ends with `INTERNAL`. Whoever keeps the time hands over [`Event::failure`] when it is up.
    pub fn receive(&mut self, callout_id: u32, event: Event) {
        let Some(call) = self.calls.get(&callout_id).filter(|call| !call.ended) else {
            return;
        };
        let room = self.room(call.plugin_id, call.max_total_bytes);
        let Some(call) = self.calls.get_mut(&callout_id) else {
            return;
        };
        if call.receive(event, room) {
            self.effects.push(Effect::Cancel { callout_id });
        }
    }

    /// A message of that many bytes has been sent, and waits no longer.
    pub fn sent(&mut self, callout_id: u32, message_bytes: usize) {
        if let Some(call) = self.calls.get_mut(&callout_id) {
            call.sent(message_bytes);
        }
    }

    /// Whether more of an answer is wanted. While it is not, the driver should not read, so that the peer is slowed down.
    pub fn wants(&self, callout_id: u32) -> bool {
        self.calls.get(&callout_id).is_some_and(Call::wants)
    }

    /// Whether nothing more comes for a callout, because all has come, or because it is unknown.
    pub fn is_complete(&self, callout_id: u32) -> bool {
        self.calls.get(&callout_id).is_none_or(|call| call.ended)
    }

    /// The next callback for a callout, if one is due. What it tells can be read until [`Grpc::answered`] says otherwise.
    pub fn next_delivery(&mut self, common: &mut Common, callout_id: u32) -> Option<Delivery> {
        let call = self.calls.get_mut(&callout_id)?;
        let plugin_id = call.plugin_id;
        let callout = common.callouts.get_mut(plugin_id, callout_id).ok()?;
        let part = call.next(callout)?;
        Some(Delivery { plugin_id, part })
    }

    /// A callback has returned. Says whether its action is one that it may return; the callout of another is closed.
    pub fn answered(&mut self, common: &mut Common, callout_id: u32, returned: Returned) -> bool {
        let legal = returned.is_ok_and(CalloutFlow::allows);
        // The callback may have closed the call, which counts for more than the action.
        let Some(call) = self.calls.get_mut(&callout_id) else {
            return legal;
        };
        let resumed = call.flow == CalloutFlow::Calling { resumed: true };
        call.flow = CalloutFlow::Open;
        match returned {
            Ok(Action::Pause) if !resumed => call.flow = CalloutFlow::Held,
            Ok(Action::Forward | Action::Pause) if !call.told_end => {
                if let Ok(callout) = common.callouts.get_mut(call.plugin_id, callout_id) {
                    call.take_back(callout);
                }
            }
            _ => self.discard(common, callout_id),
        }
        legal
    }

    /// Drops all calls of a plugin that goes, and cancels those that are under way.
    pub fn remove_plugin(&mut self, common: &mut Common, plugin_id: u32) {
        let own = self.calls.iter().filter(|(_, call)| call.plugin_id == plugin_id);
        let ids: Vec<u32> = own.map(|(id, _)| *id).collect();
        for id in ids {
            self.discard(common, id);
        }
    }

    /// Whether there is anything to carry out.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes what has to be carried out, in the order in which it was asked for.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn open(
        &mut self,
        common: &mut Common,
        target: Target<'_>,
        kind: CalloutKind,
        message: Option<Bytes>,
        timeout: Option<Duration>,
    ) -> Result<u32, Status> {
        let path = target.path()?;
        let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
        let limits = settings.limits;
        let metadata = target.checked_metadata(limits.map)?;
        if !self.upstreams.has(target.upstream) {
            return Err(Status::NotFound);
        }
        if !settings.permissions.upstreams.allows(target.upstream) {
            return Err(Status::NotAllowed);
        }
        let upstream = std::str::from_utf8(target.upstream).map_err(|_| Status::NotFound)?;
        let plugin_id = common.scope.plugin_id;
        let message_bytes = message.as_ref().map_or(0, Bytes::len);
        if message_bytes
            > limits
                .callout_bytes
                .min(self.room(plugin_id, limits.callouts_bytes))
        {
            return Err(Status::Unavailable);
        }
        let callout_id = common.callouts.open(plugin_id, limits.callouts, kind)?;
        self.calls
            .insert(callout_id, Call::new(plugin_id, kind, message_bytes, &limits));
        self.effects.push(Effect::Open {
            callout_id,
            request: Box::new(Request {
                kind,
                upstream: upstream.to_owned(),
                path,
                metadata,
                message,
                timeout,
                max_message_bytes: limits.callout_bytes,
            }),
        });
        Ok(callout_id)
    }

    /// Bytes that may still be held of all calls of a plugin. To ask each costs less than a message does.
    fn room(&self, plugin_id: u32, limit: usize) -> usize {
        let of_plugin = self.calls.values().filter(|call| call.plugin_id == plugin_id);
        limit.saturating_sub(of_plugin.map(Call::held_bytes).sum())
    }

    /// A call of the plugin that is executing.
    fn own(
        &mut self,
        common: &Common,
        callout_id: u32,
        kind: Option<CalloutKind>,
    ) -> Result<&mut Call, Status> {
        let found = self.kind(common, callout_id)?;
        if kind.is_some_and(|kind| kind != found) {
            return Err(Status::BadArgument);
        }
        self.calls.get_mut(&callout_id).ok_or(Status::BadArgument)
    }

    /// Forgets a call, and stops it if it is under way.
    fn discard(&mut self, common: &mut Common, callout_id: u32) {
        common.callouts.close(callout_id);
        let Some(call) = self.calls.remove(&callout_id) else {
            return;
        };
        let of_call = |effect: &Effect| effect.callout_id() == callout_id;
        let unheard = |effect: &Effect| of_call(effect) && matches!(effect, Effect::Open { .. });
        let was_begun = !self.effects.iter().any(unheard);
        let is_cancel = |effect: &Effect| matches!(effect, Effect::Cancel { .. });
        self.effects
            .retain(|effect| !of_call(effect) || is_cancel(effect));
        if was_begun && !call.ended {
            self.effects.push(Effect::Cancel { callout_id });
        }
    }
}

impl std::fmt::Debug for Grpc {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Grpc")
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

impl Default for Grpc {
    /// Without upstreams: nothing can be called.
    fn default() -> Self {
        Self::new(Arc::new(BTreeSet::new()))
    }
}
