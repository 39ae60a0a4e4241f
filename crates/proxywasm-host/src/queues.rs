//! Queues: what was added to them is told to plugins, from whatever worker it came.

use crate::callback::Callback;
use crate::host::Host;
use crate::services::Services;
use std::sync::Arc;
use std::task::Waker;
use wasi_queue::{Mailbox, Notification, Queues};

/// Notifications that one call delivers, so that streams get their turn.
const NOTIFICATIONS_PER_TURN: usize = 64;

impl Host {
    /// Sets who is woken when something has come for this host from another thread, or is left to do: whoever it is then calls
    /// [`Host::handle_wake`]. Without a waker, plugins are told nothing of their queues until that is called.
    pub fn set_waker(&mut self, waker: Waker) {
        self.mailbox.set_waker(waker);
    }

    /// Does what the waker was woken for: tells plugins of items in their queues. What comes meanwhile, also by these plugins
    /// themselves, wakes again.
    pub fn handle_wake(&mut self) {
        for _ in 0..NOTIFICATIONS_PER_TURN {
            let Some(notification) = self.mailbox.next() else {
                return;
            };
            self.tell_of_item(notification);
            self.run();
        }
        if !self.mailbox.is_empty() {
            self.mailbox.wake();
        }
    }

    fn tell_of_item(&mut self, notification: Notification) {
        let recipient = notification.recipient();
        // Of an instance that has gone there is no notification, so the place tells the instance.
        let vm = usize::try_from(recipient.instance).unwrap_or(usize::MAX);
        let Some(generation) = self.vms.get(vm).map(|slot| slot.generation) else {
            return;
        };
        let (plugin_id, queue_id) = (recipient.plugin_id, notification.queue_id());
        let told = self.call_plugin(
            (vm, generation),
            plugin_id,
            Callback::SharedQueueReady,
            |callbacks, store| callbacks.queues.on_shared_queue_ready(store, plugin_id, queue_id),
        );
        // Otherwise it failed, and another consumer is told.
        if told.is_some() {
            notification.handled();
        }
    }
}

/// The queues of the instance in a place of a host, which learns of items by the host's mailbox.
pub(crate) fn queues_of(services: &Services, mailbox: &Arc<Mailbox>, vm: usize) -> Queues {
    Queues::new(Arc::clone(&services.queues), Arc::clone(mailbox), vm as u64)
}
