//! The hostcalls of the older ABIs by name: those that are offered, and those that are known but not offered yet.

use crate::status::Status;
use crate::view::LegacyView;
use std::collections::BTreeSet;
use wasmtime::{Linker, Module};

/// The module from which plugins of the older ABIs import hostcalls.
pub const MODULE: &str = "env";

macro_rules! hostcalls {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A hostcall that is offered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Hostcall {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
        }

        impl Hostcall {
            /// Every hostcall that is offered.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name by which plugins import it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

hostcalls! {
    Abort = "abort",
    AddHeaderMapValue = "proxy_add_header_map_value",
    CallForeignFunction = "proxy_call_foreign_function",
    CloseStream = "proxy_close_stream",
    ContinueStream = "proxy_continue_stream",
    DefineMetric = "proxy_define_metric",
    DequeueSharedQueue = "proxy_dequeue_shared_queue",
    Done = "proxy_done",
    EnqueueSharedQueue = "proxy_enqueue_shared_queue",
    GetBufferBytes = "proxy_get_buffer_bytes",
    GetBufferStatus = "proxy_get_buffer_status",
    GetCurrentTimeNanoseconds = "proxy_get_current_time_nanoseconds",
    GetHeaderMapPairs = "proxy_get_header_map_pairs",
    GetHeaderMapSize = "proxy_get_header_map_size",
    GetHeaderMapValue = "proxy_get_header_map_value",
    GetLogLevel = "proxy_get_log_level",
    GetMetric = "proxy_get_metric",
    GetProperty = "proxy_get_property",
    GetSharedData = "proxy_get_shared_data",
    GetStatus = "proxy_get_status",
    GrpcCall = "proxy_grpc_call",
    GrpcCancel = "proxy_grpc_cancel",
    GrpcClose = "proxy_grpc_close",
    GrpcSend = "proxy_grpc_send",
    GrpcStream = "proxy_grpc_stream",
    HttpCall = "proxy_http_call",
    IncrementMetric = "proxy_increment_metric",
    Log = "proxy_log",
    NotifyMemoryGrowth = "emscripten_notify_memory_growth",
    PthreadEqual = "pthread_equal",
    RecordMetric = "proxy_record_metric",
    RegisterSharedQueue = "proxy_register_shared_queue",
    RemoveHeaderMapValue = "proxy_remove_header_map_value",
    ReplaceHeaderMapValue = "proxy_replace_header_map_value",
    ResolveSharedQueue = "proxy_resolve_shared_queue",
    SendLocalResponse = "proxy_send_local_response",
    SetBufferBytes = "proxy_set_buffer_bytes",
    SetEffectiveContext = "proxy_set_effective_context",
    SetHeaderMapPairs = "proxy_set_header_map_pairs",
    SetProperty = "proxy_set_property",
    SetSharedData = "proxy_set_shared_data",
    SetTickPeriodMilliseconds = "proxy_set_tick_period_milliseconds",
}

/// A hostcall of the ABI that is not offered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unoffered {
    /// The name by which plugins import it.
    pub name: &'static str,
    /// What it answers where it is linked all the same, by [`refuse_unoffered_imports`].
    pub answer: Status,
}

/// What is to be said of a function that a plugin imports from [`MODULE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is offered.
    Offered,
    /// It is a hostcall of the ABI, but not offered yet.
    NotOfferedYet,
    /// It is no hostcall of ABI 0.1.0 to 0.2.1.
    Unknown,
}

/// The hostcalls of the ABI that are not offered yet.
///
/// Their answers are true where a true one exists: a host without queues has no queue of that name. They are among those which
/// the SDK for Rust expects, except where none of those would be true.
pub const UNOFFERED: &[Unoffered] = &[
    unoffered("proxy_clear_route_cache", Status::Unimplemented),
    unoffered("proxy_continue_request", Status::Unimplemented),
    unoffered("proxy_continue_response", Status::Unimplemented),
    unoffered("proxy_get_configuration", Status::Unimplemented),
];

/// Links what a module imports of [`UNOFFERED`] as functions that refuse, of the type by which the module imports them. Each
/// says so in the host's own log when it is first called.
///
/// The SDK for Rust imports nearly the whole ABI into every plugin, whatever the plugin calls; without this, none of its plugins
/// could be loaded. The linker is then that module's own; hosts of several modules clone a common one for each.
///
/// # Errors
/// The linker has one of these functions already.
pub fn refuse_unoffered_imports<T: LegacyView + 'static>(
    linker: &mut Linker<T>,
    module: &Module,
) -> wasmtime::Result<()> {
    let mut seen = BTreeSet::new();
    for import in module.imports().filter(|import| import.module() == MODULE) {
        let unoffered = UNOFFERED.iter().find(|unoffered| unoffered.name == import.name());
        if let Some(unoffered) = unoffered.filter(|unoffered| seen.insert(unoffered.name)) {
            proxywasm_wasi::refuse_import(linker, &import, unoffered.answer as i32)?;
        }
    }
    Ok(())
}

/// What is to be said of a function called `name` that a plugin imports from [`MODULE`].
pub fn support(name: &str) -> Support {
    if Hostcall::ALL.iter().any(|hostcall| hostcall.name() == name) {
        Support::Offered
    } else if UNOFFERED.iter().any(|unoffered| unoffered.name == name) {
        Support::NotOfferedYet
    } else {
        Support::Unknown
    }
}

const fn unoffered(name: &'static str, answer: Status) -> Unoffered {
    Unoffered { name, answer }
}
