//! Takes the samples of a profile.

use super::Stack;
use super::pace::Pace;
use crate::backtrace::{MAX_FRAMES, function_name, numbered};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasi_common::CallScope;
use wasmtime::FrameInfo;

/// The samples of a plugin, of all its instances. It is locked for a sample, so some thousand times in a second at most.
#[derive(Debug)]
pub(crate) struct Sampler {
    pace: Arc<Pace>,
    is_on: AtomicBool,
    samples: Mutex<Samples>,
}

/// The samplers of the plugins of one instance, and what is sampled at the moment.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    pace: Arc<Pace>,
    /// By their ids. First, as 0, the one that the instance is made for.
    plugins: Vec<(u32, Arc<Sampler>)>,
    current: Option<Current>,
}

/// A callback that is running and sampled.
#[derive(Debug)]
struct Current {
    /// The place of its plugin.
    place: usize,
    callback: &'static str,
    /// The number of the last tick that is dealt with.
    tick: u64,
}

#[derive(Debug, Default)]
struct Samples {
    counts: FxHashMap<Found, u64>,
    names: FxHashMap<u32, Arc<str>>,
}

/// A stack, by the numbers of functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Found {
    callback: &'static str,
    /// What stands for what is not told.
    omitted: Option<&'static str>,
    /// The innermost first.
    functions: Box<[u32]>,
}

/// What initialises itself, before there is a callback.
const START: &str = "start";
/// Stacks that are told apart.
const MAX_STACKS: usize = 4096;
/// Functions whose names are known.
const MAX_NAMES: usize = 16 << 10;
/// Stands for the outer part of a stack that is too deep.
const TOO_DEEP: &str = "(outer functions)";
/// Stands for stacks that are not told apart.
const TOO_MANY: &str = "(other stacks)";

// === impl Sampler ===

impl Sampler {
    pub(crate) fn new(pace: &Arc<Pace>) -> Self {
        Self {
            pace: Arc::clone(pace),
            is_on: AtomicBool::new(false),
            samples: Mutex::default(),
        }
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Begins, unless it has begun already.
    pub(super) fn begin(&self) -> bool {
        let begins = !self.is_on.swap(true, Ordering::AcqRel);
        if begins {
            *self.samples() = Samples::default();
            self.pace.begin_profile();
        }
        begins
    }

    pub(super) fn end(&self) {
        self.pace.end_profile();
        *self.samples() = Samples::default();
        self.is_on.store(false, Ordering::Release);
    }

    /// What was found so far, the most frequent first.
    pub(super) fn stacks(&self) -> Vec<Stack> {
        let samples = std::mem::take(&mut *self.samples());
        // Functions can have the same name.
        let mut merged: FxHashMap<Vec<Arc<str>>, u64> = FxHashMap::default();
        for (found, count) in &samples.counts {
            let sum = merged.entry(samples.frames(found)).or_default();
            *sum = sum.saturating_add(*count);
        }
        let stacks = merged.into_iter();
        let mut stacks: Vec<Stack> = stacks
            .map(|(frames, samples)| Stack { frames, samples })
            .collect();
        stacks.sort_by(|one, other| (other.samples, &one.frames).cmp(&(one.samples, &other.frames)));
        stacks
    }

    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn count(&self, callback: &'static str, frames: &[FrameInfo]) {
        if self.is_on() {
            self.samples().count(callback, frames);
        }
    }

    fn samples(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Sampling ===

impl Sampling {
    /// Of an instance that is made for a plugin.
    pub(crate) fn of(sampler: &Arc<Sampler>) -> Self {
        Self {
            pace: Arc::clone(&sampler.pace),
            plugins: vec![(0, Arc::clone(sampler))],
            current: None,
        }
    }

    /// A plugin is in the instance.
    pub(crate) fn add(&mut self, plugin_id: u32, sampler: &Arc<Sampler>) {
        self.plugins.push((plugin_id, Arc::clone(sampler)));
    }

    /// A plugin has ended.
    pub(crate) fn remove(&mut self, plugin_id: u32) {
        self.plugins.retain(|(id, _)| *id != plugin_id);
    }

    /// Whether any plugin of the process is being profiled.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.pace.is_profiling()
    }

    /// A callback begins. Returns whether it is sampled.
    #[cold]
    pub(crate) fn enter(&mut self, scope: CallScope) -> bool {
        let mut plugins = self.plugins.iter();
        let place = plugins.position(|(id, sampler)| *id == scope.plugin_id && sampler.is_on());
        self.current = place.map(|place| Current {
            place,
            callback: scope.callback,
            tick: self.pace.ticks(),
        });
        self.current.is_some()
    }

    /// The instance begins to initialise itself. Returns whether that is sampled.
    pub(crate) fn enter_new(&mut self) -> bool {
        self.is_wanted() && self.enter(CallScope::new(0, 0, START))
    }

    /// Whether a callback is running that is sampled.
    pub(crate) fn is_on(&self) -> bool {
        self.current.is_some()
    }

    /// A tick has found the guest running.
    pub(crate) fn sample(&mut self, frames: &[FrameInfo]) {
        if let Some(current) = &mut self.current {
            current.tick = self.pace.ticks();
            if let Some((_, sampler)) = self.plugins.get(current.place) {
                sampler.count(current.callback, frames);
            }
        }
    }

    /// A callback that is sampled has returned.
    #[cold]
    pub(crate) fn leave(&mut self) {
        // A tick that came after the guest last looked for one.
        if let Some(current) = self.current.take()
            && current.tick != self.pace.ticks()
            && let Some((_, sampler)) = self.plugins.get(current.place)
        {
            sampler.count(current.callback, &[]);
        }
    }
}

// === impl Samples ===

impl Samples {
    fn count(&mut self, callback: &'static str, frames: &[FrameInfo]) {
        let is_whole = MAX_FRAMES.is_none_or(|most| frames.len() < most.get());
        let mut found = Found {
            callback,
            omitted: (!is_whole).then_some(TOO_DEEP),
            functions: frames.iter().map(FrameInfo::func_index).collect(),
        };
        if self.counts.len() >= MAX_STACKS && !self.counts.contains_key(&found) {
            found.omitted = Some(TOO_MANY);
            found.functions = Box::default();
        }
        for frame in frames.iter().take(found.functions.len()) {
            if self.names.len() < MAX_NAMES {
                let name = self.names.entry(frame.func_index());
                name.or_insert_with(|| function_name(frame).into());
            }
        }
        let count = self.counts.entry(found).or_default();
        *count = count.saturating_add(1);
    }

    fn frames(&self, found: &Found) -> Vec<Arc<str>> {
        let first = [Some(found.callback), found.omitted];
        let functions = found.functions.iter().rev().map(|function| {
            let name = self.names.get(function).cloned();
            name.unwrap_or_else(|| numbered(*function).into())
        });
        let first = first.into_iter().flatten().map(Arc::from);
        first.chain(functions).collect()
    }
}
