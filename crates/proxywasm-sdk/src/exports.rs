//! The exports of a plugin.

/// Makes a type that implements [`Plugin`](crate::Plugin) the plugin of this module: exports the marker of
/// the interface, the life of plugins and streams, and the callbacks that are named. The host bypasses the plugin for all others,
/// which is cheaper than a callback that only forwards: a body that no plugin asks for is never copied.
///
/// | name | callback |
/// |---|---|
/// | `http(...)` | of [`HttpContext`](crate::HttpContext), which the plugin makes as a [`HttpPlugin`](crate::HttpPlugin): `request_headers`, `request_body`, `request_trailers`, `request_metadata`, `response_headers`, `response_body`, `response_trailers`, `response_metadata` |
/// | `bytestream(...)` | of [`BytestreamContext`](crate::BytestreamContext), which the plugin makes as a [`BytestreamPlugin`](crate::BytestreamPlugin): `new_connection`, `downstream_data`, `downstream_close`, `upstream_data`, `upstream_close` |
/// | `http_call_response` | `on_http_call_response`: answers of HTTP calls, whole |
/// | `http_call_event` | `on_http_call_event`: answers of HTTP calls as they come; none is told whole then |
/// | `grpc_call_response` | `on_grpc_call_response` |
/// | `grpc_stream_event` | `on_grpc_stream_event` |
/// | `timer` | [`Plugin::on_timer`](crate::Plugin::on_timer) |
/// | `queue_ready` | [`Plugin::on_queue_ready`](crate::Plugin::on_queue_ready) |
/// | `custom_callback` | [`Plugin::on_custom_callback`](crate::Plugin::on_custom_callback) |
///
/// Callbacks of calls are exported for all contexts together. `http()` without names is for a plugin that only wants
/// [`HttpContext::on_finalize`](crate::HttpContext::on_finalize).
///
/// ```
/// use proxywasm_sdk::{HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext};
///
/// struct Example;
///
/// impl Plugin for Example {
///     fn on_start(_: &PluginContext, _: &[u8]) -> Result<Self, String> {
///         Ok(Self)
///     }
/// }
///
/// impl HttpPlugin for Example {
///     type Context = Self;
///
///     fn create_http_context(&mut self, _: &HttpStream) -> Self {
///         Self
///     }
/// }
///
/// impl HttpContext for Example {}
///
/// proxywasm_sdk::plugin!(Example: http(request_headers, response_headers), http_call_response, timer);
/// ```
#[macro_export]
macro_rules! plugin {
    ($plugin:ty $(: $($name:ident $(($($callback:ident),* $(,)?))?),+ $(,)?)?) => {
        #[allow(dead_code, unsafe_code, reason = "the host calls the exports by their names, which only a wasm module has")]
        const _: () = {
            use $crate::raw;

            type Dispatcher = $crate::dispatch::Dispatcher<
                $plugin,
                $crate::plugin_kind!(http; $($($name)+)?),
                $crate::plugin_kind!(bytestream; $($($name)+)?),
            >;

            ::std::thread_local! {
                static DISPATCHER: Dispatcher = const { Dispatcher::new() };
            }

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn proxy_abi_version_2021_04() {}

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn _initialize() {
                $crate::dispatch::initialize();
            }

            $crate::plugin_export!(@function proxy_on_plugin_start(id: raw::PluginId, _size: raw::Size) -> raw::Boolean = start(id));
            $crate::plugin_export!(@function proxy_on_plugin_shutdown(id: raw::PluginId) -> raw::Boolean = shutdown(id));
            $crate::plugin_export!(@function proxy_on_context_create(id: raw::ContextId, plugin: raw::PluginId, context_type: raw::ContextType) -> raw::ContextId = create(id, plugin, context_type));
            $crate::plugin_export!(@function proxy_on_context_finalize(id: raw::ContextId) -> () = finalize(id));
            $crate::plugin_export!(@function proxy_on_log_level_update(level: raw::LogLevel) -> () = log_level(level));

            $($($crate::plugin_export!($name $(($($callback),*))?);)+)?
        };
    };
}

/// How a plugin handles a kind of streams; used by [`plugin!`](crate::plugin) alone.
#[doc(hidden)]
#[macro_export]
macro_rules! plugin_kind {
    (http; http $($name:ident)*) => { $crate::dispatch::Http };
    (bytestream; bytestream $($name:ident)*) => { $crate::dispatch::Bytestreams };
    ($kind:ident; $other:ident $($name:ident)*) => { $crate::plugin_kind!($kind; $($name)*) };
    ($kind:ident;) => { $crate::dispatch::NoStreams };
}

/// Exports callbacks; used by [`plugin!`](crate::plugin) alone.
#[doc(hidden)]
#[macro_export]
macro_rules! plugin_export {
    (http($($callback:ident),*)) => { $($crate::plugin_export!(@http $callback);)* };
    (bytestream($($callback:ident),*)) => { $($crate::plugin_export!(@bytestream $callback);)* };
    (http_call_response) => {
        $crate::plugin_export!(@function proxy_on_http_call_response(id: raw::CalloutId, headers: raw::Size, body: raw::Size, trailers: raw::Size) -> raw::Action = http_call_response(id, headers, body, trailers));
    };
    (http_call_event) => {
        $crate::plugin_export!(@function proxy_on_http_call_response_headers(id: raw::CalloutId, size: raw::Size) -> raw::Action = http_call_headers(id, size));
        $crate::plugin_export!(@function proxy_on_http_call_response_body(id: raw::CalloutId, size: raw::Size, end: raw::Boolean) -> raw::Action = http_call_body(id, size, end));
        $crate::plugin_export!(@function proxy_on_http_call_response_trailers(id: raw::CalloutId, size: raw::Size) -> raw::Action = http_call_trailers(id, size));
    };
    (grpc_call_response) => {
        $crate::plugin_export!(@function proxy_on_grpc_call_response(id: raw::CalloutId, status: u32, size: raw::Size) -> raw::Action = grpc_call_response(id, status, size));
    };
    (grpc_stream_event) => {
        $crate::plugin_export!(@function proxy_on_grpc_stream_response_header_metadata(id: raw::CalloutId, size: raw::Size) -> raw::Action = grpc_stream_initial_metadata(id, size));
        $crate::plugin_export!(@function proxy_on_grpc_stream_response_message(id: raw::CalloutId, size: raw::Size) -> raw::Action = grpc_stream_message(id, size));
        $crate::plugin_export!(@function proxy_on_grpc_stream_response_trailer_metadata(id: raw::CalloutId, size: raw::Size) -> raw::Action = grpc_stream_trailing_metadata(id, size));
        $crate::plugin_export!(@function proxy_on_grpc_stream_close(id: raw::CalloutId, status: u32) -> raw::Action = grpc_stream_close(id, status));
    };
    (timer) => {
        $crate::plugin_export!(@function proxy_on_timer_ready(id: raw::timer::TimerId) -> () = timer(id));
    };
    (queue_ready) => {
        $crate::plugin_export!(@function proxy_on_shared_queue_ready(id: raw::queue::QueueId) -> () = queue_ready(id));
    };
    (custom_callback) => {
        $crate::plugin_export!(@function proxy_on_custom_callback(id: raw::ffi::CustomCallbackId, _size: raw::Size) -> raw::Status = custom_callback(id));
    };

    (@http request_headers) => { $crate::plugin_export!(@sized_end proxy_on_http_request_headers request_headers); };
    (@http request_body) => { $crate::plugin_export!(@sized_end proxy_on_http_request_body request_body); };
    (@http request_trailers) => { $crate::plugin_export!(@sized proxy_on_http_request_trailers request_trailers); };
    (@http request_metadata) => { $crate::plugin_export!(@sized proxy_on_http_request_metadata request_metadata); };
    (@http response_headers) => { $crate::plugin_export!(@sized_end proxy_on_http_response_headers response_headers); };
    (@http response_body) => { $crate::plugin_export!(@sized_end proxy_on_http_response_body response_body); };
    (@http response_trailers) => { $crate::plugin_export!(@sized proxy_on_http_response_trailers response_trailers); };
    (@http response_metadata) => { $crate::plugin_export!(@sized proxy_on_http_response_metadata response_metadata); };

    (@bytestream new_connection) => {
        $crate::plugin_export!(@function proxy_on_new_connection(id: raw::ContextId) -> raw::Action = new_connection(id));
    };
    (@bytestream downstream_data) => { $crate::plugin_export!(@sized_end proxy_on_downstream_data downstream_data); };
    (@bytestream upstream_data) => { $crate::plugin_export!(@sized_end proxy_on_upstream_data upstream_data); };
    (@bytestream downstream_close) => {
        $crate::plugin_export!(@function proxy_on_downstream_close(id: raw::ContextId, source: raw::CloseSource) -> () = downstream_close(id, source));
    };
    (@bytestream upstream_close) => {
        $crate::plugin_export!(@function proxy_on_upstream_close(id: raw::ContextId, source: raw::CloseSource) -> () = upstream_close(id, source));
    };

    (@sized_end $export:ident $callback:ident) => {
        $crate::plugin_export!(@function $export(id: raw::ContextId, size: raw::Size, end_of_stream: raw::Boolean) -> raw::Action = $callback(id, size, end_of_stream));
    };
    (@sized $export:ident $callback:ident) => {
        $crate::plugin_export!(@function $export(id: raw::ContextId, size: raw::Size) -> raw::Action = $callback(id, size));
    };
    (@function $export:ident($($parameter:ident: $type:ty),*) -> $result:ty = $callback:ident($($argument:ident),*)) => {
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        extern "C" fn $export($($parameter: $type),*) -> $result {
            DISPATCHER.with(|dispatcher| dispatcher.$callback($($argument),*))
        }
    };

    ($(@$kind:ident)? $other:ident $(($($callback:ident),*))?) => {
        ::core::compile_error!(::core::concat!("`", ::core::stringify!($other), "` is no callback that a plugin can export here"));
    };
}
