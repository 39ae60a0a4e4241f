//! The exports of a plugin.

/// Makes a type that implements [`Plugin`](crate::Plugin) the plugin of this module: exports the marker of
/// the interface and the callbacks.
///
/// With a list, only the named callbacks are exported. The host bypasses the plugin for the others, which is
/// cheaper than a callback that only forwards: a body that no plugin asks for is never copied. Without a list
/// all are exported.
///
/// The names: `request_headers`, `request_body`, `request_trailers`, `request_metadata`, `response_headers`,
/// `response_body`, `response_trailers`, `response_metadata`.
///
/// ```
/// use proxywasm_sdk::{HttpContext, HttpStream, Plugin, PluginContext};
///
/// struct Example;
///
/// impl HttpContext for Example {}
///
/// impl Plugin for Example {
///     type Http = Self;
///
///     fn on_start(_: &PluginContext, _: &[u8]) -> Result<Self, String> {
///         Ok(Self)
///     }
///
///     fn create_http_context(&mut self, _: &HttpStream) -> Self {
///         Self
///     }
/// }
///
/// proxywasm_sdk::plugin!(Example: request_headers, response_headers);
/// ```
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        $crate::plugin!(
            $plugin: request_headers, request_body, request_trailers, request_metadata,
            response_headers, response_body, response_trailers, response_metadata
        );
    };
    ($plugin:ty: $($callback:ident),+ $(,)?) => {
        #[allow(dead_code, unsafe_code, reason = "the host calls the exports by their names, which only a wasm module has")]
        const _: () = {
            use $crate::dispatch::Dispatcher;
            use $crate::raw;

            ::std::thread_local! {
                static DISPATCHER: Dispatcher<$plugin> = const { Dispatcher::new() };
            }

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn proxy_abi_version_2021_04() {}

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn _initialize() {
                $crate::dispatch::initialize();
            }

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn proxy_on_plugin_start(id: raw::PluginId, _configuration_size: raw::Size) -> raw::Boolean {
                DISPATCHER.with(|dispatcher| dispatcher.start(id))
            }

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn proxy_on_plugin_shutdown(id: raw::PluginId) -> raw::Boolean {
                DISPATCHER.with(|dispatcher| dispatcher.shutdown(id))
            }

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn proxy_on_context_create(
                id: raw::ContextId,
                plugin: raw::PluginId,
                context_type: raw::ContextType,
            ) -> raw::ContextId {
                DISPATCHER.with(|dispatcher| dispatcher.create(id, plugin, context_type))
            }

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn proxy_on_context_finalize(id: raw::ContextId) {
                DISPATCHER.with(|dispatcher| dispatcher.finalize(id));
            }

            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            extern "C" fn proxy_on_log_level_update(level: raw::LogLevel) {
                $crate::dispatch::log_level_update(level);
            }

            $($crate::callback!($callback);)+
        };
    };
}

/// Exports one callback; used by [`plugin!`](crate::plugin) alone.
#[doc(hidden)]
#[macro_export]
macro_rules! callback {
    (request_headers) => { $crate::callback!(@sized_end proxy_on_http_request_headers request_headers); };
    (request_body) => { $crate::callback!(@sized_end proxy_on_http_request_body request_body); };
    (request_trailers) => { $crate::callback!(@sized proxy_on_http_request_trailers request_trailers); };
    (request_metadata) => { $crate::callback!(@sized proxy_on_http_request_metadata request_metadata); };
    (response_headers) => { $crate::callback!(@sized_end proxy_on_http_response_headers response_headers); };
    (response_body) => { $crate::callback!(@sized_end proxy_on_http_response_body response_body); };
    (response_trailers) => { $crate::callback!(@sized proxy_on_http_response_trailers response_trailers); };
    (response_metadata) => { $crate::callback!(@sized proxy_on_http_response_metadata response_metadata); };
    (@sized_end $export:ident $callback:ident) => {
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        extern "C" fn $export(id: raw::ContextId, size: raw::Size, end_of_stream: raw::Boolean) -> raw::Action {
            DISPATCHER.with(|dispatcher| dispatcher.$callback(id, size, end_of_stream))
        }
    };
    (@sized $export:ident $callback:ident) => {
        #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
        extern "C" fn $export(id: raw::ContextId, size: raw::Size) -> raw::Action {
            DISPATCHER.with(|dispatcher| dispatcher.$callback(id, size))
        }
    };
    ($other:ident) => {
        ::core::compile_error!(::core::concat!("`", ::core::stringify!($other), "` is no callback that a plugin can export"));
    };
}
