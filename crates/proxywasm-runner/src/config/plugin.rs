//! Plugins in the configuration file.

use super::units::{Period, Size};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proxywasm_host::{
    Allowed, BytestreamPhase, Direction, FailurePolicy, HeadersPause, InstanceStrategy, Limits, LogLevel,
    MapLimits, Part, Permissions, Phase, PhaseSet, PluginConfig, Resources,
};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One entry of `plugins`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginEntry {
    pub(super) name: Spanned<String>,
    pub(super) file: Spanned<PathBuf>,
    configuration: Option<serde_json::Value>,
    configuration_base64: Option<Spanned<String>>,
    vm_configuration: Option<serde_json::Value>,
    #[serde(default)]
    root_id: String,
    #[serde(default)]
    vm_id: String,
    metric_scope: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    allowed_hostcalls: Option<Vec<String>>,
    allowed_upstreams: Option<BTreeSet<String>>,
    allowed_stores: Option<BTreeSet<String>>,
    allowed_queues: Option<BTreeSet<String>>,
    allowed_functions: Option<BTreeSet<String>>,
    #[serde(default)]
    callbacks_off: Vec<PhaseEntry>,
    #[serde(default)]
    log_level: LevelEntry,
    #[serde(default)]
    failure: FailureEntry,
    #[serde(default)]
    instances: InstancesEntry,
    #[serde(default)]
    headers_pause: HeadersPauseEntry,
    #[serde(default)]
    limits: LimitsEntry,
    #[serde(default)]
    deadlines: DeadlinesEntry,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PhaseEntry {
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    RequestMetadata,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    ResponseMetadata,
    NewConnection,
    DownstreamData,
    UpstreamData,
    DownstreamClose,
    UpstreamClose,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
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

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FailureEntry {
    #[default]
    Closed,
    Open,
    Reload,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InstancesEntry {
    #[default]
    Shared,
    FreshPerStream,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeadersPauseEntry {
    #[default]
    StopAll,
    HoldHeaders,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsEntry {
    held_body: Option<Size>,
    written_body: Option<Size>,
    argument: Option<Size>,
    headers: Option<usize>,
    header_bytes: Option<Size>,
    properties: Option<Size>,
    handles: Option<usize>,
    callouts: Option<usize>,
    callout: Option<Size>,
    memory: Option<Size>,
    table_elements: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadlinesEntry {
    callback: Option<Period>,
    start: Option<Period>,
    callout: Option<Period>,
}

// === impl PluginEntry ===

impl PluginEntry {
    /// The settings of the plugin, or what is wrong with them and where.
    pub(super) fn to_config(&self) -> Result<PluginConfig, (Location, String)> {
        Ok(PluginConfig {
            root_id: self.root_id.clone(),
            vm_id: self.vm_id.clone(),
            metric_scope: self.metric_scope.clone(),
            configuration: self.configuration()?,
            vm_configuration: text_or_json(self.vm_configuration.as_ref()),
            environment: self.environment.clone().into_iter().collect(),
            allowed_hostcalls: self
                .allowed_hostcalls
                .clone()
                .map(|names| names.into_iter().collect()),
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
            instances: self.instances.into(),
            headers_pause: self.headers_pause.into(),
            log_level: self.log_level.into(),
            ..PluginConfig::new(&self.name.value)
        })
    }

    fn configuration(&self) -> Result<Bytes, (Location, String)> {
        let Some(base64) = &self.configuration_base64 else {
            return Ok(text_or_json(self.configuration.as_ref()));
        };
        if self.configuration.is_some() {
            let message = "`configuration` and `configuration_base64` cannot both be given";
            return Err((base64.referenced, message.to_owned()));
        }
        let text: String = base64.value.split_ascii_whitespace().collect();
        STANDARD.decode(text).map(Bytes::from).map_err(|error| {
            (
                base64.referenced,
                format!("`configuration_base64` is not Base64: {error}"),
            )
        })
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
        }
    }
}

fn allowed(names: Option<&BTreeSet<String>>) -> Allowed {
    names.map_or(Allowed::All, |names| Allowed::Only(names.clone()))
}

/// Text as it is, nothing for null, compact JSON for all else.
fn text_or_json(value: Option<&serde_json::Value>) -> Bytes {
    match value {
        None | Some(serde_json::Value::Null) => Bytes::new(),
        Some(serde_json::Value::String(text)) => Bytes::copy_from_slice(text.as_bytes()),
        Some(value) => Bytes::from(value.to_string()),
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
