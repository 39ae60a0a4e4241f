//! Profiles: where plugins spend their time, while they serve.
//!
//! The engine's clock ticks anyway, to stop endless loops. While a plugin is profiled it ticks faster, and what a tick finds running of the
//! plugin is a sample: the stack of its functions, under the callback that was called. So the number of samples is as the time. Where
//! nobody is profiled, an entry into a guest costs the look at one number.
//!
//! [`pace`] is how often the clock ticks, [`sampler`] takes the samples.

mod pace;
mod sampler;

pub(crate) use pace::Pace;
pub(crate) use sampler::{Sampler, Sampling};

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use thiserror::Error;

/// A plugin is being profiled, in all hosts of the process: instances that it has, and those that start meanwhile. It ends when
/// this is dropped.
///
/// While one goes on, the ticker of the engine ticks each millisecond. An embedder that ticks itself
/// ([`Engine::tick`](crate::Engine::tick)) gets a sample for each of its ticks that finds the plugin running.
///
/// ```
/// use proxywasm_host::{Engine, EngineSettings, Plugin, PluginConfig, Services, TracingSink};
/// # use std::sync::Arc;
/// # let code = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04")))"#)?;
/// let services = Services::new(Arc::new(TracingSink));
/// let engine = Engine::new(EngineSettings::default())?;
/// let plugin = Plugin::new(&engine, engine.load(&code)?, PluginConfig::new("slow"), &services)?;
///
/// let profiling = plugin.profile()?;
/// assert!(plugin.profile().is_err(), "one at a time");
/// // Hosts serve streams meanwhile, in their threads.
/// let profile = profiling.finish();
/// for stack in &profile.stacks {
///     println!("{} {}", stack.frames.join(";"), stack.samples);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Profiling {
    sampler: Arc<Sampler>,
    started: SystemTime,
    begun: Instant,
    ticks: u64,
}

/// Where a plugin has spent its time.
///
/// A sample is noticed where the guest next enters a function or begins a round of a loop: what a hostcall or straight code took counts for
/// what follows it, and for the callback itself if nothing does.
#[derive(Debug, Clone)]
pub struct Profile {
    /// When it began.
    pub started: SystemTime,
    /// How long it went on.
    pub duration: Duration,
    /// The time that a sample stands for: that between two ticks, as it was on average.
    pub period: Duration,
    /// The stacks that were found, the most frequent first. No two are equal.
    pub stacks: Vec<Stack>,
}

/// A stack of functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// First the callback, as logs and figures name it (`on_http_request_headers`), or `start` while an instance initialises itself; then
    /// functions of the plugin by their names, each called by the one before. What stands in parentheses right after the callback is no
    /// function: a stack that was too deep, or one more than are told apart.
    pub frames: Vec<Arc<str>>,
    /// How often it was found.
    pub samples: u64,
}

/// A plugin is being profiled already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the plugin is being profiled already")]
pub struct AlreadyProfiled;

// === impl Profiling ===

impl Profiling {
    pub(crate) fn begin(sampler: &Arc<Sampler>) -> Result<Self, AlreadyProfiled> {
        if !sampler.begin() {
            return Err(AlreadyProfiled);
        }
        Ok(Self {
            started: SystemTime::now(),
            begun: Instant::now(),
            ticks: sampler.pace().ticks(),
            sampler: Arc::clone(sampler),
        })
    }

    /// Ends it, and tells what was found.
    pub fn finish(self) -> Profile {
        let ticks = self.sampler.pace().ticks().wrapping_sub(self.ticks);
        let duration = self.begun.elapsed();
        let ticks = u32::try_from(ticks.max(1)).unwrap_or(u32::MAX);
        Profile {
            started: self.started,
            duration,
            period: duration / ticks,
            stacks: self.sampler.stacks(),
        }
    }
}

impl Drop for Profiling {
    fn drop(&mut self) {
        self.sampler.end();
    }
}

// === impl Profile ===

impl Profile {
    /// How many samples there are of all stacks.
    pub fn samples(&self) -> u64 {
        let all = self.stacks.iter();
        all.fold(0, |sum, stack| sum.saturating_add(stack.samples))
    }
}
