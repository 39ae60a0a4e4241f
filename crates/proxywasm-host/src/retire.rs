//! Plugins whose place others have taken: they end with their last stream.

use crate::host::Host;
use crate::output::ResetReason;
use crate::plugin::Plugin;
use crate::stream::replies::unavailable;
use std::time::{Duration, Instant};
use wasi_common::StreamKey;

/// The plugins that end with their last stream.
#[derive(Default)]
pub(crate) struct Retirement {
    plugins: Vec<Retiring>,
    /// A stream has ended at a plugin, since it was looked whether one of these ends.
    pub(crate) context_ended: bool,
}

/// A plugin that ends when its last stream has ended.
struct Retiring {
    plugin: Plugin,
    phase: Phase,
    /// When the phase ends.
    until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has streams, which are waited for.
    Waiting,
    /// They were told to end.
    CutOff,
    /// It was asked to end. A connection that is about to close may still bring it a stream.
    Ended,
}

/// How long streams that are cut off may take for their end.
const LAST_GRACE: Duration = Duration::from_secs(5);
/// How long it is seen to that a plugin that has ended ends again, if streams come to it all the same.
const LINGER: Duration = Duration::from_secs(30);

// === impl Retirement ===

impl Retirement {
    /// Whether to look if one of them ends.
    pub(crate) fn may_be_due(&self) -> bool {
        self.context_ended && !self.plugins.is_empty()
    }
}

impl Host {
    /// Ends a plugin once its last stream has ended, by [`Host::shut_down`]: now, if it has none. As a background plugin it is released now.
    /// Streams that are still open at `until` are answered with 503, or reset.
    pub fn retire(&mut self, plugin: &Plugin, until: Instant) {
        self.release_background(plugin);
        if self
            .retirement
            .plugins
            .iter()
            .any(|retiring| retiring.plugin.id() == plugin.id())
        {
            return;
        }
        self.retirement.plugins.push(Retiring {
            plugin: plugin.clone(),
            phase: Phase::Waiting,
            until,
        });
        self.retirement.context_ended = true;
        self.run();
    }

    /// The number of streams that have not ended at a plugin.
    pub fn streams_of(&self, plugin: &Plugin) -> usize {
        let instances = self.vms.iter().filter_map(|slot| slot.instance.as_ref());
        instances.map(|instance| instance.contexts_of(plugin.id())).sum()
    }

    /// Whether a plugin is to end and has streams.
    pub(crate) fn is_retiring(&self, plugin: u64) -> bool {
        let mut waiting = self.retirement.plugins.iter();
        waiting.any(|retiring| retiring.plugin.id() == plugin && retiring.phase != Phase::Ended)
    }

    /// Ends those plugins whose last stream has ended; to be called when one has.
    pub(crate) fn end_retired(&mut self) {
        self.retirement.context_ended = false;
        // To end one may end others' streams, so each is looked at after it.
        while let Some(at) = self
            .retirement
            .plugins
            .iter()
            .position(|retiring| self.is_due(retiring))
        {
            let Some(retiring) = self.retirement.plugins.get_mut(at) else {
                return;
            };
            retiring.phase = Phase::Ended;
            retiring.until = Instant::now() + LINGER;
            let plugin = retiring.plugin.clone();
            self.shut_down(&plugin);
        }
    }

    fn is_due(&self, retiring: &Retiring) -> bool {
        let plugin = &retiring.plugin;
        match retiring.phase {
            Phase::Ended => self.shared.contains_key(&plugin.id()) && self.streams_of(plugin) == 0,
            Phase::Waiting | Phase::CutOff => self.streams_of(plugin) == 0,
        }
    }

    /// When a phase of one ends.
    pub(crate) fn next_retired(&self) -> Option<Instant> {
        self.retirement
            .plugins
            .iter()
            .map(|retiring| retiring.until)
            .min()
    }

    /// Ends the streams that took too long, and in the end plugins all the same.
    pub(crate) fn cut_retired_off(&mut self, now: Instant) {
        let is_late = |retiring: &Retiring| retiring.until <= now;
        while let Some(at) = self.retirement.plugins.iter().position(is_late) {
            let Some(retiring) = self.retirement.plugins.get_mut(at) else {
                return;
            };
            let plugin = retiring.plugin.clone();
            match retiring.phase {
                Phase::Waiting => {
                    retiring.phase = Phase::CutOff;
                    retiring.until = now + LAST_GRACE;
                    self.cut_off(&plugin);
                }
                Phase::CutOff => {
                    retiring.phase = Phase::Ended;
                    retiring.until = now + LINGER;
                    self.shut_down(&plugin);
                }
                Phase::Ended => {
                    self.retirement.plugins.swap_remove(at);
                }
            }
        }
    }

    fn cut_off(&mut self, plugin: &Plugin) {
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
