//! The semantics of HTTP callouts: the requests that plugins make themselves, and how the answers come to them.
//!
//! A machine without I/O. A plugin dispatches, resumes and closes; whoever drives it carries the [`CallEffect`]s out, hands what
//! comes back to [`Calls::receive`], and enters the plugin for each [`Delivery`].

mod answer;
mod callbacks;
mod request;

pub use answer::{CallEvent, CallPart, CallPhase};
pub use callbacks::HttpCallCallbacks;
pub use request::CallRequest;

use answer::Call;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasi_common::{Action, CalloutFlow, CalloutKind, CalloutStatus, Common, Returned, Status, Upstreams};

/// The HTTP callouts of one instance.
pub struct Calls {
    upstreams: Arc<dyn Upstreams>,
    streams_answers: bool,
    calls: FxHashMap<u32, Call>,
    effects: Vec<CallEffect>,
}

/// What the driver of callouts has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum CallEffect {
    /// Send a request, and hand over what comes back.
    Send {
        /// The callout.
        callout_id: u32,
        /// The request.
        request: Box<CallRequest>,
    },
    /// Stop: nobody waits for the rest of the answer.
    Cancel {
        /// The callout.
        callout_id: u32,
    },
    /// Look for deliveries of a callout that its plugin has resumed, and read on.
    Resume {
        /// The callout.
        callout_id: u32,
    },
}

/// A callback that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The plugin that made the callout.
    pub plugin_id: u32,
    /// What it is told.
    pub part: CallPart,
}

// === impl Calls ===

impl Calls {
    /// No callouts, and the upstreams that there are.
    pub fn new(upstreams: Arc<dyn Upstreams>) -> Self {
        Self {
            upstreams,
            streams_answers: false,
            calls: FxHashMap::default(),
            effects: Vec::new(),
        }
    }

    /// Says whether answers are delivered in parts, as they come; it counts for callouts that are dispatched afterwards. Whoever
    /// loads the callbacks of a module asks [`crate::HttpCallCallbacks::streams_answers`].
    pub fn set_streams_answers(&mut self, streams: bool) {
        self.streams_answers = streams;
    }

    /// Begins a callout of the plugin that is executing, and returns its id.
    ///
    /// # Errors
    /// `invalid_operation` outside of a plugin's callbacks; `bad_argument` for what is no HTTP request; `not_found` for an unknown
    /// upstream, `not_allowed` for one that the plugin may not call; `unavailable` where the request, or the number of callouts, is
    /// beyond the plugin's bounds.
    pub fn dispatch(&mut self, common: &mut Common, mut request: CallRequest) -> Result<u32, Status> {
        let plugin_id = common.scope.plugin_id;
        let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
        let (limits, failure) = (settings.limits, settings.policy.callout_failure);
        request.accept(limits)?;
        if !self.upstreams.has(&request.upstream) {
            return Err(Status::NotFound);
        }
        if !settings.permissions.upstreams.allows(&request.upstream) {
            return Err(Status::NotAllowed);
        }
        let request_bytes = request.body.len();
        if self.held_bytes(plugin_id).saturating_add(request_bytes) > limits.callouts_bytes {
            return Err(Status::Unavailable);
        }
        let callout_id = common
            .callouts
            .open(plugin_id, limits.callouts, CalloutKind::Http)?;
        let call = Call::new(plugin_id, self.streams_answers, limits, failure).of_request(request_bytes);
        self.calls.insert(callout_id, call);
        let request = Box::new(request);
        self.effects.push(CallEffect::Send { callout_id, request });
        Ok(callout_id)
    }

    /// Cancels a callout: no callback follows, and its id is void.
    ///
    /// # Errors
    /// `bad_argument` for an unknown callout, `not_allowed` for another plugin's.
    pub fn close(&mut self, common: &mut Common, callout_id: u32) -> Result<(), Status> {
        self.own(common, callout_id)?;
        self.discard(common, callout_id);
        Ok(())
    }

    /// Lets a callout go on that its plugin paused. Within the callback that then returns `pause`, it cancels that pause.
    ///
    /// # Errors
    /// As [`Calls::close`]; `invalid_operation` where it is not paused.
    pub fn resume(&mut self, common: &Common, callout_id: u32) -> Result<(), Status> {
        if self.own(common, callout_id)?.flow.resume()? {
            self.effects.push(CallEffect::Resume { callout_id });
        }
        Ok(())
    }

    /// How a callout of the plugin that is executing ended.
    ///
    /// # Errors
    /// As [`Common::callout_status`].
    pub fn status(common: &Common, callout_id: u32) -> Result<&CalloutStatus, Status> {
        common.callout_status(callout_id, |kind| kind == CalloutKind::Http)
    }

    /// Takes what came back for a callout. What comes for one that has ended, or is unknown, is dropped.
    pub fn receive(&mut self, callout_id: u32, event: CallEvent) {
        let Some(call) = self.calls.get(&callout_id).filter(|call| call.end.is_none()) else {
            return;
        };
        let held = self.held_bytes(call.plugin_id);
        let Some(call) = self.calls.get_mut(&callout_id) else {
            return;
        };
        if let Err(reason) = call.receive(event, held) {
            call.fail(reason);
            self.effects.push(CallEffect::Cancel { callout_id });
        }
    }

    /// Whether more of an answer is wanted. While it is not, the driver should not read, so that the peer is slowed down.
    pub fn wants(&self, callout_id: u32) -> bool {
        self.calls.get(&callout_id).is_some_and(Call::wants)
    }

    /// Whether nothing more comes for a callout, because all has come, or because it is unknown.
    pub fn is_complete(&self, callout_id: u32) -> bool {
        self.calls.get(&callout_id).is_none_or(|call| call.end.is_some())
    }

    /// The next callback for a callout, if one is due. What it tells can be read until [`Calls::answered`] says otherwise. A callout
    /// that is over is forgotten here.
    pub fn next_delivery(&mut self, common: &mut Common, callout_id: u32) -> Option<Delivery> {
        let call = self.calls.get_mut(&callout_id)?;
        if call.flow != CalloutFlow::Open {
            return None;
        }
        let plugin_id = call.plugin_id;
        let callout = common.callouts.get_mut(plugin_id, callout_id).ok();
        let Some(callout) = callout.filter(|_| !call.told_end) else {
            self.forget(common, callout_id);
            return None;
        };
        call.take_back(callout);
        let part = call.next()?;
        call.lend(callout, part);
        call.flow = CalloutFlow::Calling { resumed: false };
        Some(Delivery { plugin_id, part })
    }

    /// A callback has returned. Says whether its action is one that it may return; the callout of another is closed.
    pub fn answered(&mut self, common: &mut Common, callout_id: u32, returned: Returned) -> bool {
        let Some(call) = self.calls.get_mut(&callout_id) else {
            // It was closed in the callback, which counts for more than the action.
            return returned.is_ok_and(CalloutFlow::allows);
        };
        let CalloutFlow::Calling { resumed } = call.flow else {
            return true;
        };
        call.flow = CalloutFlow::Open;
        match returned {
            Ok(Action::Pause) if !resumed => call.flow = CalloutFlow::Held,
            Ok(Action::Forward | Action::Pause) => {
                if call.told_end {
                    self.forget(common, callout_id);
                } else if let Ok(callout) = common.callouts.get_mut(call.plugin_id, callout_id) {
                    call.take_back(callout);
                }
            }
            Ok(Action::Close) => self.discard(common, callout_id),
            _ => {
                self.discard(common, callout_id);
                return false;
            }
        }
        true
    }

    /// Drops all callouts of a plugin that goes.
    pub fn remove_plugin(&mut self, common: &mut Common, plugin_id: u32) {
        let of_plugin = self.calls.iter().filter(|(_, call)| call.plugin_id == plugin_id);
        let ids: Vec<u32> = of_plugin.map(|(id, _)| *id).collect();
        for id in ids {
            self.discard(common, id);
        }
    }

    /// Whether there is anything to carry out.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes what has to be carried out, in the order in which it was asked for.
    pub fn take_effects(&mut self) -> Vec<CallEffect> {
        std::mem::take(&mut self.effects)
    }

    fn own(&mut self, common: &Common, callout_id: u32) -> Result<&mut Call, Status> {
        common.callouts.get(common.scope.plugin_id, callout_id)?;
        // One of gRPC is none of this interface.
        self.calls.get_mut(&callout_id).ok_or(Status::BadArgument)
    }

    /// Bytes that are held of all callouts of a plugin. To ask each costs less than what is held cost to come.
    fn held_bytes(&self, plugin_id: u32) -> usize {
        let of_plugin = self.calls.values().filter(|call| call.plugin_id == plugin_id);
        of_plugin.map(Call::held_bytes).sum()
    }

    /// Forgets a callout, and stops it if it is still under way.
    fn discard(&mut self, common: &mut Common, callout_id: u32) {
        let Some(call) = self.forget(common, callout_id) else {
            return;
        };
        let before = self.effects.len();
        self.effects
            .retain(|effect| effect.callout_id() != callout_id || !effect.is_send());
        let was_sent = self.effects.len() == before;
        if was_sent && call.end.is_none() {
            self.effects.push(CallEffect::Cancel { callout_id });
        }
    }

    fn forget(&mut self, common: &mut Common, callout_id: u32) -> Option<Call> {
        common.callouts.close(callout_id);
        self.calls.remove(&callout_id)
    }
}

impl Default for Calls {
    /// Without upstreams: nothing can be called.
    fn default() -> Self {
        Self::new(Arc::new(BTreeSet::new()))
    }
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Calls")
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

// === impl CallEffect ===

impl CallEffect {
    /// The callout it is about.
    pub fn callout_id(&self) -> u32 {
        match self {
            Self::Send { callout_id, .. } | Self::Cancel { callout_id } | Self::Resume { callout_id } => {
                *callout_id
            }
        }
    }

    fn is_send(&self) -> bool {
        matches!(self, Self::Send { .. })
    }
}
