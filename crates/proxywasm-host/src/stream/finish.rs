//! The end of streams and of plugins, also where a plugin puts it off.

use crate::backtrace::Failure;
use crate::callback::Callback;
use crate::host::{Deferred, DeferredEnd, Host, StreamId};
use crate::instance::Instance;
use crate::plugin::Plugin;
use crate::stream::{LaneState, StreamState};
use std::time::{Duration, Instant};
use wasi_common::stream::Reply;
use wasi_common::{ContextType, StreamKey, StreamTable};

/// The longest that an end is put off, whatever the configuration says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Ends that can be put off at once; where there are more, the oldest is not waited for.
const MAX_DEFERRED: usize = 1024;
/// Ends that come at once because they are late, so that streams get their turn: each enters its plugin.
const LATE_PER_TURN: usize = 64;

impl Host {
    /// The stream is over: it was completed, reset, or its client has gone. Its plugins get their last callbacks; the id is void
    /// afterwards.
    pub fn finish(&mut self, id: StreamId) {
        let key = id.0;
        let Some(stream) = self.stream(key).filter(|stream| !stream.finished) else {
            return;
        };
        stream.finished = true;
        stream.open = [false, false];
        if !stream.outputs.is_empty() {
            stream.outputs.clear();
        }
        for filter in &mut stream.filters {
            filter.lanes.iter_mut().for_each(LaneState::clear);
        }
        let filters = stream.filters.len();
        let keeps_data = stream.context_type() == ContextType::Bytestream;
        if let Some(slots) = self.streams.get_mut(key) {
            slots.reply = Reply::Closed;
            slots.end();
            if !keeps_data {
                for filter in &mut slots.filters {
                    filter.lanes.iter_mut().for_each(|lane| lane.body.clear());
                }
            }
        }
        if keeps_data {
            self.tell_of_all_ends(key);
        }
        for index in 0..filters {
            self.finalize(key, index);
        }
        self.run();
        self.close_if_done(key);
        if self.retirement.may_be_due() {
            // An instance for one stream goes with it.
            self.end_retired();
        }
    }

    /// The time at which [`Host::handle_deadline`] is to be called, if at any.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deferred = self.deferred.iter().map(|deferred| deferred.until);
        let others = [
            self.callouts.next_deadline(),
            self.timers.next_due(),
            self.next_background(),
            self.next_retired(),
        ];
        deferred.chain(others.into_iter().flatten()).min()
    }

    /// Ends what plugins have put off for too long, callouts that have taken too long and streams of retired plugins that have,
    /// starts background plugins again, and calls plugins for their timers.
    pub fn handle_deadline(&mut self, now: Instant) {
        let late: Vec<_> = self
            .deferred
            .iter()
            .filter(|deferred| deferred.until <= now)
            .take(LATE_PER_TURN)
            .map(|deferred| (deferred.vm, deferred.generation, deferred.what))
            .collect();
        for (vm, generation, what) in late {
            tracing::warn!("a plugin put an end off for longer than it may and is not waited for");
            self.end_deferred(vm, generation, what);
        }
        self.run();
        self.cut_retired_off(now);
        self.expire_callouts(now);
        self.start_backgrounds(now);
        self.fire_timers(now);
    }

    /// Lets a plugin end: no stream of it may be open. It may put that off, for as long as its
    /// resources say.
    pub fn shut_down(&mut self, plugin: &Plugin) {
        self.release_backgrounds(|kept| kept.id() == plugin.id());
        self.shared.remove(&plugin.id());
        self.fresh_starts.remove(&plugin.id());
        let Some(vm) = self.vm_by_key.get(&plugin.vm_key()).copied() else {
            return;
        };
        // Where its instance has failed there is nothing to end. Others that would share the next one get another place.
        self.abandon_vm(vm);
        self.shut_root_down(vm, plugin.id());
        self.run();
    }

    /// Lets all plugins end.
    pub fn shut_all_down(&mut self) {
        self.release_backgrounds(|_| true);
        for vm in 0..self.vms.len() {
            let instance = self.vms.get(vm).and_then(|slot| slot.instance.as_ref());
            let ids: Vec<u64> = instance
                .map(|instance| instance.roots().map(|(id, _)| id).collect())
                .unwrap_or_default();
            for id in ids {
                self.shut_root_down(vm, id);
            }
        }
        self.run();
    }

    /// Whether a plugin has put an end off that has not come yet.
    pub fn is_ending(&self) -> bool {
        !self.deferred.is_empty()
    }

    fn finalize(&mut self, key: StreamKey, index: usize) {
        let Some(filter) = self.stream(key).and_then(|stream| stream.filters.get(index)) else {
            return;
        };
        if !filter.alive {
            return;
        }
        let (vm, generation, context_id) = (filter.vm, filter.generation, filter.context_id);
        let ended = self.call(
            key,
            index,
            Callback::ContextFinalize,
            |callbacks, store, context_id| callbacks.lifecycle.finalize_context(store, context_id),
        );
        match ended {
            Some(true) => self.remove_context(key, index),
            Some(false) => {
                let Some(instance) = self.vms.get_mut(vm).and_then(|slot| slot.instance.as_mut()) else {
                    return;
                };
                if let Some(context) = instance.state().common.contexts.context_mut(context_id) {
                    context.deferred = true;
                }
                self.defer(vm, generation, DeferredEnd::Context { context_id });
            }
            // It failed, and its instance is gone.
            None => {}
        }
    }

    /// Waits for the end of something, but not of ever more.
    fn defer(&mut self, vm: usize, generation: u64, what: DeferredEnd) {
        if self.deferred.len() >= MAX_DEFERRED
            && let Some(oldest) = self.deferred.front()
        {
            let (vm, generation, what) = (oldest.vm, oldest.generation, oldest.what);
            tracing::warn!("plugins put off more than {MAX_DEFERRED} ends; the oldest is not waited for");
            self.end_deferred(vm, generation, what);
        }
        let instance = self.vms.get(vm).and_then(|slot| slot.instance.as_ref());
        let time = instance.map_or(Duration::ZERO, Instance::end_time);
        let now = Instant::now();
        self.deferred.push_back(Deferred {
            vm,
            generation,
            what,
            // A time beyond what the clock can tell is as good as the longest that makes sense.
            until: now.checked_add(time).unwrap_or(now + LONGEST),
        });
    }

    /// Ends what a plugin had put off.
    pub(crate) fn end_deferred(&mut self, vm: usize, generation: u64, what: DeferredEnd) {
        let known =
            |deferred: &Deferred| (deferred.vm, deferred.generation, deferred.what) == (vm, generation, what);
        let Some(at) = self.deferred.iter().position(known) else {
            return;
        };
        self.deferred.remove(at);
        match what {
            DeferredEnd::Context { context_id } => {
                let Some(context) = self.context(vm, generation, context_id) else {
                    return;
                };
                let (key, index) = (context.stream, context.filter);
                let finished = self.call(key, index, Callback::Log, |callbacks, store, context_id| {
                    callbacks.lifecycle.finish_context(store, context_id)
                });
                if finished.is_some() {
                    self.remove_context(key, index);
                }
                self.close_if_done(key);
            }
            DeferredEnd::Plugin { id, plugin_id } => self.delete_root(vm, id, plugin_id),
        }
    }

    fn remove_context(&mut self, key: StreamKey, index: usize) {
        let Some(filter) = self.stream(key).and_then(|stream| stream.filters.get_mut(index)) else {
            return;
        };
        filter.alive = false;
        let (vm, context_id) = (filter.vm, filter.context_id);
        self.retirement.context_ended = true;
        if let Some(instance) = self.vms.get_mut(vm).and_then(|slot| slot.instance.as_mut()) {
            instance.state().common.contexts.remove_context(context_id);
        }
    }

    /// Forgets a stream that has ended and that no plugin knows any more.
    pub(crate) fn close_if_done(&mut self, key: StreamKey) {
        let done =
            |stream: &&mut StreamState| stream.finished && stream.filters.iter().all(|filter| !filter.alive);
        let Some(stream) = self.stream(key).filter(done) else {
            return;
        };
        let filters = stream.filters.len();
        for index in 0..filters {
            let filter = self.stream(key).and_then(|stream| stream.filters.get(index));
            // A filter that never got an instance has no context.
            if let Some(filter) = filter.filter(|filter| filter.context_id != 0) {
                let (vm, generation) = (filter.vm, filter.generation);
                self.free_vm(vm, generation);
            }
        }
        if let Some(stream) = self.stream(key) {
            stream.recycle();
        }
        self.streams.close(key);
    }

    fn shut_root_down(&mut self, vm: usize, id: u64) {
        let Some(slot) = self.vms.get_mut(vm) else { return };
        let generation = slot.generation;
        let Some(instance) = slot.instance.as_mut() else {
            return;
        };
        let root = instance.roots().find(|(of, _)| *of == id).map(|(_, root)| root);
        let Some(root) = root else { return };
        let plugin = instance.state().common.contexts.plugin_mut(root.plugin_id);
        if plugin.is_none_or(|plugin| std::mem::replace(&mut plugin.shutting_down, true)) {
            return;
        }
        let completed = instance.enter(
            &mut StreamTable::new(),
            (root.plugin_id, root.plugin_id),
            Callback::PluginShutdown,
            |callbacks, store| callbacks.lifecycle.shut_plugin_down(store, root.plugin_id),
        );
        self.collect_effects(vm);
        match completed {
            Ok(true) => self.delete_root(vm, id, root.plugin_id),
            Ok(false) => {
                let what = DeferredEnd::Plugin {
                    id,
                    plugin_id: root.plugin_id,
                };
                self.defer(vm, generation, what);
            }
            Err(error) => {
                tracing::error!("a plugin failed while it shut down: {}", Failure(&error));
                self.fail_vm(vm, generation);
            }
        }
    }

    fn delete_root(&mut self, vm: usize, id: u64, plugin_id: u32) {
        self.end_deferred_contexts(vm, plugin_id);
        let Some(slot) = self.vms.get_mut(vm) else { return };
        let generation = slot.generation;
        let Some(instance) = slot.instance.as_mut() else {
            return;
        };
        let deleted = instance.enter(
            &mut StreamTable::new(),
            (plugin_id, plugin_id),
            Callback::Delete,
            |callbacks, store| callbacks.lifecycle.delete_plugin(store, plugin_id),
        );
        if let Err(error) = deleted {
            tracing::error!("a plugin failed while it was deleted: {}", Failure(&error));
            return self.fail_vm(vm, generation);
        }
        instance.remove_root(id);
        self.shared.remove(&id);
        let is_last = instance.roots().next().is_none();
        self.collect_effects(vm);
        if is_last {
            // Nobody is left in the instance; streams that are still open lose it.
            if let Some(slot) = self.vms.get_mut(vm) {
                slot.transient = true;
            }
            self.vm_by_key.retain(|_, of| *of != vm);
            self.fail_vm(vm, generation);
        } else {
            self.restart_background(id);
        }
    }

    /// A plugin that goes is not waited for.
    fn end_deferred_contexts(&mut self, vm: usize, plugin_id: u32) {
        let deferred = self.deferred.iter().filter(|deferred| deferred.vm == vm);
        let ends: Vec<_> = deferred.map(|end| (end.generation, end.what)).collect();
        for (generation, what) in ends {
            if let DeferredEnd::Context { context_id } = what
                && self
                    .context(vm, generation, context_id)
                    .is_some_and(|context| context.plugin_id == plugin_id)
            {
                self.end_deferred(vm, generation, what);
            }
        }
    }
}
