//! What filters asked for besides their action.

use crate::callouts::CalloutOrigin;
use crate::host::{DeferredEnd, Effect, Host, QueuedEffect, StreamId};
use crate::output::LocalAnswer;
use crate::output::ResetReason;
use crate::stream::parts::At;
use crate::stream::{Place, Work};
use std::time::Instant;
use wasi_common::{Context, Direction, Flow};
use wasi_http::CallEffect;

impl Host {
    /// Moves what an instance asked for to the queue.
    #[inline]
    pub(crate) fn collect_effects(&mut self, vm: usize) {
        let Some(slot) = self.vms.get_mut(vm) else { return };
        let generation = slot.generation;
        let Some(instance) = slot.instance.as_mut() else {
            return;
        };
        let state = instance.state();
        // The scope is that of the callback which has returned.
        let scope = state.common.scope;
        let (contexts, callouts) = (&state.common.contexts, &self.callouts);
        let origin = || {
            let of_stream = contexts.context(scope.context_id).map(|context| CalloutOrigin {
                stream: StreamId(context.stream),
                filter: context.filter,
            });
            of_stream.or_else(|| callouts.answered_origin(vm, generation))
        };
        let (mut http_calls, mut grpc_calls) = (0, 0);
        let mut queue = |effect| {
            let origin = match &effect {
                Effect::Http(wasi_http::Effect::Call(CallEffect::Send { .. })) => {
                    http_calls += 1;
                    origin()
                }
                Effect::Grpc(wasi_grpc::Effect::Open { .. }) => {
                    grpc_calls += 1;
                    origin()
                }
                _ => None,
            };
            self.effects.push_back(QueuedEffect {
                vm,
                generation,
                effect,
                origin,
            });
        };
        if state.http.has_effects() {
            state
                .http
                .take_effects()
                .into_iter()
                .map(Effect::Http)
                .for_each(&mut queue);
        }
        if state.grpc.has_effects() {
            let effects = state.grpc.take_effects();
            effects.into_iter().map(Effect::Grpc).for_each(&mut queue);
        }
        if state.bytestream.has_effects() {
            let effects = state.bytestream.take_effects();
            effects.into_iter().map(Effect::Bytestream).for_each(&mut queue);
        }
        if state.lifecycle.has_effects() {
            let effects = state.lifecycle.take_effects();
            effects.into_iter().map(Effect::Lifecycle).for_each(&mut queue);
        }
        if state.timers.has_changed() {
            state.timers.arm(Instant::now());
            self.timers.set(vm, state.timers.next_due());
        }
        if (http_calls > 0 || grpc_calls > 0)
            && let Some(figures) = instance.figures(scope.plugin_id)
        {
            figures.http_calls.add(http_calls);
            figures.grpc_calls.add(grpc_calls);
        }
    }

    /// Carries an effect out. It may concern any stream of the instance it came from; an instance that failed has none.
    pub(crate) fn apply(&mut self, queued: QueuedEffect) {
        let QueuedEffect {
            vm,
            generation,
            effect,
            origin,
        } = queued;
        match effect {
            Effect::Http(wasi_http::Effect::Resume {
                context_id,
                direction,
            }) => {
                if let Some(context) = self.context(vm, generation, context_id) {
                    self.resume(At::of(context, direction));
                }
            }
            Effect::Http(wasi_http::Effect::Respond { context_id, response }) => {
                let Some(context) = self.context(vm, generation, context_id) else {
                    return;
                };
                if let Some(stream) = self.stream(context.stream) {
                    stream.local_answer = Some(LocalAnswer::Plugin(context.filter));
                }
                self.note_answered(context.stream, context.filter);
                let visits_own = self.visits_own_response(vm, context.plugin_id);
                self.respond(
                    context.stream,
                    context.filter + usize::from(visits_own),
                    *response,
                );
            }
            Effect::Http(wasi_http::Effect::Close { context_id }) => {
                if let Some(context) = self.context(vm, generation, context_id) {
                    self.reset(context.stream, ResetReason::Closed);
                }
            }
            Effect::Grpc(effect) => self.apply_grpc(vm, generation, effect, origin),
            Effect::Bytestream(wasi_bytestream::Effect::Resume { context_id, side }) => {
                if let Some(context) = self.context(vm, generation, context_id) {
                    self.resume(At::of(context, side.direction()));
                }
            }
            Effect::Bytestream(wasi_bytestream::Effect::Close { context_id, .. }) => {
                if let Some(context) = self.context(vm, generation, context_id) {
                    self.close_in_order(context);
                }
            }
            Effect::Http(wasi_http::Effect::Call(effect)) => {
                self.apply_http_call(vm, generation, effect, origin);
            }
            Effect::Lifecycle(wasi_context::Effect::ContextFinished { context_id }) => {
                self.end_deferred(vm, generation, DeferredEnd::Context { context_id });
            }
            Effect::Lifecycle(wasi_context::Effect::PluginShutDown { plugin_id }) => {
                let deferred = self.deferred.iter().find_map(|deferred| match deferred.what {
                    DeferredEnd::Plugin { plugin_id: of, .. }
                        if of == plugin_id && (deferred.vm, deferred.generation) == (vm, generation) =>
                    {
                        Some(deferred.what)
                    }
                    _ => None,
                });
                if let Some(what) = deferred {
                    self.end_deferred(vm, generation, what);
                }
            }
        }
    }

    /// What a filter holds goes on, and then what came meanwhile comes to it.
    fn resume(&mut self, at: At) {
        if self
            .shared_lane(at)
            .is_some_and(|lane| lane.flow == Flow::Resuming)
        {
            self.release_all(at);
        }
    }

    /// Sends on what a filter holds, and lets it see what came while it paused.
    pub(crate) fn release_all(&mut self, at: At) {
        let Some(lane) = self.lane(at) else { return };
        let unseen = std::mem::take(&mut lane.unseen);
        let (key, place, direction) = (at.key, Place::Filter(at.index), at.direction);
        // It came before what is on its way here now.
        for piece in unseen.into_iter().rev() {
            self.work.push_front(Work {
                key,
                place,
                direction,
                piece,
            });
        }
        // Last, for what is released may lead to a reset, after which nothing is to come.
        self.release(at, false);
        // Its driver may read again.
        self.announce(at.key);
    }

    /// A context of an instance, unless that is gone.
    pub(crate) fn context(&mut self, vm: usize, generation: u64, context_id: u32) -> Option<Context> {
        let slot = self
            .vms
            .get_mut(vm)
            .filter(|slot| slot.generation == generation)?;
        slot.instance
            .as_mut()?
            .state()
            .common
            .contexts
            .context(context_id)
            .copied()
    }

    fn visits_own_response(&mut self, vm: usize, plugin_id: u32) -> bool {
        let instance = self.vms.get_mut(vm).and_then(|slot| slot.instance.as_mut());
        let plugin = instance.and_then(|instance| instance.state().common.contexts.plugin(plugin_id));
        plugin.is_some_and(|plugin| plugin.settings.policy.visits_own_response)
    }
}

/// The two directions.
pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Request, Direction::Response];
