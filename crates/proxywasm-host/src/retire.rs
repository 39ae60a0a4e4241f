//! Plugins whose place others have taken: they end with their last stream.

use crate::host::Host;
use crate::output::ResetReason;
use crate::plugin::Plugin;
use crate::stream::replies::unavailable;
use std::time::{Duration, Instant};
use wasi_common::StreamKey;

/// A plugin that ends when its last stream has ended.
pub(crate) struct Retiring {
    plugin: Plugin,
    /// When its streams are not waited for any longer.
    until: Instant,
    /// They were told so.
    cut_off: bool,
}

/// How long streams that are cut off may take for their end.
const LAST_GRACE: Duration = Duration::from_secs(5);

impl Host {
    /// Ends a plugin once its last stream has ended, by [`Host::shut_down`]: now, if it has none. No further stream is to be opened with
    /// it. As a background plugin it is released now. Streams that are still open at `until` are answered with 503, or reset.
    pub fn retire(&mut self, plugin: &Plugin, until: Instant) {
        self.release_background(plugin);
        if self.is_retiring(plugin.id()) {
            return;
        }
        self.retiring.push(Retiring {
            plugin: plugin.clone(),
            until,
            cut_off: false,
        });
        self.run();
    }

    /// The number of streams that have not ended at a plugin.
    pub fn streams_of(&self, plugin: &Plugin) -> usize {
        let instances = self.vms.iter().filter_map(|slot| slot.instance.as_ref());
        instances.map(|instance| instance.contexts_of(plugin.id())).sum()
    }

    pub(crate) fn is_retiring(&self, plugin: u64) -> bool {
        let mut retiring = self.retiring.iter();
        retiring.any(|retiring| retiring.plugin.id() == plugin)
    }

    /// Ends those plugins whose last stream has ended.
    pub(crate) fn end_retired(&mut self) {
        // To end one may end others' streams, so each is looked at after it.
        while let Some(at) = self
            .retiring
            .iter()
            .position(|retiring| self.streams_of_retiring(&retiring.plugin) == 0)
        {
            let retired = self.retiring.swap_remove(at);
            self.shut_down(&retired.plugin);
        }
    }

    /// When the streams of a plugin are cut off next.
    pub(crate) fn next_retired(&self) -> Option<Instant> {
        self.retiring.iter().map(|retiring| retiring.until).min()
    }

    /// Ends the streams that took too long, and in the end plugins all the same.
    pub(crate) fn cut_retired_off(&mut self, now: Instant) {
        let mut late = Vec::new();
        for retiring in &mut self.retiring {
            if retiring.until > now {
                continue;
            }
            late.push((retiring.plugin.clone(), retiring.cut_off));
            retiring.cut_off = true;
            retiring.until = now + LAST_GRACE;
        }
        for (plugin, was_cut_off) in late {
            if was_cut_off {
                self.retiring
                    .retain(|retiring| retiring.plugin.id() != plugin.id());
                self.shut_down(&plugin);
                continue;
            }
            let streams = self.filters_of(plugin.id());
            tracing::warn!(
                plugin = plugin.name(),
                streams = streams.len(),
                "another version has taken the place of this plugin, and streams that it still has are ended"
            );
            for (key, index) in streams {
                self.respond_or_reset(key, index, unavailable(), ResetReason::PluginFailed);
            }
            self.run();
        }
    }

    /// The streams of a plugin that ends. One without instance has none.
    fn streams_of_retiring(&self, plugin: &Plugin) -> usize {
        match self.shared.get(&plugin.id()) {
            Some(running) => {
                let slot = self.vms.get(running.vm);
                let slot = slot.filter(|slot| slot.generation == running.generation);
                let instance = slot.and_then(|slot| slot.instance.as_ref());
                instance.map_or(0, |instance| instance.contexts_of(plugin.id()))
            }
            // It may have one for each stream.
            None => self.streams_of(plugin),
        }
    }

    /// Where a plugin is a filter.
    fn filters_of(&self, plugin: u64) -> Vec<(StreamKey, usize)> {
        let mut found = Vec::new();
        for stream in self.states.iter().filter(|stream| !stream.finished) {
            let Some(key) = stream.key else { continue };
            let index = stream.filters.iter().position(|filter| {
                let slot = self.vms.get(filter.vm);
                let slot = slot.filter(|slot| filter.alive && slot.generation == filter.generation);
                let instance = slot.and_then(|slot| slot.instance.as_ref());
                let root = instance.and_then(|instance| instance.root_of(plugin));
                root.is_some_and(|root| root.plugin_id == filter.plugin_id)
            });
            found.extend(index.map(|index| (key, index)));
        }
        found
    }
}
