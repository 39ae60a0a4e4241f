//! What happens to a plugin without a stream: timers, queues, the log level, calls of the embedder.

#![allow(clippy::expect_used, reason = "a test whose surroundings fail has to fail")]

use super::Guest;
use bytes::Bytes;
use std::time::Duration;
use wasi_common::LogLevel;
use wasi_ffi::{CallbackError, FfiCallbacks};
use wasi_log::LogCallbacks;
use wasi_queue::QueueCallbacks;
use wasi_timer::TimerCallbacks;
use wasmtime::AsContextMut;

impl Guest {
    /// Tells another log level.
    pub(crate) fn set_log_level(&mut self, level: LogLevel) {
        self.store.data_mut().log.set_level(level);
        self.callbacks
            .log
            .on_log_level_update(self.store.as_context_mut(), level)
            .expect("no trap");
    }

    /// Lets time pass; timers fire when they are due.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = self.store.data().timers.next_due().filter(|due| *due <= until) {
            self.now = due;
            for timer in self.store.data_mut().timers.take_due(due) {
                if self.store.data_mut().timers.begin(timer) {
                    self.plugin_id = timer.plugin_id;
                    self.enter(timer.plugin_id, "on_timer_ready");
                    self.callbacks
                        .timer
                        .on_timer_ready(self.store.as_context_mut(), timer)
                        .expect("no trap");
                    self.store.data_mut().timers.end(timer, due);
                    self.leave();
                }
            }
        }
        self.now = until;
    }

    /// Tells the plugin of what is in queues; returns how often that was.
    pub(crate) fn tell_of_items(&mut self) -> usize {
        let mailbox = self.store.data().mailbox.clone();
        let mut told = 0;
        while let Some(notification) = mailbox.next() {
            self.plugin_id = notification.recipient().plugin_id;
            self.enter(self.plugin_id, "on_shared_queue_ready");
            let store = self.store.as_context_mut();
            self.callbacks
                .queue
                .on_shared_queue_ready(store, self.plugin_id, notification.queue_id())
                .expect("no trap");
            notification.handled();
            self.leave();
            told += 1;
        }
        told
    }

    /// Calls the plugin as an embedder does.
    pub(crate) fn call(&mut self, number: u32, parameters: &[&[u8]]) -> Result<Vec<Bytes>, CallbackError> {
        self.enter(self.plugin_id, "on_custom_callback");
        let store = self.store.as_context_mut();
        let results = self
            .callbacks
            .ffi
            .on_custom_callback(store, self.plugin_id, number, parameters)
            .expect("no trap");
        self.leave();
        results
    }
}
