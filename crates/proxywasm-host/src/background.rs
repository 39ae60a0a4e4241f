//! Background plugins: they run without any stream, on timers, queues and callouts.

use crate::host::Host;
use crate::plugin::Plugin;
use crate::starts::{BACK_OFF, MAX_BACK_OFF, back_off};
use std::time::Instant;

/// A plugin that is kept running.
pub(crate) struct Background {
    plugin: Plugin,
    phase: Phase,
    /// How often in a row it failed without having run for long.
    failures: u32,
}

enum Phase {
    /// It runs in this instance.
    Running {
        vm: usize,
        generation: u64,
        since: Instant,
    },
    /// It is started at this time.
    Waiting { until: Instant },
}

impl Host {
    /// Starts a plugin that needs no stream to live, and keeps it running: it lives on timers, queues and callouts. When its instance
    /// fails, or cannot be had, it is started again after a while, between one second and one minute and a half, by
    /// [`Host::handle_deadline`]. [`Host::shut_down`] ends it.
    ///
    /// It has one instance here, also where its configuration wants a fresh one for each stream. It may have streams as well.
    pub fn keep_running(&mut self, plugin: &Plugin) {
        if self
            .backgrounds
            .iter()
            .any(|kept| kept.plugin.id() == plugin.id())
        {
            return;
        }
        let now = Instant::now();
        self.backgrounds.push(Background {
            plugin: plugin.clone(),
            phase: Phase::Waiting { until: now },
            failures: 0,
        });
        self.start_backgrounds(now);
    }

    /// Starts those background plugins whose time has come.
    pub(crate) fn start_backgrounds(&mut self, now: Instant) {
        let is_due =
            |background: &Background| matches!(background.phase, Phase::Waiting { until } if until <= now);
        let due = self.backgrounds.iter().filter(|background| is_due(background));
        let due: Vec<Plugin> = due.map(|background| background.plugin.clone()).collect();
        for plugin in due {
            let vm = self.shared_vm(&plugin);
            let running = self.running_in(vm, &plugin, now);
            let not_before = self.vms.get(vm).and_then(|slot| slot.starts.not_before());
            let background = self
                .backgrounds
                .iter_mut()
                .find(|background| background.plugin.id() == plugin.id());
            let Some(background) = background else { continue };
            background.phase = match running {
                Some(running) => Phase::Running {
                    vm: running.vm,
                    generation: running.generation,
                    since: now,
                },
                None => Phase::Waiting {
                    until: not_before.unwrap_or_else(|| now + back_off(BACK_OFF, 0, MAX_BACK_OFF)),
                },
            };
            self.run();
        }
    }

    /// When the next background plugin is to be started.
    pub(crate) fn next_background(&self) -> Option<Instant> {
        let times = self
            .backgrounds
            .iter()
            .filter_map(|background| match background.phase {
                Phase::Waiting { until } => Some(until),
                Phase::Running { .. } => None,
            });
        times.min()
    }

    /// An instance is gone: the background plugins that ran in it are started again later.
    pub(crate) fn lose_backgrounds(&mut self, vm: usize, generation: u64) {
        let now = Instant::now();
        for background in &mut self.backgrounds {
            let Phase::Running {
                vm: own_vm,
                generation: own,
                since,
            } = background.phase
            else {
                continue;
            };
            if (own_vm, own) != (vm, generation) {
                continue;
            }
            if now.saturating_duration_since(since) >= MAX_BACK_OFF {
                background.failures = 0;
            }
            let delay = back_off(BACK_OFF, background.failures, MAX_BACK_OFF);
            background.failures = background.failures.saturating_add(1);
            background.phase = Phase::Waiting { until: now + delay };
            tracing::warn!(
                plugin = background.plugin.name(),
                "a background plugin has lost its instance; it is started again in {:.1} s",
                delay.as_secs_f64()
            );
        }
    }

    /// A plugin has ended in an instance that lives on: if it was to be kept running again meanwhile, it is started anew.
    pub(crate) fn restart_background(&mut self, plugin: u64) {
        let of = |background: &&mut Background| background.plugin.id() == plugin;
        if let Some(background) = self.backgrounds.iter_mut().find(of) {
            background.phase = Phase::Waiting {
                until: Instant::now(),
            };
        }
    }

    /// Keeps a plugin running no longer. It lives on, for its streams, until [`Host::shut_down`] or [`Host::retire`] ends it.
    pub fn release_background(&mut self, plugin: &Plugin) {
        self.release_backgrounds(|kept| kept.id() == plugin.id());
    }

    /// When a background plugin is started again, if it has no instance.
    pub(crate) fn background_due(&self, plugin: u64) -> Option<(u32, Instant)> {
        let mut backgrounds = self.backgrounds.iter();
        let background = backgrounds.find(|background| background.plugin.id() == plugin)?;
        match background.phase {
            Phase::Waiting { until } => Some((background.failures, until)),
            Phase::Running { .. } => None,
        }
    }

    /// A plugin, or all of them, is not kept running any longer.
    pub(crate) fn release_backgrounds(&mut self, is_released: impl Fn(&Plugin) -> bool) {
        self.backgrounds
            .retain(|background| !is_released(&background.plugin));
    }
}
