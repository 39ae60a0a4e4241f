//! `/plugins`: which plugins there are, and how they are; `/plugins/NAME/log`: what one said last.

use super::shown::{Durations, seconds};
use super::standing::Standing;
use crate::admin::answer::{Answer, json, text};
use crate::admin::router::Call;
use crate::figures::PluginTotals;
use crate::inspect;
use crate::recent::Message;
use http::StatusCode;
use proxywasm_host::Plugin as Of;
use serde::Serialize;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Instant, SystemTime};

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    /// The SHA-256 of its code.
    sha256: String,
    abi: String,
    /// What it was made with, as far as it can be told.
    language: Option<String>,
    sdk: Option<String>,
    #[serde(flatten)]
    standing: Standing,
    last_failure: Option<Failure<'a>>,
    // What all plugins of this name, one after the other, have done.
    instances: u64,
    memory_bytes: u64,
    callbacks: u64,
    /// Those that were called, by their names.
    callbacks_by_name: BTreeMap<&'static str, u64>,
    cpu_seconds: f64,
    /// Of a sample of callbacks.
    callback_cpu: Durations,
    traps: u64,
    starts: u64,
    failed_starts: u64,
    bytes_from_guest: u64,
    bytes_to_guest: u64,
    http_calls: u64,
    grpc_calls: u64,
}

#[derive(Serialize)]
struct Failure<'a> {
    /// In seconds since 1970.
    time: f64,
    callback: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Line {
    /// In milliseconds since 1970.
    time: u64,
    level: String,
    callback: String,
    message: String,
}

/// Plugins as they are configured, then those that have streams from before an update.
pub(super) fn show(call: Call) -> Pin<Box<dyn Future<Output = Answer>>> {
    Box::pin(async move {
        let snapshot = call.state.snapshot().await;
        let inventory = call.state.inventory();
        let totals = call.state.figures.totals();
        let (nothing, now) = (PluginTotals::default(), Instant::now());
        let shown = |plugin, snapshot| {
            let counted = totals.plugins.get(Of::name(plugin)).unwrap_or(&nothing);
            Plugin::of(plugin, Standing::of(snapshot, counted, now), counted)
        };
        let plugins: Vec<_> = match &snapshot {
            Some(snapshot) => {
                let plugins = snapshot.plugins.iter();
                plugins.map(|one| shown(&one.plugin, Some(one))).collect()
            }
            // Before workers serve, and when they have stopped.
            None => {
                let plugins = inventory.plugins.values();
                plugins.map(|plugin| shown(plugin, None)).collect()
            }
        };
        json(&plugins)
    })
}

/// The last messages of a plugin.
pub(super) fn log(call: &Call) -> Answer {
    let name = call.argument.as_deref().unwrap_or_default();
    if !call.state.inventory().plugins.contains_key(name) {
        return no_such_plugin();
    }
    let messages = call.state.recent.of(name);
    json(&messages.into_iter().map(Line::from).collect::<Vec<_>>())
}

pub(super) fn no_such_plugin() -> Answer {
    text(StatusCode::NOT_FOUND, "there is no such plugin\n")
}

pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Plugin ===

impl<'a> Plugin<'a> {
    fn of(plugin: &'a Of, standing: Standing, counted: &'a PluginTotals) -> Self {
        let hash = plugin.code().hash();
        let origin = inspect::known_origin(&hash).unwrap_or_default();
        Self {
            name: plugin.name(),
            sha256: hex(&hash),
            abi: plugin.code().abi().to_string(),
            language: origin.toolchain.map(|toolchain| toolchain.name),
            sdk: origin.sdk.map(|sdk| sdk.name),
            standing,
            last_failure: counted.last_failure.as_ref().map(|failure| Failure {
                time: seconds(failure.at),
                callback: failure.callback.name(),
                reason: &failure.reason,
            }),
            instances: counted.instances,
            memory_bytes: counted.memory_bytes,
            callbacks: counted.callbacks().map(|(_, count)| count).sum(),
            callbacks_by_name: counted.callbacks().collect(),
            cpu_seconds: counted.processor.as_secs_f64(),
            callback_cpu: (&counted.callback_times).into(),
            traps: counted.traps,
            starts: counted.starts,
            failed_starts: counted.failed_starts,
            bytes_from_guest: counted.bytes_from_guest,
            bytes_to_guest: counted.bytes_to_guest,
            http_calls: counted.http_calls,
            grpc_calls: counted.grpc_calls,
        }
    }
}

// === impl Line ===

impl From<Message> for Line {
    fn from(message: Message) -> Self {
        let since = message.time.duration_since(SystemTime::UNIX_EPOCH);
        Self {
            time: u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
            level: super::log_level::name_of(message.level).to_owned(),
            callback: message.callback,
            message: message.text,
        }
    }
}
