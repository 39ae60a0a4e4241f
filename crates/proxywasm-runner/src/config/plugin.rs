//! Plugins in the configuration file.

use super::code::CodeEntry;
use super::units::{Period, Size};
use crate::code::{CodeSource, PluginSource};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proxywasm_host::{
    Allowed, BytestreamPhase, CalloutFailure, CrashLoop, Direction, FailurePolicy, HeadersPause,
    InstanceStrategy, Limits, LogLevel, MapLimits, Part, Permissions, Phase, PhaseSet, PluginConfig,
    RepeatedHeaders, Resources,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};
use std::env::VarError;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// A plugin: code with a configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginEntry {
    /// Names the plugin in chains, in logs and in the property `plugin_name`.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// The file with its code; relative to this file. Either this or `code`.
    #[schemars(with = "Option<PathBuf>")]
    file: Option<Spanned<PathBuf>>,
    /// Its code, wherever that is.
    #[schemars(with = "Option<CodeEntry>")]
    code: Option<Spanned<CodeEntry>>,
    /// What it reads as its configuration: text as it is; a mapping or list becomes compact JSON. Default: nothing.
    configuration: Option<serde_json::Value>,
    /// Its configuration as bytes in Base64, instead of `configuration`.
    #[schemars(with = "Option<String>")]
    configuration_base64: Option<Spanned<String>>,
    /// The configuration of the instance, likewise, for ABI 0.2.1 and older. Default: nothing.
    vm_configuration: Option<serde_json::Value>,
    /// The configuration of the instance as bytes in Base64, instead of `vm_configuration`.
    #[schemars(with = "Option<String>")]
    vm_configuration_base64: Option<Spanned<String>>,
    /// Which plugin of a module that holds several. Default: the empty text.
    #[serde(default)]
    root_id: String,
    /// Plugins with one VM id share stores and queues, and with otherwise equal settings an instance. Default: the empty text.
    #[serde(default)]
    vm_id: String,
    /// What stands before the names of its metrics; plugins of one scope share metrics. Default: its name.
    metric_scope: Option<String>,
    /// The environment variables that it reads through WASI. Default: none.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Environment variables of the runner that it reads too, by name; one that is not set is left out. None of them may be in
    /// `environment` as well. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    environment_from: Vec<Spanned<String>>,
    /// The hostcalls that it may call, by name; others answer that they are not allowed. Default: all.
    allowed_hostcalls: Option<BTreeSet<String>>,
    /// The callbacks that are called, by name (`proxy_on_request_headers`); others are as if it did not export them. Default: all.
    allowed_callbacks: Option<BTreeSet<String>>,
    /// The upstreams that it may call. Default: all.
    allowed_upstreams: Option<BTreeSet<String>>,
    /// The key-value stores that it may open. Default: all.
    allowed_stores: Option<BTreeSet<String>>,
    /// The queues that it may open. Default: all.
    allowed_queues: Option<BTreeSet<String>>,
    /// The functions of the host that it may call. Default: all.
    allowed_functions: Option<BTreeSet<String>>,
    /// Callbacks that are not called although it exports them. Default: none.
    #[serde(default)]
    callbacks_off: Vec<PhaseEntry>,
    /// The lowest level of its messages that is logged. Default: `info`.
    #[serde(default)]
    log_level: LevelEntry,
    /// What happens to streams when its instance fails. Default: `closed`.
    #[serde(default)]
    failure: FailureEntry,
    /// With `failure: reload`, how long after a failure a fresh instance is made, and with any policy how long after a start that
    /// failed; up to half as long again at random, and twice as long each time a start fails. Default: `1s`.
    reload_back_off: Option<Period>,
    /// What keeps an instance that fails again and again from being replaced again and again.
    #[serde(default)]
    crash_loop: CrashLoopEntry,
    /// How its instances are made. Default: `shared`.
    #[serde(default)]
    instances: InstancesEntry,
    /// What a pause in a headers callback stops, for ABI 0.2.1 and older. Default: `stop_all`.
    #[serde(default)]
    headers_pause: HeadersPauseEntry,
    /// What a header that comes several times is when it is asked for by name, for ABI 0.2.1 and older. Default: `first`.
    #[serde(default)]
    repeated_headers: RepeatedHeadersEntry,
    /// Whether the failure of an HTTP call is told as a response with the status 503, or 504 where the time was over, as Envoy does;
    /// otherwise as a call without headers. Default: `false`.
    #[serde(default)]
    synthesize_callout_errors: bool,
    /// Bounds on what it can use, and make the host hold.
    #[serde(default)]
    limits: LimitsEntry,
    /// Bounds on its time.
    #[serde(default)]
    deadlines: DeadlinesEntry,
}

/// A callback.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PhaseEntry {
    /// Of HTTP: the head of the request.
    RequestHeaders,
    /// Of HTTP: pieces of the body of the request.
    RequestBody,
    /// Of HTTP: the trailers of the request.
    RequestTrailers,
    /// Of HTTP/2: metadata of the request.
    RequestMetadata,
    /// Of HTTP: the head of the response.
    ResponseHeaders,
    /// Of HTTP: pieces of the body of the response.
    ResponseBody,
    /// Of HTTP: the trailers of the response.
    ResponseTrailers,
    /// Of HTTP/2: metadata of the response.
    ResponseMetadata,
    /// Of TCP: a new connection.
    NewConnection,
    /// Of TCP: bytes of the client.
    DownstreamData,
    /// Of TCP: bytes of the upstream.
    UpstreamData,
    /// Of TCP: the end of the connection to the client.
    DownstreamClose,
    /// Of TCP: the end of the connection to the upstream.
    UpstreamClose,
}

/// A level of log messages.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LevelEntry {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
    Critical,
}

/// What happens to the streams of an instance that failed.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FailureEntry {
    /// They are answered with 503, or reset once a response has begun; TCP streams are reset. A fresh instance takes the next stream.
    #[default]
    Closed,
    /// They go on without the plugin.
    Open,
    /// As `closed`, but a fresh instance is made no sooner than `reload_back_off` after the last one failed.
    Reload,
}

/// How instances are made.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum InstancesEntry {
    /// One for each worker, for all streams.
    #[default]
    Shared,
    /// One for each stream: nothing that a stream leaves behind is seen by another.
    FreshPerStream,
}

/// What a pause in a headers callback stops.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum HeadersPauseEntry {
    /// The whole message.
    #[default]
    StopAll,
    /// The headers alone; the body is delivered.
    HoldHeaders,
}

/// What a header that comes several times is when it is asked for by name.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RepeatedHeadersEntry {
    /// Its first value, as in other hosts.
    #[default]
    First,
    /// All its values, with commas between them.
    Joined,
}

/// Bounds on what a plugin can use, and make the host hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitsEntry {
    /// Of a body, or of TCP data in one direction, held while it pauses or waits. Default: `1 MiB`.
    held_body: Option<Size>,
    /// To which it may grow a body. Default: `64 MiB`.
    written_body: Option<Size>,
    /// Of the arguments of one hostcall. Default: `64 MiB`.
    argument: Option<Size>,
    /// Pairs in a map of headers. Default: 16384.
    headers: Option<usize>,
    /// Of all keys and values in a map of headers. Default: `1 MiB`.
    header_bytes: Option<Size>,
    /// Of all properties that it set. Default: `256 KiB`.
    properties: Option<Size>,
    /// Stores, queues, timers and other handles, of each kind. Default: 4096.
    handles: Option<usize>,
    /// Calls of its own that have not ended. Default: 1024.
    callouts: Option<usize>,
    /// Held of one call: of the body of an answer, of a gRPC message, of what waits to be sent. Default: `4 MiB`.
    callout: Option<Size>,
    /// Held of all its calls together. Default: `64 MiB`.
    all_callouts: Option<Size>,
    /// Memory of its instance. Default: `256 MiB`.
    memory: Option<Size>,
    /// Table elements of its instance. Default: 100000.
    table_elements: Option<usize>,
}

/// When instances count as failing again and again: then the next one is made after `reload_back_off`, later twice as long each time, and
/// meanwhile streams get what `failure` says. Not for `instances: fresh_per_stream`, where a failure concerns no other stream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CrashLoopEntry {
    /// How many failures in a row are too many. Default: 5.
    failures: Option<NonZeroU32>,
    /// How long an instance has to have run for its failure to begin a new row. Default: `10s`.
    stable_after: Option<Period>,
    /// The longest time between two instances, up to half as long again at random; also after starts that fail. Default: `60s`.
    longest_back_off: Option<Period>,
}

/// Bounds on the time of a plugin.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeadlinesEntry {
    /// Processor time of one callback. Default: `200ms`.
    callback: Option<Period>,
    /// Processor time of its start. Default: `10s`.
    start: Option<Period>,
    /// A whole call that it makes and gives no time. Default: `30s`.
    callout: Option<Period>,
    /// For which it may put off the end of a stream, or its own. Default: `30s`.
    end: Option<Period>,
}

// === impl PluginEntry ===

impl PluginEntry {
    /// Its code, which is relative to a folder if it is a file.
    pub(super) fn source(&self, folder: &Path) -> Result<PluginSource, (Location, String)> {
        match (&self.file, &self.code) {
            (Some(file), None) => Ok(PluginSource::new(CodeSource::File(folder.join(&file.value)))),
            (None, Some(code)) => code.value.source(code.referenced, folder),
            (None, None) => {
                let message = format!(
                    "the plugin `{}` has no code: give it `file` or `code`",
                    self.name.value
                );
                Err((self.name.referenced, message))
            }
            (Some(file), Some(_)) => {
                let message = "`file` and `code` cannot both be given; `file` is short for `code: { file }`";
                Err((file.referenced, message.to_owned()))
            }
        }
    }

    /// Where the file tells of its code.
    pub(super) fn code_location(&self) -> Location {
        let file = self.file.as_ref().map(|file| file.referenced);
        let code = || self.code.as_ref().map(|code| code.referenced);
        file.or_else(code).unwrap_or(self.name.referenced)
    }

    /// The settings of the plugin, or what is wrong with them and where.
    pub(super) fn to_config(&self) -> Result<PluginConfig, (Location, String)> {
        let default = PluginConfig::new(&self.name.value);
        Ok(PluginConfig {
            root_id: self.root_id.clone(),
            vm_id: self.vm_id.clone(),
            metric_scope: self.metric_scope.clone(),
            configuration: bytes(
                "configuration",
                self.configuration.as_ref(),
                self.configuration_base64.as_ref(),
            )?,
            vm_configuration: bytes(
                "vm_configuration",
                self.vm_configuration.as_ref(),
                self.vm_configuration_base64.as_ref(),
            )?,
            environment: self.environment()?,
            allowed_hostcalls: self.allowed_hostcalls.clone(),
            allowed_callbacks: self.allowed_callbacks.clone(),
            callbacks_off: self
                .callbacks_off
                .iter()
                .map(|phase| PhaseSet::from(*phase))
                .fold(PhaseSet::NONE, PhaseSet::with),
            limits: self.limits.limits(),
            permissions: Permissions {
                upstreams: allowed(self.allowed_upstreams.as_ref()),
                stores: allowed(self.allowed_stores.as_ref()),
                queues: allowed(self.allowed_queues.as_ref()),
                functions: allowed(self.allowed_functions.as_ref()),
            },
            resources: self.resources(),
            failure: self.failure.into(),
            reload_back_off: self
                .reload_back_off
                .map_or(default.reload_back_off, |period| period.0),
            crash_loop: self.crash_loop.settings(),
            instances: self.instances.into(),
            headers_pause: self.headers_pause.into(),
            repeated_headers: self.repeated_headers.into(),
            callout_failure: if self.synthesize_callout_errors {
                CalloutFailure::Answer
            } else {
                CalloutFailure::NoHeaders
            },
            log_level: self.log_level.into(),
            ..default
        })
    }

    /// Those that are given, and those of this process that are asked for.
    fn environment(&self) -> Result<Vec<(String, String)>, (Location, String)> {
        let mut variables: Vec<_> = self.environment.clone().into_iter().collect();
        for name in &self.environment_from {
            let wrong = |what: &str| Err((name.referenced, format!("`{}` {what}", name.value)));
            if variables.iter().any(|(other, _)| *other == name.value) {
                return wrong("is given twice; an environment variable comes from one place");
            }
            match std::env::var(&name.value) {
                Ok(value) => variables.push((name.value.clone(), value)),
                Err(VarError::NotPresent) => {}
                Err(VarError::NotUnicode(_)) => {
                    return wrong("is not UTF-8 in the environment of this process");
                }
            }
        }
        Ok(variables)
    }

    fn resources(&self) -> Resources {
        let default = Resources::default();
        Resources {
            memory_bytes: self.limits.memory.map_or(default.memory_bytes, |size| size.0),
            table_elements: self.limits.table_elements.unwrap_or(default.table_elements),
            callback_time: self
                .deadlines
                .callback
                .map_or(default.callback_time, |period| period.0),
            start_time: self.deadlines.start.map_or(default.start_time, |period| period.0),
            callout_time: self
                .deadlines
                .callout
                .map_or(default.callout_time, |period| period.0),
            end_time: self.deadlines.end.map_or(default.end_time, |period| period.0),
        }
    }
}

fn allowed(names: Option<&BTreeSet<String>>) -> Allowed {
    names.map_or(Allowed::All, |names| Allowed::Only(names.clone()))
}

/// What is given under a name, or as Base64 under the same name with `_base64`.
fn bytes(
    name: &str,
    value: Option<&serde_json::Value>,
    base64: Option<&Spanned<String>>,
) -> Result<Bytes, (Location, String)> {
    let Some(base64) = base64 else {
        return Ok(text_or_json(value));
    };
    let wrong = |message| Err((base64.referenced, message));
    if value.is_some() {
        return wrong(format!("`{name}` and `{name}_base64` cannot both be given"));
    }
    let text: String = base64.value.split_ascii_whitespace().collect();
    match STANDARD.decode(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => wrong(format!("`{name}_base64` is not Base64: {error}")),
    }
}

/// Text as it is, nothing for null, compact JSON for all else.
fn text_or_json(value: Option<&serde_json::Value>) -> Bytes {
    match value {
        None | Some(serde_json::Value::Null) => Bytes::new(),
        Some(serde_json::Value::String(text)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(value) => Bytes::from(value.to_string()),
    }
}

// === impl CrashLoopEntry ===

impl CrashLoopEntry {
    fn settings(&self) -> CrashLoop {
        let default = CrashLoop::default();
        CrashLoop {
            failures: self.failures.map_or(default.failures, NonZeroU32::get),
            stable_after: self.stable_after.map_or(default.stable_after, |period| period.0),
            longest: self.longest_back_off.map_or(default.longest, |period| period.0),
        }
    }
}

// === impl LimitsEntry ===

impl LimitsEntry {
    fn limits(&self) -> Limits {
        let default = Limits::default();
        let size = |entry: Option<Size>, default: usize| entry.map_or(default, |size| size.0);
        Limits {
            map: MapLimits {
                pairs: self.headers.unwrap_or(default.map.pairs),
                bytes: size(self.header_bytes, default.map.bytes),
            },
            held_body_bytes: size(self.held_body, default.held_body_bytes),
            written_body_bytes: size(self.written_body, default.written_body_bytes),
            argument_bytes: size(self.argument, default.argument_bytes),
            property_bytes: size(self.properties, default.property_bytes),
            handles: self.handles.unwrap_or(default.handles),
            callouts: self.callouts.unwrap_or(default.callouts),
            callout_bytes: size(self.callout, default.callout_bytes),
            callouts_bytes: size(self.all_callouts, default.callouts_bytes),
        }
    }
}

// === conversions ===

/// The variant of the same name.
macro_rules! same_names {
    ($from:ident => $to:ident { $($variant:ident),* $(,)? }) => {
        impl From<$from> for $to {
            fn from(entry: $from) -> Self {
                match entry {
                    $($from::$variant => Self::$variant,)*
                }
            }
        }
    };
}

same_names!(LevelEntry => LogLevel { Trace, Debug, Info, Warn, Error, Critical });
same_names!(FailureEntry => FailurePolicy { Closed, Open, Reload });
same_names!(InstancesEntry => InstanceStrategy { Shared, FreshPerStream });
same_names!(HeadersPauseEntry => HeadersPause { StopAll, HoldHeaders });
same_names!(RepeatedHeadersEntry => RepeatedHeaders { First, Joined });

impl From<PhaseEntry> for PhaseSet {
    fn from(entry: PhaseEntry) -> Self {
        let http = |direction, part| [Phase { direction, part }].into_iter().collect();
        let bytestream = |phase: BytestreamPhase| [phase].into_iter().collect();
        match entry {
            PhaseEntry::RequestHeaders => http(Direction::Request, Part::Headers),
            PhaseEntry::RequestBody => http(Direction::Request, Part::Body),
            PhaseEntry::RequestTrailers => http(Direction::Request, Part::Trailers),
            PhaseEntry::RequestMetadata => http(Direction::Request, Part::Metadata),
            PhaseEntry::ResponseHeaders => http(Direction::Response, Part::Headers),
            PhaseEntry::ResponseBody => http(Direction::Response, Part::Body),
            PhaseEntry::ResponseTrailers => http(Direction::Response, Part::Trailers),
            PhaseEntry::ResponseMetadata => http(Direction::Response, Part::Metadata),
            PhaseEntry::NewConnection => bytestream(BytestreamPhase::NewConnection),
            PhaseEntry::DownstreamData => bytestream(BytestreamPhase::DownstreamData),
            PhaseEntry::UpstreamData => bytestream(BytestreamPhase::UpstreamData),
            PhaseEntry::DownstreamClose => bytestream(BytestreamPhase::DownstreamClose),
            PhaseEntry::UpstreamClose => bytestream(BytestreamPhase::UpstreamClose),
        }
    }
}
