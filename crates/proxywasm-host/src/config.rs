//! The configuration of a plugin.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::time::Duration;
use wasi_bytestream::Phase as BytestreamPhase;
use wasi_common::{Direction, Limits, LogLevel, Permissions};
use wasi_http::{Part, Phase};

pub use proxywasm_legacy::{HeadersPause, RepeatedHeaders};
pub use wasi_common::policy::CalloutFailure;

/// A plugin: what it is called, what it gets and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginConfig {
    /// Its name, for logs and the property `plugin_name`.
    pub name: String,
    /// The name under which the module registered it, if it holds several.
    pub root_id: String,
    /// Plugins with one `vm_id` (and otherwise equal settings) share an instance, and shared data.
    pub vm_id: String,
    /// What stands before the names of its metrics; plugins of the same scope share their metrics. Its name by default.
    pub metric_scope: Option<String>,
    /// What it reads as its configuration.
    pub configuration: Bytes,
    /// The configuration of the instance, which only the older ABIs know.
    pub vm_configuration: Bytes,
    /// Environment variables, for WASI.
    pub environment: Vec<(String, String)>,
    /// The hostcalls it may call, by name (`proxy_log`, `fd_write`, `send_http_response`); `None` for all. One that is not allowed
    /// answers `not_allowed`, or what comes nearest in an older ABI.
    pub allowed_hostcalls: Option<BTreeSet<String>>,
    /// The callbacks that may be called, by name (`proxy_on_request_headers`); `None` for all. One that is not allowed is as if the module
    /// did not export it.
    pub allowed_callbacks: Option<BTreeSet<String>>,
    /// Callbacks that are not called although the module exports them.
    pub callbacks_off: PhaseSet,
    /// Bounds on what it can make the host hold.
    pub limits: Limits,
    /// What it may reach by name: upstreams, stores, queues, functions. Everything by default.
    pub permissions: Permissions,
    /// Bounds on what its instance can use.
    pub resources: Resources,
    /// What happens to streams when its instance fails.
    pub failure: FailurePolicy,
    /// How long after a failure the next instance is made, with [`FailurePolicy::Reload`], and after a start that failed with any policy;
    /// jittered, and twice as long each time a start fails. A second.
    pub reload_back_off: Duration,
    /// What keeps a plugin whose instances fail again and again from being started again and again.
    pub crash_loop: CrashLoop,
    /// How its instances are made.
    pub instances: InstanceStrategy,
    /// Which version of its program's configuration it comes from: plugins of different versions share no instance, whatever else is
    /// equal. For embedders that replace plugins while others of theirs have streams; 0 unless set.
    pub version: u64,
    /// What a pause in the headers callback means, for the older ABIs.
    pub headers_pause: HeadersPause,
    /// What a header that comes several times is when it is asked for by name, for the older ABIs.
    pub repeated_headers: RepeatedHeaders,
    /// How it is told that an HTTP callout has failed.
    pub callout_failure: CalloutFailure,
    /// The lowest level of its log messages that is written.
    pub log_level: LogLevel,
}

/// Bounds on what an instance can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resources {
    /// Bytes of its memory. 256 mebibytes.
    pub memory_bytes: usize,
    /// Entries of its tables. 100,000.
    pub table_elements: usize,
    /// Processor time of one callback. 200 milliseconds.
    pub callback_time: Duration,
    /// Processor time of its start. 10 seconds.
    pub start_time: Duration,
    /// How long a callout of its plugins may take that they give no time. 30 seconds.
    pub callout_time: Duration,
    /// How long a plugin may put off the end of a stream, or its own. 30 seconds.
    pub end_time: Duration,
}

/// What happens to the streams of an instance that trapped, ran out of time or was stopped. It happens to each once; a fresh
/// instance takes the streams that come after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FailurePolicy {
    /// They are answered with 503, or reset once their response head is out; byte streams are reset. A fresh instance is made for the next stream.
    #[default]
    Closed,
    /// They go on without the plugin.
    Open,
    /// As `Closed`, but a fresh instance is made no sooner than the jittered
    /// [`PluginConfig::reload_back_off`] after the last one was; until then streams are answered with 503. For plugins whose start is costly.
    Reload,
}

/// When instances of a plugin count as failing again and again, whatever its [`FailurePolicy`]: so many in a row failed without having
/// run for long. From then on the next one waits for [`PluginConfig::reload_back_off`], then twice as long each time; meanwhile streams
/// get the policy. With [`FailurePolicy::Reload`], waiting begins with the first.
///
/// It is for shared instances. Where each stream has a fresh one, a failure concerns nobody else; only starts that fail count there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CrashLoop {
    /// How many failures in a row are too many. 5.
    pub failures: u32,
    /// How long an instance has to have run for its failure to begin a new row. 10 seconds.
    pub stable_after: Duration,
    /// The longest wait, before it is jittered, for starts that fail too. A minute.
    pub longest: Duration,
}

/// How instances are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InstanceStrategy {
    /// One for each worker, for all streams.
    #[default]
    Shared,
    /// One for each stream: nothing a stream leaves behind is seen by another, at the price of starting the plugin each time. After a
    /// start that failed, the next is tried no sooner than after the back-off of a shared instance.
    FreshPerStream,
}

/// A set of callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PhaseSet(u16);

// === impl PluginConfig ===

impl PluginConfig {
    /// A plugin with a name and default settings.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            root_id: String::new(),
            vm_id: String::new(),
            metric_scope: None,
            configuration: Bytes::new(),
            vm_configuration: Bytes::new(),
            environment: Vec::new(),
            allowed_hostcalls: None,
            allowed_callbacks: None,
            callbacks_off: PhaseSet::default(),
            limits: Limits::default(),
            permissions: Permissions::default(),
            resources: Resources::default(),
            failure: FailurePolicy::default(),
            reload_back_off: Duration::from_secs(1),
            crash_loop: CrashLoop::default(),
            instances: InstanceStrategy::default(),
            version: 0,
            headers_pause: HeadersPause::default(),
            repeated_headers: RepeatedHeaders::default(),
            callout_failure: CalloutFailure::default(),
            log_level: LogLevel::Info,
        }
    }
}

impl Default for CrashLoop {
    fn default() -> Self {
        Self {
            failures: 5,
            stable_after: Duration::from_secs(10),
            longest: Duration::from_secs(60),
        }
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            table_elements: 100_000,
            callback_time: Duration::from_millis(200),
            start_time: Duration::from_secs(10),
            callout_time: Duration::from_secs(30),
            end_time: Duration::from_secs(30),
        }
    }
}

// === impl PhaseSet ===

impl PhaseSet {
    /// No callback.
    pub const NONE: Self = Self(0);

    /// Whether a callback of HTTP streams is in the set.
    pub fn contains(self, phase: Phase) -> bool {
        self.0 & u16::from(phase.bit()) != 0
    }

    /// Whether a callback of byte streams is in the set.
    pub fn contains_bytestream(self, phase: BytestreamPhase) -> bool {
        self.0 & bytestream_bit(phase) != 0
    }

    /// The set with those of another.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set without those of another.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The bits, for keys.
    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    /// The set as it is asked for a byte stream: a new connection is to data what headers are to a body.
    pub(crate) fn for_bytestream(self) -> Self {
        let parts = [
            (BytestreamPhase::NewConnection, Direction::Request, Part::Headers),
            (BytestreamPhase::DownstreamData, Direction::Request, Part::Body),
            (BytestreamPhase::UpstreamData, Direction::Response, Part::Body),
        ];
        let called = parts
            .into_iter()
            .filter(|(phase, ..)| self.contains_bytestream(*phase));
        let as_parts: Self = called
            .map(|(_, direction, part)| Phase::new(direction, part))
            .collect();
        Self(self.0 & !HTTP | as_parts.0)
    }
}

/// The bits of HTTP streams; those of byte streams are above.
const HTTP: u16 = u8::MAX as u16;

fn bytestream_bit(phase: BytestreamPhase) -> u16 {
    u16::from(phase.bit()) << HTTP.count_ones()
}

impl FromIterator<Phase> for PhaseSet {
    fn from_iter<I: IntoIterator<Item = Phase>>(phases: I) -> Self {
        Self(
            phases
                .into_iter()
                .fold(0, |bits, phase| bits | u16::from(phase.bit())),
        )
    }
}

impl FromIterator<BytestreamPhase> for PhaseSet {
    fn from_iter<I: IntoIterator<Item = BytestreamPhase>>(phases: I) -> Self {
        Self(
            phases
                .into_iter()
                .fold(0, |bits, phase| bits | bytestream_bit(phase)),
        )
    }
}
