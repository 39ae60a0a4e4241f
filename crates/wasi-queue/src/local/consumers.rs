//! Whose turn it is.

use super::Consumer;
use crate::mailbox::{Mailbox, Recipient};
use std::sync::Arc;

/// The consumers of a queue, and how many notifications each has to get.
#[derive(Default)]
pub(super) struct Consumers {
    consumers: Vec<Entry>,
    /// The plugins of the consumers; the one that subscribed last is the last.
    plugins: Vec<Arc<str>>,
    last_id: u64,
    /// Where the search for the next one begins.
    turn: usize,
    /// The sum of what is pending.
    pending: usize,
}

/// A consumer was told.
pub(super) struct Told {
    pub(super) subscription: u64,
    /// Where a letter is to be put, unless one is there.
    pub(super) post: Option<Arc<Mailbox>>,
}

/// What became of the turn of a consumer.
pub(super) struct Begun {
    /// Who is to be called, if anyone is.
    pub(super) recipient: Option<Recipient>,
    /// Notifications were left out, because there are fewer items.
    pub(super) left_out: bool,
    /// More is pending: where the next letter is to be put.
    pub(super) post_again: Option<Arc<Mailbox>>,
}

/// A consumer was removed.
pub(super) struct Removed {
    /// How many notifications were lost with it.
    pub(super) lost: usize,
    /// Where a letter of it is.
    pub(super) posted: Option<Arc<Mailbox>>,
}

struct Entry {
    id: u64,
    consumer: Consumer,
    /// Notifications that were not delivered yet.
    pending: usize,
    /// Notifications that are being delivered.
    under_way: usize,
    /// There is a letter in its mailbox.
    posted: bool,
}

// === impl Consumers ===

impl Consumers {
    pub(super) fn len(&self) -> usize {
        self.consumers.len()
    }

    /// Notifications that were not delivered yet.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    pub(super) fn add(&mut self, consumer: Consumer) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.prefer(&consumer.plugin);
        self.consumers.push(Entry {
            id,
            consumer,
            pending: 0,
            under_way: 0,
            posted: false,
        });
        id
    }

    /// Makes the plugin of a consumer the one that is told, and returns how many notifications others lose by that.
    pub(super) fn renew(&mut self, id: u64) -> usize {
        let of = self.consumers.iter().find(|entry| entry.id == id);
        let plugin = of.map(|entry| Arc::clone(&entry.consumer.plugin));
        plugin.map_or(0, |plugin| self.prefer(&plugin))
    }

    /// Removes a consumer.
    pub(super) fn remove(&mut self, id: u64) -> Option<Removed> {
        let index = self.consumers.iter().position(|entry| entry.id == id)?;
        let entry = self.consumers.remove(index);
        self.pending = self.pending.saturating_sub(entry.pending);
        let plugin = &entry.consumer.plugin;
        if !self
            .consumers
            .iter()
            .any(|other| other.consumer.plugin == *plugin)
        {
            self.plugins.retain(|other| other != plugin);
        }
        Some(Removed {
            lost: entry.pending.saturating_add(entry.under_way),
            posted: entry.posted.then_some(entry.consumer.mailbox),
        })
    }

    /// Removes all consumers, and says in which mailboxes letters of theirs are.
    pub(super) fn clear(&mut self) -> Vec<(u64, Arc<Mailbox>)> {
        let consumers = std::mem::take(self).consumers.into_iter();
        consumers
            .filter(|entry| entry.posted)
            .map(|entry| (entry.id, entry.consumer.mailbox))
            .collect()
    }

    /// Chooses who is told next: of the plugin that subscribed last the instance with the least to do; the one after the last one
    /// told where several have as little.
    pub(super) fn tell(&mut self, except: Option<u64>) -> Option<Told> {
        let plugin = self.plugins.last()?;
        let (before, after) = self.consumers.split_at(self.turn.min(self.consumers.len()));
        let candidates = (after.iter().zip(before.len()..)).chain(before.iter().zip(0..));
        let (_, index) = candidates
            .filter(|(entry, _)| entry.consumer.plugin == *plugin && Some(entry.id) != except)
            .min_by_key(|(entry, _)| entry.pending.saturating_add(entry.under_way))?;
        let entry = self.consumers.get_mut(index)?;
        entry.pending += 1;
        self.pending += 1;
        self.turn = index + 1;
        let is_new = !std::mem::replace(&mut entry.posted, true);
        Some(Told {
            subscription: entry.id,
            post: is_new.then(|| Arc::clone(&entry.consumer.mailbox)),
        })
    }

    /// The turn of a consumer has come, with `items` in the queue. `None` for one that is gone.
    pub(super) fn begin(&mut self, id: u64, items: usize) -> Option<Begun> {
        let entry = self.consumers.iter_mut().find(|entry| entry.id == id)?;
        let left_out = self.pending.saturating_sub(items).min(entry.pending);
        entry.pending -= left_out;
        self.pending -= left_out;
        let due = entry.pending > 0;
        if due {
            entry.pending -= 1;
            self.pending -= 1;
            entry.under_way += 1;
        }
        entry.posted = entry.pending > 0;
        Some(Begun {
            recipient: due.then_some(entry.consumer.recipient),
            left_out: left_out > 0,
            post_again: entry.posted.then(|| Arc::clone(&entry.consumer.mailbox)),
        })
    }

    /// A delivery has ended. Returns whether the consumer is still there.
    pub(super) fn end(&mut self, id: u64) -> bool {
        let entry = self.consumers.iter_mut().find(|entry| entry.id == id);
        entry
            .map(|entry| entry.under_way = entry.under_way.saturating_sub(1))
            .is_some()
    }

    /// Makes a plugin the one that is told. What is pending for others is taken from them.
    fn prefer(&mut self, plugin: &Arc<str>) -> usize {
        if self.plugins.last() == Some(plugin) {
            return 0;
        }
        self.plugins.retain(|other| other != plugin);
        self.plugins.push(Arc::clone(plugin));
        for entry in &mut self.consumers {
            if entry.consumer.plugin != *plugin {
                entry.pending = 0;
            }
        }
        let left = self.consumers.iter().map(|entry| entry.pending).sum();
        let before = std::mem::replace(&mut self.pending, left);
        before.saturating_sub(left)
    }
}
