//! The state of the older ABIs in one instance, and how a host offers it.

use crate::status::Status;
use crate::version::AbiVersion;
use std::collections::BTreeSet;
use wasi_bytestream::Bytestream;
use wasi_common::{Common, CommonView};
use wasi_context::Lifecycle;
use wasi_ffi::Functions;
use wasi_grpc::Grpc;
use wasi_http::Http;
use wasi_kvstore::KvStores;
use wasi_log::Log;
use wasi_metrics::Metrics;
use wasi_queue::Queues;
use wasi_timer::Timers;
use wasmtime::TypedFunc;

/// Store data that offers the hostcalls of the older ABIs.
///
/// The effective context of these ABIs, on which every hostcall acts, is [`wasi_common::CallScope::context_id`]: a callback sets it
/// to its own context, and `proxy_set_effective_context` changes it until the callback returns. Who enters the guest sets
/// the plugin of the scope.
pub trait LegacyView: CommonView {
    /// The state that hostcalls work on.
    fn legacy(&mut self) -> LegacyParts<'_>;
}

/// The state that hostcalls of the older ABIs work on, for the time of one of them.
pub struct LegacyParts<'a> {
    /// What all components share.
    pub common: &'a mut Common,
    /// The state of wasi-http.
    pub http: &'a mut Http,
    /// The state of wasi-grpc.
    pub grpc: &'a mut Grpc,
    /// The state of wasi-bytestream.
    pub bytestream: &'a mut Bytestream,
    /// The state of wasi-context.
    pub lifecycle: &'a mut Lifecycle,
    /// The log.
    pub log: &'a mut Log,
    /// The key-value stores, one of which holds the shared data.
    pub stores: &'a mut KvStores,
    /// The queues.
    pub queues: &'a mut Queues,
    /// The timers, one of which each plugin can have.
    pub timers: &'a mut Timers,
    /// The metrics.
    pub metrics: &'a mut Metrics,
    /// Calls of the embedder's functions.
    pub functions: &'a mut Functions,
    /// What only the older ABIs have.
    pub legacy: &'a mut Legacy,
}

/// What only the older ABIs have, in one instance.
pub struct Legacy {
    pub(crate) version: AbiVersion,
    pub(crate) stage: Stage,
    pub(crate) allocator: Option<TypedFunc<u32, u32>>,
    /// Bytes on their way to the guest; kept, so that returning a value costs no allocation here.
    pub(crate) scratch: Vec<u8>,
    /// The callout whose callback is running. Plugins of these ABIs name none when they read its answer.
    pub(crate) callout: Option<u32>,
    /// Hostcalls whose refusal was told.
    pub(crate) told: BTreeSet<&'static str>,
    /// Plugins that differ from the default.
    options: Vec<(u32, PluginOptions)>,
    /// The timers of plugins that tick: plugin and timer.
    ticks: Vec<(u32, u32)>,
}

/// What an embedder can choose for each plugin of the older ABIs, because hosts of these ABIs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PluginOptions {
    /// What a pause in a headers callback means.
    pub headers_pause: HeadersPause,
    /// What `proxy_get_header_map_value` gives of a header that comes several times.
    pub repeated_headers: RepeatedHeaders,
}

/// What a pause in a headers callback means. Hosts of these ABIs differ, and plugins are written for one or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HeadersPause {
    /// The whole message stops until the plugin continues it, and no body is delivered: what Envoy does by default.
    #[default]
    StopAll,
    /// Only the headers are held; the body is delivered, and the headers go on with it: what the text of ABI 0.2.1 says, and
    /// Envoy does with `allow_on_headers_stop_iteration`.
    HoldHeaders,
}

/// What `proxy_get_header_map_value` gives of a header that comes several times. `proxy_get_header_map_pairs` gives each in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RepeatedHeaders {
    /// The first value, as other hosts do. What a plugin decides by it, a sender can lead astray with a second one.
    #[default]
    First,
    /// All values, with a comma between them, RFC 9110 section 5.3; those of `cookie` with a semicolon. Of `set-cookie`, whose values
    /// cannot be joined, the first.
    Joined,
}

/// What the guest is doing, which decides what it may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It initialises itself.
    Initializing,
    /// It runs a callback.
    Running,
    /// It runs its allocator, within a hostcall.
    Allocating,
}

// === impl Legacy ===

impl Legacy {
    /// The state of an instance that has not been initialised; see [`crate::initialize`].
    pub fn new(version: AbiVersion) -> Self {
        Self {
            version,
            stage: Stage::Initializing,
            allocator: None,
            scratch: Vec::new(),
            callout: None,
            told: BTreeSet::new(),
            options: Vec::new(),
            ticks: Vec::new(),
        }
    }

    /// The version of the ABI.
    pub fn version(&self) -> AbiVersion {
        self.version
    }

    /// Sets the options of a plugin. One instance may hold several plugins.
    pub fn set_options(&mut self, plugin_id: u32, options: PluginOptions) {
        self.options.retain(|(id, _)| *id != plugin_id);
        if options != PluginOptions::default() {
            self.options.push((plugin_id, options));
        }
    }

    /// The options of a plugin.
    pub fn options(&self, plugin_id: u32) -> PluginOptions {
        let own = self.options.iter().find(|(id, _)| *id == plugin_id);
        own.map_or_else(PluginOptions::default, |(_, options)| *options)
    }

    /// Forgets a plugin that has gone.
    pub fn remove_plugin(&mut self, plugin_id: u32) {
        self.options.retain(|(id, _)| *id != plugin_id);
        self.ticks.retain(|(id, _)| *id != plugin_id);
    }

    /// The timer by which a plugin ticks, which it does not from now on.
    pub(crate) fn take_tick(&mut self, plugin_id: u32) -> Option<u32> {
        let at = self.ticks.iter().position(|(id, _)| *id == plugin_id)?;
        Some(self.ticks.swap_remove(at).1)
    }

    /// A plugin that does not tick does from now on, by this timer.
    pub(crate) fn set_tick(&mut self, plugin_id: u32, timer_id: u32) {
        self.ticks.push((plugin_id, timer_id));
    }

    /// Whether the guest may make hostcalls now. Its allocator runs within a hostcall, which must find everything as it was; and
    /// before a guest is initialised there is no plugin to act for.
    #[inline]
    pub(crate) fn permit(&self) -> Result<(), Status> {
        match self.stage {
            Stage::Running => Ok(()),
            Stage::Initializing | Stage::Allocating => Err(Status::InternalFailure),
        }
    }
}
