//! What happens on calls and streams to upstreams.

#![allow(clippy::expect_used, reason = "a test whose surroundings fail has to fail")]

use super::Guest;
use wasi_grpc::GrpcCallbacks;
use wasi_http::{CallEvent, HttpCallCallbacks};
use wasmtime::AsContextMut;

impl Guest {
    pub(super) fn load_answers(&mut self) {
        let streams = HttpCallCallbacks::<super::State>::streams_answers(&self.callbacks.http);
        self.store.data_mut().http.calls.set_streams_answers(streams);
    }

    /// What was asked of the driver of gRPC calls since the last call.
    pub(crate) fn grpc_effects(&mut self) -> Vec<wasi_grpc::Effect> {
        self.store.data_mut().grpc.take_effects()
    }

    /// Hands over what came back for an HTTP call, and enters the plugin for what follows.
    pub(crate) fn answer(&mut self, callout_id: u32, events: impl IntoIterator<Item = CallEvent>) {
        for event in events {
            self.store.data_mut().http.calls.receive(callout_id, event);
            self.deliver(callout_id);
        }
    }

    /// Enters the plugin for what can be told of an HTTP call.
    pub(crate) fn deliver(&mut self, callout_id: u32) {
        loop {
            let state = self.store.data_mut();
            let Some(delivery) = state.http.calls.next_delivery(&mut state.common, callout_id) else {
                return;
            };
            self.plugin_id = delivery.plugin_id;
            self.enter(delivery.plugin_id, delivery.part.phase().callback());
            let store = self.store.as_context_mut();
            let returned = self
                .callbacks
                .http
                .answer(store, delivery.plugin_id, callout_id, delivery.part)
                .expect("no trap");
            let state = self.store.data_mut();
            assert!(
                state.http.calls.answered(&mut state.common, callout_id, returned),
                "{returned:?}"
            );
            self.leave();
        }
    }

    /// Hands over what came back for a gRPC call, and enters the plugin for what follows.
    pub(crate) fn answer_grpc(
        &mut self,
        callout_id: u32,
        events: impl IntoIterator<Item = wasi_grpc::Event>,
    ) {
        for event in events {
            self.store.data_mut().grpc.receive(callout_id, event);
            loop {
                let state = self.store.data_mut();
                let Some(delivery) = state.grpc.next_delivery(&mut state.common, callout_id) else {
                    break;
                };
                self.plugin_id = delivery.plugin_id;
                self.enter(delivery.plugin_id, "gRPC");
                let store = self.store.as_context_mut();
                let returned = self
                    .callbacks
                    .grpc
                    .answer(store, delivery.plugin_id, callout_id, delivery.part)
                    .expect("no trap");
                let state = self.store.data_mut();
                assert!(
                    state.grpc.answered(&mut state.common, callout_id, returned),
                    "{returned:?}"
                );
                self.leave();
            }
        }
    }
}
