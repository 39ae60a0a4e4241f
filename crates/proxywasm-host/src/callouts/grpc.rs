//! gRPC callouts: unary calls and streams.

use super::{CalloutId, CalloutOrigin, Command, illegal};
use crate::callback::Callback;
use crate::host::{Effect, Host, QueuedEffect};
use wasi_common::CalloutKind;
use wasi_grpc::{Effect as GrpcEffect, Event};

impl Host {
    /// Something came back for a gRPC callout. What comes for one that was cancelled, or whose plugin has gone, is dropped.
    pub fn grpc_event(&mut self, id: CalloutId, event: Event) {
        let origin = self.callouts.origin(id);
        if matches!(event, Event::End { .. }) {
            self.callouts.end(id);
        }
        self.receive_grpc(id, event, origin);
    }

    pub(super) fn receive_grpc(&mut self, id: CalloutId, event: Event, origin: Option<CalloutOrigin>) {
        let Some(state) = self.callout_state(id) else {
            return;
        };
        state.grpc.receive(id.callout, event);
        (self.callouts.current, self.callouts.current_origin) = (Some(id), origin);
        self.collect_effects(id.vm);
        self.deliver_grpc(id);
        self.run();
        (self.callouts.current, self.callouts.current_origin) = (None, None);
    }

    /// A message of a [`Command::GrpcSend`] has left, and is waited for no longer. It had so many bytes.
    pub fn grpc_sent(&mut self, id: CalloutId, message_bytes: usize) {
        if let Some(state) = self.callout_state(id) {
            state.grpc.sent(id.callout, message_bytes);
        }
    }

    /// Carries out what plugins asked of their gRPC callouts.
    pub(crate) fn apply_grpc(
        &mut self,
        vm: usize,
        generation: u64,
        effect: GrpcEffect,
        origin: Option<CalloutOrigin>,
    ) {
        let callout = effect.callout_id();
        let id = CalloutId {
            vm,
            generation,
            callout,
        };
        match effect {
            GrpcEffect::Open { request, .. } => {
                let Some(default) = self.callout_time(id) else {
                    return;
                };
                let mut request = request;
                if request.kind == CalloutKind::GrpcCall {
                    request.timeout.get_or_insert(default);
                }
                self.callouts.begin(id, request.kind, request.timeout, origin);
                self.callouts
                    .commands
                    .push_back(Command::GrpcCall { id, request, origin });
            }
            GrpcEffect::Send {
                message,
                end_of_stream,
                ..
            } => {
                // One that has ended sends nothing more.
                if self.callouts.is_open(id) {
                    self.callouts.commands.push_back(Command::GrpcSend {
                        id,
                        message,
                        end_of_stream,
                    });
                }
            }
            GrpcEffect::Cancel { .. } => {
                self.callouts.cancel(id, false);
            }
            GrpcEffect::Resume { .. } => {
                if !self.deliver_grpc(id) {
                    self.read_on(id);
                }
            }
        }
    }

    /// Tells a plugin what has come for a gRPC callout. What is to be told after that waits until the effects of this callback have
    /// been carried out. Returns whether there was anything.
    fn deliver_grpc(&mut self, id: CalloutId) -> bool {
        let Some(state) = self.callout_state(id) else {
            return false;
        };
        let Some(delivery) = state.grpc.next_delivery(&mut state.common, id.callout) else {
            return false;
        };
        let (plugin_id, part) = (delivery.plugin_id, delivery.part);
        let instance = (id.vm, id.generation);
        let callback = Callback::Grpc(part.phase());
        let returned = self.call_plugin(instance, plugin_id, callback, |callbacks, store| {
            callbacks.grpc.answer(store, plugin_id, id.callout, part)
        });
        let Some(returned) = returned else { return true };
        let Some(state) = self.callout_state(id) else {
            return true;
        };
        if !state.grpc.answered(&mut state.common, id.callout, returned) {
            illegal(&state.common, plugin_id, callback.name(), returned);
        }
        if state.has_effects() {
            self.collect_effects(id.vm);
        }
        self.effects.push_back(QueuedEffect {
            vm: id.vm,
            generation: id.generation,
            effect: Effect::Grpc(GrpcEffect::Resume {
                callout_id: id.callout,
            }),
            origin: None,
        });
        true
    }
}
