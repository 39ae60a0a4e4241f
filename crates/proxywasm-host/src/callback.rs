//! The callbacks of plugins, to tell and to count them by.

use wasi_bytestream::Phase as BytestreamPhase;
use wasi_grpc::Phase as GrpcPhase;
use wasi_http::{CallPhase, Phase};

/// A callback that the host makes. Plugins of the older ABIs know some by other names, or as several; they are counted as these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callback {
    /// A plugin starts.
    PluginStart,
    /// A plugin is asked to end.
    PluginShutdown,
    /// A plugin has ended, for the older ABIs.
    Delete,
    /// A stream begins.
    ContextCreate,
    /// A stream has ended.
    ContextFinalize,
    /// A stream whose end was put off has ended, for the older ABIs.
    Log,
    /// Another level of messages is written.
    LogLevelUpdate,
    /// A timer is due.
    TimerReady,
    /// A queue has an item.
    SharedQueueReady,
    /// The embedder calls a function of the plugin.
    CustomCallback,
    /// A part of an HTTP stream.
    Http(Phase),
    /// A part of a byte stream.
    Bytestream(BytestreamPhase),
    /// An answer to an HTTP call.
    HttpCall(CallPhase),
    /// An answer to a gRPC call.
    Grpc(GrpcPhase),
}

/// Those that belong to no component with several, in the order of their numbers.
const SINGLE: [Callback; 10] = [
    Callback::PluginStart,
    Callback::PluginShutdown,
    Callback::Delete,
    Callback::ContextCreate,
    Callback::ContextFinalize,
    Callback::Log,
    Callback::LogLevelUpdate,
    Callback::TimerReady,
    Callback::SharedQueueReady,
    Callback::CustomCallback,
];

const HTTP: usize = SINGLE.len();
const BYTESTREAM: usize = HTTP + Phase::ALL.len();
const HTTP_CALL: usize = BYTESTREAM + BytestreamPhase::ALL.len();
const GRPC: usize = HTTP_CALL + CallPhase::ALL.len();

// === impl Callback ===

impl Callback {
    /// How many there are.
    pub const COUNT: usize = GRPC + GrpcPhase::ALL.len();

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let http = Phase::ALL.into_iter().map(Self::Http);
        let bytestream = BytestreamPhase::ALL.into_iter().map(Self::Bytestream);
        let http_call = CallPhase::ALL.into_iter().map(Self::HttpCall);
        let grpc = GrpcPhase::ALL.into_iter().map(Self::Grpc);
        let streams = http.chain(bytestream);
        SINGLE.into_iter().chain(streams).chain(http_call).chain(grpc)
    }

    /// Its name in the component ABI.
    #[inline]
    pub fn name(self) -> &'static str {
        match self {
            Self::PluginStart => "on_plugin_start",
            Self::PluginShutdown => "on_plugin_shutdown",
            Self::Delete => "on_delete",
            Self::ContextCreate => "on_context_create",
            Self::ContextFinalize => "on_context_finalize",
            Self::Log => "on_log",
            Self::LogLevelUpdate => "on_log_level_update",
            Self::TimerReady => "on_timer_ready",
            Self::SharedQueueReady => "on_shared_queue_ready",
            Self::CustomCallback => "on_custom_callback",
            Self::Http(phase) => phase.callback(),
            Self::Bytestream(phase) => phase.callback(),
            Self::HttpCall(phase) => phase.callback(),
            Self::Grpc(phase) => phase.callback(),
        }
    }

    /// Its place in a table of all.
    #[inline]
    pub(crate) fn index(self) -> usize {
        match self {
            Self::PluginStart => 0,
            Self::PluginShutdown => 1,
            Self::Delete => 2,
            Self::ContextCreate => 3,
            Self::ContextFinalize => 4,
            Self::Log => 5,
            Self::LogLevelUpdate => 6,
            Self::TimerReady => 7,
            Self::SharedQueueReady => 8,
            Self::CustomCallback => 9,
            Self::Http(phase) => HTTP + phase.bit().trailing_zeros() as usize,
            Self::Bytestream(phase) => BYTESTREAM + phase.bit().trailing_zeros() as usize,
            Self::HttpCall(phase) => HTTP_CALL + phase as usize,
            Self::Grpc(phase) => GRPC + phase as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_has_a_place_and_a_name() {
        let places: BTreeSet<usize> = Callback::all().map(Callback::index).collect();
        let names: BTreeSet<&str> = Callback::all().map(Callback::name).collect();
        assert_eq!(places, (0..Callback::COUNT).collect());
        assert_eq!(names.len(), Callback::COUNT);
        for (place, callback) in SINGLE.into_iter().enumerate() {
            assert_eq!(callback.index(), place);
        }
        assert!(names.iter().all(|name| name.starts_with("on_")));
    }
}
