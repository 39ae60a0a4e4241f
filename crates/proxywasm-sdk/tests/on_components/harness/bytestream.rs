//! What happens on TCP streams.

#![allow(clippy::expect_used, reason = "a test whose surroundings fail has to fail")]

use super::Guest;
use bytes::Bytes;
use wasi_bytestream::{BytestreamCallbacks, Effect, Side};
use wasi_common::{Access, Action, CloseSource, ContextType};
use wasmtime::AsContextMut;

impl Guest {
    /// Starts a plugin, and a TCP stream; returns the action for the new connection.
    pub(crate) fn connect(name: &str, configuration: &str) -> (Self, Action) {
        let (mut guest, accepted) = Self::start(name, configuration);
        assert!(accepted, "{name} refuses {configuration:?}");
        guest.open_stream(ContextType::Bytestream);
        guest.enter(guest.context_id, "on_new_connection");
        let store = guest.store.as_context_mut();
        let action = guest
            .callbacks
            .bytestream
            .new_connection(store, guest.context_id)
            .expect("no trap")
            .expect("a known action");
        guest.answered(Side::Downstream.direction(), action);
        (guest, action)
    }

    /// Delivers data behind what is held; returns the action, and what is held then. What is forwarded is held no longer.
    pub(crate) fn data(&mut self, side: Side, piece: &[u8], end_of_stream: bool) -> (Action, Vec<u8>) {
        self.enter(self.context_id, "data");
        let lane = self.lane(side.direction());
        lane.body_access = Access::Write;
        lane.body.push(Bytes::copy_from_slice(piece));
        let size = lane.body.len() as u32;
        let store = self.store.as_context_mut();
        let action = self
            .callbacks
            .bytestream
            .data(store, side, self.context_id, size, end_of_stream)
            .expect("no trap")
            .expect("a known action");
        let body = &mut self.lane(side.direction()).body;
        let held = body.range(0, usize::MAX).collect::<Vec<_>>().concat();
        if action == Action::Forward {
            body.clear();
        }
        self.answered(side.direction(), action);
        (action, held)
    }

    /// Tells that a connection is closed.
    pub(crate) fn close(&mut self, side: Side, source: CloseSource) {
        self.enter(self.context_id, "close");
        let store = self.store.as_context_mut();
        self.callbacks
            .bytestream
            .closed(store, side, self.context_id, source)
            .expect("no trap");
        self.leave();
    }

    /// What was queued since the last call.
    pub(crate) fn bytestream_effects(&mut self) -> Vec<Effect> {
        self.store.data_mut().bytestream.take_effects()
    }
}
