//! The instances of a worker, and how failed ones are replaced.

use crate::callback::Callback;
use crate::clock::thread_time;
use crate::config::InstanceStrategy;
use crate::host::Host;
use crate::instance::{Instance, Root};
use crate::plugin::Plugin;
use crate::queues::queues_of;
use crate::starts::{Restarts, Starts};
use std::time::{Duration, Instant};

/// A place for one instance and those that replace it.
pub(crate) struct Vm {
    pub(crate) instance: Option<Instance>,
    /// Counts the instances that were here; contexts live in one of them.
    pub(crate) generation: u64,
    pub(crate) starts: Starts,
    /// The instance is for one stream only.
    pub(crate) transient: bool,
}

/// A plugin in an instance that runs.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) vm: usize,
    pub(crate) generation: u64,
    pub(crate) root: Root,
}

impl Vm {
    fn new(transient: bool) -> Self {
        Self {
            instance: None,
            generation: 0,
            starts: Starts::default(),
            transient,
        }
    }

    /// Drops the instance.
    pub(crate) fn drop_instance(&mut self) {
        self.instance = None;
        self.generation += 1;
    }

    /// Drops an instance that failed. If the next one has to wait, returns how many failed in a row and how long it waits.
    pub(crate) fn drop_failed(&mut self, now: Instant) -> Option<(u32, Duration)> {
        let restarts = self.instance.as_ref().map(Instance::restarts);
        self.drop_instance();
        self.starts.crash(restarts?, now)
    }
}

impl Host {
    /// A running instance for a new stream of a plugin, started if need be; `None` while it cannot be had.
    pub(crate) fn running(&mut self, plugin: &Plugin) -> Option<Running> {
        if plugin.config().instances == InstanceStrategy::FreshPerStream {
            let starts = self.fresh_starts.get(&plugin.id());
            if starts.is_some_and(|starts| starts.are_held_back(Instant::now())) {
                return None;
            }
            let vm = self.add_vm(true);
            let running = self.running_in(vm, plugin, Instant::now())?;
            if !self.fresh_starts.is_empty() {
                self.fresh_starts.remove(&plugin.id());
            }
            return Some(running);
        }
        if let Some(running) = self.shared.get(&plugin.id())
            && let Some(slot) = self.vms.get(running.vm)
            && slot.generation == running.generation
        {
            return Some(*running);
        }
        let vm = self.shared_vm(plugin);
        let running = self.running_in(vm, plugin, Instant::now())?;
        self.shared.insert(plugin.id(), running);
        Some(running)
    }

    /// The place of the instance that a plugin shares with its like.
    pub(crate) fn shared_vm(&mut self, plugin: &Plugin) -> usize {
        if let Some(vm) = self.vm_by_key.get(&plugin.vm_key()) {
            return *vm;
        }
        let vm = self.add_vm(false);
        self.vm_by_key.insert(plugin.vm_key(), vm);
        vm
    }

    /// A running instance of a plugin in a place, started if need be; `None` while it cannot be had.
    pub(crate) fn running_in(&mut self, vm: usize, plugin: &Plugin, now: Instant) -> Option<Running> {
        let slot = self.vms.get_mut(vm)?;
        if let Some(root) = slot.instance.as_ref().and_then(|instance| instance.root(plugin)) {
            return Some(Running {
                vm,
                generation: slot.generation,
                root,
            });
        }
        if slot.instance.is_none() && slot.starts.are_held_back(now) {
            return None;
        }
        let (figures, begun) = (self.figures.plugin(plugin.name()), thread_time());
        let instance = match slot.instance.take() {
            Some(instance) => Ok(instance),
            None => Instance::new(plugin, &self.services).map(|mut instance| {
                instance.state().queues = queues_of(&self.services, &self.mailbox, vm);
                if let Some(level) = self.log_level {
                    instance.state().log.set_level(level);
                }
                instance
            }),
        };
        let started = instance.and_then(|mut instance| Ok((instance.start_plugin(plugin)?, instance)));
        figures.started(started.is_ok(), thread_time().saturating_sub(begun));
        match started {
            Ok((root, mut instance)) => {
                instance.count(root.plugin_id, figures);
                slot.starts.succeed(now);
                slot.instance = Some(instance);
                let generation = slot.generation;
                self.collect_effects(vm);
                Some(Running { vm, generation, root })
            }
            Err(error) => {
                tracing::error!(plugin = plugin.name(), "an instance cannot be started: {error}");
                figures.failed(Callback::PluginStart, error.to_string());
                // Other plugins of the instance lose it too: their streams get their policy.
                let generation = slot.generation;
                let restarts = Restarts::of(plugin.config());
                slot.drop_instance();
                slot.starts.fail(restarts, now);
                let failed = slot.generation;
                if slot.transient && !error.is_exhausted() {
                    let starts = self.fresh_starts.entry(plugin.id()).or_default();
                    starts.fail(restarts, now);
                }
                self.free_vm(vm, failed);
                self.apply_failure(vm, generation);
                None
            }
        }
    }

    /// Gives the place of an instance that served one stream to another, unless the instance has gone already.
    pub(crate) fn free_vm(&mut self, vm: usize, generation: u64) {
        let of = |slot: &&mut Vm| slot.transient && slot.generation == generation;
        if let Some(slot) = self.vms.get_mut(vm).filter(of) {
            slot.drop_instance();
            // Whoever gets the place next has nothing to do with what failed here.
            slot.starts = Starts::default();
            self.free_vms.push(vm);
            self.cancel_callouts(vm, generation);
            self.timers.set(vm, None);
        }
    }

    /// Gives the place of an instance that has failed to another, where nobody is to be started there again.
    pub(crate) fn abandon_vm(&mut self, vm: usize) {
        let Some(slot) = self.vms.get_mut(vm).filter(|slot| slot.instance.is_none()) else {
            return;
        };
        slot.transient = true;
        let generation = slot.generation;
        self.vm_by_key.retain(|_, of| *of != vm);
        self.free_vm(vm, generation);
    }

    fn add_vm(&mut self, transient: bool) -> usize {
        if let Some(vm) = self.free_vms.pop()
            && let Some(slot) = self.vms.get_mut(vm)
        {
            slot.transient = transient;
            return vm;
        }
        self.vms.push(Vm::new(transient));
        self.vms.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PluginConfig;
    use crate::engine::{Engine, EngineSettings};
    use crate::services::Services;
    use crate::{FilterChain, MemorySink};
    use std::sync::Arc;

    #[test]
    fn a_plugin_that_failed_and_ends_leaves_no_place() {
        let engine = Engine::new(EngineSettings {
            ticker: false,
            ..EngineSettings::default()
        })
        .unwrap();
        let services = Services::from(Arc::new(MemorySink::default()));
        let traps = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
            (func (export "proxy_on_context_create") (param i32 i32 i32) (result i32) (unreachable)))"#;
        let code = engine.load(&wat::parse_str(traps).unwrap()).unwrap();
        let mut host = Host::new(services.clone());
        for vm_id in ["a", "b", "c"] {
            let mut config = PluginConfig::new("it");
            config.vm_id = vm_id.to_owned();
            let plugin = Plugin::new(&engine, Arc::clone(&code), config, &services).unwrap();
            let stream = host.open(&FilterChain::new(vec![plugin.clone()]), None);
            host.finish(stream);
            assert_eq!(host.vm_by_key.len(), 1, "{vm_id}");
            host.shut_down(&plugin);
            host.shut_down(&plugin);
            assert_eq!((host.vm_by_key.len(), host.shared.len()), (0, 0), "{vm_id}");
            assert_eq!((host.vms.len(), host.free_vms.len()), (1, 1), "{vm_id}");
        }
    }
}
