//! The hostcalls of the older ABIs by name: those that are offered, the other names and types by which plugins import them, and
//! those of relatives of these ABIs.

use wasmtime::{Engine, FuncType, ValType};

/// The module from which plugins of the older ABIs import hostcalls.
pub const MODULE: &str = "env";

macro_rules! hostcalls {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A hostcall.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Hostcall {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
        }

        impl Hostcall {
            /// Every hostcall.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name by which plugins import it; [`ALIASES`] has others.
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
    ClearRouteCache = "proxy_clear_route_cache",
    CloseStream = "proxy_close_stream",
    ContinueRequest = "proxy_continue_request",
    ContinueResponse = "proxy_continue_response",
    ContinueStream = "proxy_continue_stream",
    DefineMetric = "proxy_define_metric",
    DequeueSharedQueue = "proxy_dequeue_shared_queue",
    Done = "proxy_done",
    EnqueueSharedQueue = "proxy_enqueue_shared_queue",
    GetBufferBytes = "proxy_get_buffer_bytes",
    GetBufferStatus = "proxy_get_buffer_status",
    GetConfiguration = "proxy_get_configuration",
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
    RemoveMetric = "proxy_remove_metric",
    RemoveSharedQueue = "proxy_remove_shared_queue",
    ReplaceHeaderMapValue = "proxy_replace_header_map_value",
    ResolveSharedQueue = "proxy_resolve_shared_queue",
    ResumeDownstream = "proxy_resume_downstream",
    ResumeUpstream = "proxy_resume_upstream",
    SendLocalResponse = "proxy_send_local_response",
    SetBufferBytes = "proxy_set_buffer_bytes",
    SetEffectiveContext = "proxy_set_effective_context",
    SetHeaderMapPairs = "proxy_set_header_map_pairs",
    SetProperty = "proxy_set_property",
    SetSharedData = "proxy_set_shared_data",
    SetTickPeriodMilliseconds = "proxy_set_tick_period_milliseconds",
}

/// A type of a hostcall besides that of the ABI's text, by which some plugins import it. All its parameters, and its result if it
/// has one, are 32-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// The name by which plugins import it so.
    pub name: &'static str,
    /// The hostcall that it is.
    pub hostcall: Hostcall,
    /// How many parameters it has.
    pub parameters: usize,
    /// Whether it returns its status.
    pub has_result: bool,
}

/// What is to be said of a function that a plugin imports from [`MODULE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is offered.
    Offered,
    /// It is one of the draft that MOSN's second host has, which is another ABI under the marker of 0.2.0.
    MosnDraft,
    /// It is one that Envoy has beside the ABI.
    Envoy,
    /// It is no hostcall of ABI 0.1.0 to 0.2.1.
    Unknown,
}

/// Other names by which plugins import a hostcall, with its own type: those of MOSN's first host, whose plugins have the marker
/// of 0.1.0.
pub const ALIASES: &[(&str, Hostcall)] = &[
    ("proxy_cancel_grpc_call", Hostcall::GrpcCancel),
    ("proxy_close_grpc_call", Hostcall::GrpcClose),
    ("proxy_dispatch_http_call", Hostcall::HttpCall),
    ("proxy_resume_http_request", Hostcall::ContinueRequest),
    ("proxy_resume_http_response", Hostcall::ContinueResponse),
    ("proxy_send_grpc_call_message", Hostcall::GrpcSend),
    ("proxy_send_http_response", Hostcall::SendLocalResponse),
];

/// Other types by which plugins import a hostcall.
///
/// The text of ABI 0.1.0 gives three hostcalls no result, its hosts and SDKs one. The SDK for AssemblyScript and MOSN's first host
/// begin gRPC calls without metadata, and there a queue is found among those of the own VM only.
pub const OVERLOADS: &[Overload] = &[
    overload("proxy_clear_route_cache", Hostcall::ClearRouteCache, 0, false),
    overload("proxy_continue_request", Hostcall::ContinueRequest, 0, false),
    overload("proxy_continue_response", Hostcall::ContinueResponse, 0, false),
    overload("proxy_dispatch_grpc_call", Hostcall::GrpcCall, 10, true),
    overload("proxy_grpc_call", Hostcall::GrpcCall, 10, true),
    overload("proxy_grpc_stream", Hostcall::GrpcStream, 7, true),
    overload("proxy_open_grpc_stream", Hostcall::GrpcStream, 7, true),
    overload(
        "proxy_resolve_shared_queue",
        Hostcall::ResolveSharedQueue,
        3,
        true,
    ),
];

/// The hostcalls of the draft that only MOSN's second host has. Their statuses, and the numbers of their maps and buffers, are those of
/// the draft, so that a plugin of it would not get what it expects from any other host.
const MOSN_DRAFT: &[&str] = &[
    "proxy_add_shared_kvstore_key_values",
    "proxy_call_custom_function",
    "proxy_close_http_stream",
    "proxy_context_finalize",
    "proxy_create_metric",
    "proxy_create_timer",
    "proxy_delete_metric",
    "proxy_delete_shared_kvstore",
    "proxy_delete_shared_queue",
    "proxy_delete_timer",
    "proxy_dequeue_shared_queue_item",
    "proxy_enqueue_shared_queue_item",
    "proxy_get_buffer",
    "proxy_get_metric_value",
    "proxy_get_shared_kvstore_key_values",
    "proxy_increment_metric_value",
    "proxy_open_shared_kvstore",
    "proxy_open_shared_queue",
    "proxy_remove_shared_kvstore_key",
    "proxy_resume_http_stream",
    "proxy_resume_stream",
    "proxy_send_grpc_stream_message",
    "proxy_set_buffer",
    "proxy_set_metric_value",
    "proxy_set_shared_kvstore_key_values",
];

/// The hostcalls that Envoy has beside the ABI.
const ENVOY: &[&str] = &["envoy_resolve_dns"];

/// What is to be said of a function called `name` that a plugin imports from [`MODULE`].
pub fn support(name: &str) -> Support {
    let is_hostcall = Hostcall::ALL.iter().any(|hostcall| hostcall.name() == name);
    let is_alias = ALIASES.iter().any(|(alias, _)| *alias == name);
    if is_hostcall || is_alias || overloads(name).next().is_some() {
        Support::Offered
    } else if MOSN_DRAFT.contains(&name) {
        Support::MosnDraft
    } else if ENVOY.contains(&name) {
        Support::Envoy
    } else {
        Support::Unknown
    }
}

/// The other types by which plugins import the hostcall called `name`.
pub fn overloads(name: &str) -> impl Iterator<Item = &'static Overload> {
    OVERLOADS.iter().filter(move |overload| overload.name == name)
}

const fn overload(name: &'static str, hostcall: Hostcall, parameters: usize, has_result: bool) -> Overload {
    Overload {
        name,
        hostcall,
        parameters,
        has_result,
    }
}

// === impl Overload ===

impl Overload {
    /// The type as one of the runtime.
    pub fn ty(&self, engine: &Engine) -> FuncType {
        let parameters = std::iter::repeat_n(ValType::I32, self.parameters);
        FuncType::new(engine, parameters, self.has_result.then_some(ValType::I32))
    }
}

// === impl Support ===

impl Support {
    /// Why a host does not offer it, to come behind "which"; nothing where it does.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Offered => None,
            Self::MosnDraft => Some(
                "is a hostcall of the draft ABI of MOSN, which has the marker of ABI 0.2.0 but other statuses and numbers; \
                 build the plugin with an SDK for ABI 0.2.1",
            ),
            Self::Envoy => Some(
                "is no hostcall of its ABI but one of Envoy alone; have names resolved by an upstream that the plugin calls",
            ),
            Self::Unknown => Some("is no hostcall of its ABI"),
        }
    }
}
