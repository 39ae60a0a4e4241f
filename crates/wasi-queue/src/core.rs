//! The semantics of wasi-queue: who has opened which queue, and what an item that was not fetched goes through.

use crate::backend::{Item, Queue, QueueBackend, QueueError};
use crate::local::{Consumer, Subscription};
use crate::mailbox::{Mailbox, Recipient};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use wasi_common::policy::QueueIds;
use wasi_common::{Common, PluginSettings, Status};

/// The queues that the plugins of one instance have opened.
///
/// The id of a queue is its number in the process, whoever opens it and how often. When the instance goes, consumers elsewhere are told
/// of what it was told and did not handle.
pub struct Queues {
    backend: Arc<dyn QueueBackend>,
    mailbox: Arc<Mailbox>,
    instance: u64,
    /// By plugin and by number.
    opened: FxHashMap<(u32, u32), Opened>,
    /// What has an item set aside, as it was not fetched in the running callback.
    reserved: Vec<(u32, u32)>,
}

/// A queue that a plugin has opened.
struct Opened {
    queue: Arc<dyn Queue>,
    reserved: Option<Item>,
    subscription: Option<Subscription>,
}

/// How often a queue is opened anew that someone deletes in the very moment.
const TRIES: usize = 3;

// === impl Queues ===

impl Queues {
    /// Queues of `backend` for one instance. Notifications go to `mailbox` and name the instance by `instance`, a number that the
    /// embedder gives to no other instance of that mailbox.
    pub fn new(backend: Arc<dyn QueueBackend>, mailbox: Arc<Mailbox>, instance: u64) -> Self {
        Self {
            backend,
            mailbox,
            instance,
            opened: FxHashMap::default(),
            reserved: Vec::new(),
        }
    }

    /// Opens a queue of the plugin's own scope, its VM id; with `create`, makes it if need be, and makes the plugin a consumer.
    /// Returns its id, the same each time.
    ///
    /// # Errors
    /// `bad_argument` for an empty name, `not_found` without `create`, `not_allowed` by the plugin's permissions, `unavailable` beyond
    /// a bound or where the queue cannot be reached, `invalid_operation` while no plugin is executing.
    pub fn open(&mut self, common: &Common, name: &[u8], create: bool) -> Result<u32, Status> {
        if name.is_empty() {
            return Err(Status::BadArgument);
        }
        self.open_own(common, name, create)
    }

    /// As [`Queues::open`], but any name will do: with the older ABIs a queue can have an empty one.
    ///
    /// # Errors
    /// As [`Queues::open`].
    pub fn open_own(&mut self, common: &Common, name: &[u8], create: bool) -> Result<u32, Status> {
        let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
        self.open_in(common, &settings.vm_id, name, create)
    }

    /// Opens a queue of any scope, as the older ABIs can; a plugin that creates one is a consumer of it.
    ///
    /// # Errors
    /// As [`Queues::open`], but for the empty name.
    pub fn open_in(
        &mut self,
        common: &Common,
        scope: &str,
        name: &[u8],
        create: bool,
    ) -> Result<u32, Status> {
        let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
        allowed(settings, name)?;
        let plugin_id = common.scope.plugin_id;
        let consumer = create.then(|| Consumer {
            plugin: settings.name.as_str().into(),
            recipient: Recipient {
                instance: self.instance,
                plugin_id,
            },
            mailbox: Arc::clone(&self.mailbox),
        });
        let limit = settings.limits.handles;
        for _ in 1..TRIES {
            match self.open_once(plugin_id, limit, (scope, name), consumer.clone()) {
                Err(QueueError::NotFound) if create => {}
                result => return Ok(result?),
            }
        }
        Ok(self.open_once(plugin_id, limit, (scope, name), consumer)?)
    }

    /// Adds an item at the end of a queue.
    ///
    /// # Errors
    /// `bad_argument` for an id that is no queue's and `not_allowed` for one that only another plugin has opened (with the older ABIs
    /// `not_found` for the first, and nothing for the second); `not_found` for a queue that was deleted, `unavailable` where it is
    /// full, the item too large, or the queue out of reach.
    pub fn enqueue(&mut self, common: &Common, queue_id: u32, payload: &[u8]) -> Result<(), Status> {
        let opened = self.opened(common, queue_id)?;
        opened.queue.enqueue(payload).map_err(Status::from)
    }

    /// The oldest item of a queue. It is set aside for the plugin until [`Queues::fetched`] says that it has it; without that,
    /// [`Queues::callback_returned`] puts it back in front. Until then the plugin gets the same one again.
    ///
    /// # Errors
    /// As [`Queues::enqueue`]; also `empty`.
    pub fn reserve(&mut self, common: &Common, queue_id: u32) -> Result<Bytes, Status> {
        let opened = self.opened(common, queue_id)?;
        if let Some(item) = &opened.reserved {
            return Ok(item.payload.clone());
        }
        let item = opened.queue.take()?;
        let payload = item.payload.clone();
        opened.reserved = Some(item);
        self.reserved.push((common.scope.plugin_id, queue_id));
        Ok(payload)
    }

    /// The plugin has the item that was set aside: it is taken.
    pub fn fetched(&mut self, common: &Common, queue_id: u32) {
        let key = (common.scope.plugin_id, queue_id);
        let opened = self.opened.get_mut(&key);
        if let Some((opened, item)) =
            opened.and_then(|opened| opened.reserved.take().map(|item| (opened, item)))
        {
            opened.queue.acknowledge(item);
            self.reserved.retain(|other| *other != key);
        }
    }

    /// The callback has returned, or trapped: what was set aside and not fetched goes back in front of its queue. Costs nothing where
    /// there is nothing.
    #[inline]
    pub fn callback_returned(&mut self) {
        while let Some(key) = self.reserved.pop() {
            if let Some(opened) = self.opened.get_mut(&key) {
                opened.give_back();
            }
        }
    }

    /// Deletes a queue with all that is in it. The plugin's id of it is gone; others find nothing from then on.
    ///
    /// # Errors
    /// As [`Queues::enqueue`].
    pub fn delete(&mut self, common: &Common, queue_id: u32) -> Result<(), Status> {
        let opened = self.opened(common, queue_id)?;
        opened.queue.delete()?;
        self.opened.remove(&(common.scope.plugin_id, queue_id));
        Ok(())
    }

    /// A plugin goes, and with it what it has opened. Others are told of what it did not handle.
    pub fn remove_plugin(&mut self, plugin_id: u32) {
        self.opened.retain(|(owner, _), _| *owner != plugin_id);
    }

    fn open_once(
        &mut self,
        plugin_id: u32,
        limit: usize,
        place: (&str, &[u8]),
        consumer: Option<Consumer>,
    ) -> Result<u32, QueueError> {
        let (scope, name) = place;
        let is_full = self.is_full(plugin_id, limit);
        let create = consumer.is_some() && !is_full;
        let queue = self
            .backend
            .open(scope, name, create)
            .map_err(|error| match error {
                QueueError::NotFound if is_full => QueueError::TooManyQueues,
                error => error,
            })?;
        let key = (plugin_id, queue.number());
        let Some(opened) = self.opened.get_mut(&key) else {
            if is_full {
                return Err(QueueError::TooManyQueues);
            }
            let subscription = consumer.map(|consumer| queue.subscribe(consumer)).transpose()?;
            self.opened.insert(key, Opened::new(queue, subscription));
            return Ok(key.1);
        };
        match (&opened.subscription, consumer) {
            (Some(subscription), Some(_)) => subscription.renew(),
            (None, Some(consumer)) => opened.subscription = Some(opened.queue.subscribe(consumer)?),
            (_, None) => {}
        }
        Ok(key.1)
    }

    /// Whether a plugin has as many queues as it may. What was deleted does not count, and is forgotten when room is needed.
    fn is_full(&mut self, plugin_id: u32, limit: usize) -> bool {
        let of_plugin = |opened: &FxHashMap<(u32, u32), Opened>| {
            opened.len() >= limit && opened.keys().filter(|(owner, _)| *owner == plugin_id).count() >= limit
        };
        if !of_plugin(&self.opened) {
            return false;
        }
        let backend = &self.backend;
        self.opened
            .retain(|(_, number), _| backend.find(*number).is_some());
        of_plugin(&self.opened)
    }

    fn opened(&mut self, common: &Common, queue_id: u32) -> Result<&mut Opened, Status> {
        let plugin_id = common.scope.plugin_id;
        let key = (plugin_id, queue_id);
        if !self.opened.contains_key(&key) {
            let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
            match settings.policy.queue_ids {
                QueueIds::Opened if self.opened.keys().any(|(_, id)| *id == queue_id) => {
                    return Err(Status::NotAllowed);
                }
                QueueIds::Opened => return Err(Status::BadArgument),
                QueueIds::Process => {
                    let queue = self.backend.find(queue_id).ok_or(Status::NotFound)?;
                    allowed(settings, queue.name())?;
                    if self.is_full(plugin_id, settings.limits.handles) {
                        return Err(Status::Unavailable);
                    }
                    self.opened.insert(key, Opened::new(queue, None));
                }
            }
        }
        self.opened.get_mut(&key).ok_or(Status::BadArgument)
    }
}

// === impl Opened ===

impl Opened {
    fn new(queue: Arc<dyn Queue>, subscription: Option<Subscription>) -> Self {
        Self {
            queue,
            reserved: None,
            subscription,
        }
    }

    fn give_back(&mut self) {
        if let Some(item) = self.reserved.take() {
            self.queue.give_back(item);
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // Before the subscription goes, so that others are told of the item.
        self.give_back();
    }
}

fn allowed(settings: &PluginSettings, name: &[u8]) -> Result<(), Status> {
    if settings.permissions.queues.allows(name) {
        Ok(())
    } else {
        Err(Status::NotAllowed)
    }
}

#[cfg(test)]
mod tests;
