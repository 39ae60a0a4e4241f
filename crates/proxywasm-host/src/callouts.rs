//! Callouts: the calls that plugins make themselves. What they ask for leaves the host as commands, and comes back as events.

mod grpc;

use crate::callback::Callback;
use crate::host::{Effect, Host, QueuedEffect, StreamId};
use crate::state::State;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use wasi_common::{CalloutKind, Common, Returned};
use wasi_grpc::code;
use wasi_http::{CallEffect, CallEvent, CallRequest};

/// A callout of a plugin, as the driver knows it. It never names another, also not after its instance was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CalloutId {
    pub(crate) vm: usize,
    pub(crate) generation: u64,
    pub(crate) callout: u32,
}

/// For which stream a plugin makes a callout: in one of its callbacks for the stream, or in one for the answer to such a callout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalloutOrigin {
    /// The stream. It may be over.
    pub stream: StreamId,
    /// The place of the plugin in its filter chain.
    pub filter: usize,
}

/// What the driver of callouts has to do next.
#[derive(Debug)]
pub enum Command {
    /// Send an HTTP request, and hand over what comes back by [`Host::http_call_event`]. The host keeps the time: a callout that
    /// takes too long is cancelled.
    HttpCall {
        /// The callout.
        id: CalloutId,
        /// The request.
        request: Box<CallRequest>,
        /// For which stream it is, if for one.
        origin: Option<CalloutOrigin>,
    },
    /// Begin a gRPC call, and hand over what comes back by [`Host::grpc_event`]. The host keeps the time here too; the timeout in
    /// the request is for the upstream to know.
    GrpcCall {
        /// The callout.
        id: CalloutId,
        /// The request.
        request: Box<wasi_grpc::Request>,
        /// For which stream it is, if for one.
        origin: Option<CalloutOrigin>,
    },
    /// Send a message on a gRPC stream, and say by [`Host::grpc_sent`] when it has left. What waits is bounded by that.
    GrpcSend {
        /// The callout.
        id: CalloutId,
        /// The message, if there is one.
        message: Option<Bytes>,
        /// Whether nothing follows.
        end_of_stream: bool,
    },
    /// Read on: [`Host::wants_call`] is true again.
    ReadCall(CalloutId),
    /// Stop: what still comes is not wanted. The connection of an answer that has not come is to be given up.
    CancelCall {
        /// The callout.
        id: CalloutId,
        /// Whether it took too long.
        late: bool,
    },
}

/// Callouts that one call ends because they are late, so that streams get their turn: the callback of each may take its time.
const LATE_PER_TURN: usize = 64;

/// The callouts of one worker whose answers have not come.
#[derive(Default)]
pub(crate) struct Callouts {
    open: BTreeMap<CalloutId, Open>,
    deadlines: BTreeSet<(Instant, CalloutId)>,
    commands: VecDeque<Command>,
    /// The one whose event is being handled: its driver looks itself whether more is wanted.
    current: Option<CalloutId>,
    /// For which stream that one is.
    current_origin: Option<CalloutOrigin>,
}

struct Open {
    kind: CalloutKind,
    /// How long it may take, and when that is over. Streams go on for as long as they want.
    time: Option<(Duration, Instant)>,
    origin: Option<CalloutOrigin>,
}

// === impl Callouts ===

impl Callouts {
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Notes a callout that begins, and when it has to be over.
    fn begin(
        &mut self,
        id: CalloutId,
        kind: CalloutKind,
        timeout: Option<Duration>,
        origin: Option<CalloutOrigin>,
    ) {
        // A time beyond what a clock can tell is as good as none.
        let time = timeout.and_then(|timeout| Some((timeout, Instant::now().checked_add(timeout)?)));
        if let Some((_, deadline)) = time {
            self.deadlines.insert((deadline, id));
        }
        self.open.insert(id, Open { kind, time, origin });
    }

    /// Whether more may come for a callout.
    fn is_open(&self, id: CalloutId) -> bool {
        self.open.contains_key(&id)
    }

    /// For which stream a callout is, if it is open.
    fn origin(&self, id: CalloutId) -> Option<CalloutOrigin> {
        self.open.get(&id)?.origin
    }

    /// Nothing more comes for a callout. Returns it if it was open.
    fn end(&mut self, id: CalloutId) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some((_, deadline)) = open.time {
            self.deadlines.remove(&(deadline, id));
        }
        Some(open)
    }

    /// For which stream a callout is that is being answered by an instance.
    pub(crate) fn answered_origin(&self, vm: usize, generation: u64) -> Option<CalloutOrigin> {
        let of_instance = |id: &CalloutId| (id.vm, id.generation) == (vm, generation);
        self.current.filter(of_instance).and(self.current_origin)
    }

    /// Has a callout stopped that is under way, and perhaps `late`; one that the driver has not heard of yet is not begun.
    fn cancel(&mut self, id: CalloutId, late: bool) -> Option<Open> {
        let open = self.end(id)?;
        let unheard = self.commands.iter().any(|command| command.begins(id));
        self.commands.retain(|command| command.callout() != id);
        if !unheard {
            self.commands.push_back(Command::CancelCall { id, late });
        }
        Some(open)
    }
}

// === impl Command ===

impl Command {
    fn begins(&self, callout: CalloutId) -> bool {
        matches!(self, Self::HttpCall { id, .. } | Self::GrpcCall { id, .. } if *id == callout)
    }

    fn callout(&self) -> CalloutId {
        match self {
            Self::HttpCall { id, .. }
            | Self::GrpcCall { id, .. }
            | Self::GrpcSend { id, .. }
            | Self::ReadCall(id)
            | Self::CancelCall { id, .. } => *id,
        }
    }
}

impl Host {
    /// What the driver of callouts has to do next. Ask after every call until there is none.
    pub fn next_command(&mut self) -> Option<Command> {
        self.callouts.commands.pop_front()
    }

    /// Something came back for an HTTP callout. What comes for one that was cancelled, or whose plugin has gone, is dropped.
    pub fn http_call_event(&mut self, id: CalloutId, event: CallEvent) {
        let origin = self.callouts.origin(id);
        if event.is_last() {
            self.callouts.end(id);
        }
        self.receive_http_call(id, event, origin);
    }

    fn receive_http_call(&mut self, id: CalloutId, event: CallEvent, origin: Option<CalloutOrigin>) {
        let Some(state) = self.callout_state(id) else {
            return;
        };
        state.http.calls.receive(id.callout, event);
        (self.callouts.current, self.callouts.current_origin) = (Some(id), origin);
        self.collect_effects(id.vm);
        self.deliver_http_call(id);
        self.run();
        (self.callouts.current, self.callouts.current_origin) = (None, None);
    }

    /// Whether more of the answer to a callout is wanted. While it is not, the driver should not read, so that the peer is slowed
    /// down; [`Command::ReadCall`] says when to go on.
    pub fn wants_call(&mut self, id: CalloutId) -> bool {
        let Some(kind) = self.callouts.open.get(&id).map(|open| open.kind) else {
            return false;
        };
        self.callout_state(id).is_some_and(|state| match kind {
            CalloutKind::Http => state.http.calls.wants(id.callout),
            CalloutKind::GrpcCall | CalloutKind::GrpcStream => state.grpc.wants(id.callout),
        })
    }

    /// The number of callouts whose answers have not come.
    pub fn callouts(&self) -> usize {
        self.callouts.open.len()
    }

    /// Carries out what plugins asked of their HTTP callouts.
    pub(crate) fn apply_http_call(
        &mut self,
        vm: usize,
        generation: u64,
        effect: CallEffect,
        origin: Option<CalloutOrigin>,
    ) {
        let callout = effect.callout_id();
        let id = CalloutId {
            vm,
            generation,
            callout,
        };
        match effect {
            CallEffect::Send { request, .. } => {
                let Some(default) = self.callout_time(id) else {
                    return;
                };
                let timeout = request.timeout.unwrap_or(default);
                self.callouts.begin(id, CalloutKind::Http, Some(timeout), origin);
                self.callouts
                    .commands
                    .push_back(Command::HttpCall { id, request, origin });
            }
            CallEffect::Cancel { .. } => {
                self.callouts.cancel(id, false);
            }
            CallEffect::Resume { .. } => {
                if !self.deliver_http_call(id) {
                    self.read_on(id);
                }
            }
        }
    }

    /// Wakes the driver of a callout if more is wanted, unless it is the one that is calling.
    fn read_on(&mut self, id: CalloutId) {
        if self.callouts.current != Some(id) && self.wants_call(id) {
            self.callouts.commands.push_back(Command::ReadCall(id));
        }
    }

    /// Ends callouts that have taken too long, [`LATE_PER_TURN`] of them; the others stay late. Those that plugins begin meanwhile are
    /// not among them, so that one that tries again and again keeps nobody from its turn.
    pub(crate) fn expire_callouts(&mut self, now: Instant) {
        let due = self.callouts.deadlines.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<CalloutId> = due.map(|(_, id)| *id).take(LATE_PER_TURN).collect();
        for id in due {
            // The callback of another may have closed it.
            let Some(open) = self.callouts.cancel(id, true) else {
                continue;
            };
            let timeout = open.time.map_or(Duration::ZERO, |(timeout, _)| timeout);
            match open.kind {
                CalloutKind::Http => {
                    self.receive_http_call(id, CallEvent::TimedOut(timeout), open.origin);
                }
                CalloutKind::GrpcCall | CalloutKind::GrpcStream => {
                    let reason = format!("no answer within {} ms", timeout.as_millis());
                    let failure = wasi_grpc::Event::failure(code::DEADLINE_EXCEEDED, reason);
                    self.receive_grpc(id, failure, open.origin);
                }
            }
        }
    }

    /// Cancels all callouts of an instance that is gone.
    pub(crate) fn cancel_callouts(&mut self, vm: usize, generation: u64) {
        let id = |callout| CalloutId {
            vm,
            generation,
            callout,
        };
        let of_instance = self.callouts.open.range(id(0)..=id(u32::MAX));
        let ids: Vec<CalloutId> = of_instance.map(|(id, _)| *id).collect();
        for id in ids {
            self.callouts.cancel(id, false);
        }
    }

    /// Tells a plugin what has come for an HTTP callout. What is to be told after that waits until the effects of this callback have
    /// been carried out. Returns whether there was anything.
    fn deliver_http_call(&mut self, id: CalloutId) -> bool {
        let Some(state) = self.callout_state(id) else {
            return false;
        };
        let Some(delivery) = state.http.calls.next_delivery(&mut state.common, id.callout) else {
            return false;
        };
        let (plugin_id, part) = (delivery.plugin_id, delivery.part);
        let instance = (id.vm, id.generation);
        let callback = Callback::HttpCall(part.phase());
        let returned = self.call_plugin(instance, plugin_id, callback, |callbacks, store| {
            callbacks.http_calls.answer(store, plugin_id, id.callout, part)
        });
        let Some(returned) = returned else { return true };
        let Some(state) = self.callout_state(id) else {
            return true;
        };
        if !state.http.calls.answered(&mut state.common, id.callout, returned) {
            illegal(&state.common, plugin_id, callback.name(), returned);
        }
        if state.has_effects() {
            self.collect_effects(id.vm);
        }
        self.effects.push_back(QueuedEffect {
            vm: id.vm,
            generation: id.generation,
            effect: Effect::Http(wasi_http::Effect::Call(CallEffect::Resume {
                callout_id: id.callout,
            })),
            origin: None,
        });
        true
    }

    fn callout_state(&mut self, id: CalloutId) -> Option<&mut State> {
        let slot = self
            .vms
            .get_mut(id.vm)
            .filter(|slot| slot.generation == id.generation)?;
        Some(slot.instance.as_mut()?.state())
    }

    /// How long a callout may take whose plugin did not say; `None` where its instance is gone.
    fn callout_time(&self, id: CalloutId) -> Option<Duration> {
        let slot = self
            .vms
            .get(id.vm)
            .filter(|slot| slot.generation == id.generation)?;
        Some(slot.instance.as_ref()?.callout_time())
    }
}

/// Says in the log that a plugin returned what it must not.
#[cold]
fn illegal(common: &Common, plugin_id: u32, callback: &str, returned: Returned) {
    let plugin = common.contexts.plugin(plugin_id);
    let name = plugin.map_or("", |plugin| plugin.settings.name.as_str());
    tracing::warn!(
        plugin = name,
        callback,
        ?returned,
        "an action that is not legal here closes the callout"
    );
}
