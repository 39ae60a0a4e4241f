//! From callbacks to the plugin's own types. Not for plugins: [`plugin!`](crate::plugin) makes the exports
//! that call this.

use core::cell::RefCell;

use crate::action::Action;
use crate::contexts::Contexts;
use crate::log::{self, Level};
use crate::plugin::{HttpContext, Plugin};
use crate::raw::{self, ContextType, LogLevel, Size};
use crate::status::Result;
use crate::stream::{HttpStream, PluginContext};

/// The plugins and streams of an instance of the module.
pub struct Dispatcher<P: Plugin> {
    plugins: RefCell<Contexts<P>>,
    streams: RefCell<Contexts<P::Http>>,
}

/// Prepares the instance: a panic is logged before it traps.
pub fn initialize() {
    #[cfg(target_os = "wasi")]
    {
        #[allow(
            unsafe_code,
            reason = "a library for WASI has to call the constructors of its C library itself"
        )]
        unsafe {
            unsafe extern "C" {
                fn __wasm_call_ctors();
            }
            // SAFETY: the host calls `_initialize` once, and nothing before it.
            __wasm_call_ctors();
        }
    }
    std::panic::set_hook(Box::new(|panic| {
        log::log(Level::Critical, format_args!("{panic}"))
    }));
}

/// Notes a change of the log level.
pub fn log_level_update(level: LogLevel) {
    log::set_lowest(level);
}

// === impl Dispatcher ===

impl<P: Plugin> Default for Dispatcher<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Plugin> Dispatcher<P> {
    /// Without plugins.
    pub const fn new() -> Self {
        Self {
            plugins: RefCell::new(Contexts::new()),
            streams: RefCell::new(Contexts::new()),
        }
    }

    /// `on_plugin_start`.
    pub fn start(&self, id: u32) -> u32 {
        let context = PluginContext::new(id);
        let started = context
            .configuration()
            .map_err(|status| format!("the configuration cannot be read: {status}"))
            .and_then(|configuration| P::on_start(&context, &configuration));
        match (started, self.plugins.try_borrow_mut()) {
            (Ok(plugin), Ok(mut plugins)) => {
                plugins.insert(id, plugin);
                1
            }
            (Err(reason), _) => {
                crate::error!("{reason}");
                0
            }
            (_, Err(_)) => 0,
        }
    }

    /// `on_plugin_shutdown`.
    pub fn shutdown(&self, id: u32) -> u32 {
        let Ok(mut plugins) = self.plugins.try_borrow_mut() else {
            return 1;
        };
        let completed = plugins
            .get_mut(id)
            .is_none_or(|plugin| plugin.on_shutdown(&PluginContext::new(id)));
        if completed {
            plugins.remove(id);
        }
        u32::from(completed)
    }

    /// `on_context_create`. The host's number is kept.
    pub fn create(&self, id: u32, plugin: u32, context_type: ContextType) -> u32 {
        // Streams of other kinds have no context: their callbacks are not exported.
        if context_type == ContextType::HTTP
            && let (Ok(mut plugins), Ok(mut streams)) =
                (self.plugins.try_borrow_mut(), self.streams.try_borrow_mut())
            && let Some(plugin) = plugins.get_mut(plugin)
        {
            streams.insert(id, plugin.create_http_context(&HttpStream::new(id)));
        }
        0
    }

    /// `on_context_finalize`.
    pub fn finalize(&self, id: u32) {
        let context = self
            .streams
            .try_borrow_mut()
            .ok()
            .and_then(|mut streams| streams.remove(id));
        if let Some(mut context) = context {
            context.on_finalize(&HttpStream::new(id));
        }
    }

    /// `on_http_request_headers`.
    pub fn request_headers(&self, id: u32, num_headers: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "request headers", |context, stream| {
            context.on_request_headers(stream, num_headers as usize, end_of_stream != 0)
        })
    }

    /// `on_http_request_body`.
    pub fn request_body(&self, id: u32, body_size: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "request body", |context, stream| {
            context.on_request_body(stream, body_size as usize, end_of_stream != 0)
        })
    }

    /// `on_http_request_trailers`.
    pub fn request_trailers(&self, id: u32, num_trailers: Size) -> raw::Action {
        self.http(id, "request trailers", |context, stream| {
            context.on_request_trailers(stream, num_trailers as usize)
        })
    }

    /// `on_http_request_metadata`.
    pub fn request_metadata(&self, id: u32, num_elements: Size) -> raw::Action {
        self.http(id, "request metadata", |context, stream| {
            context.on_request_metadata(stream, num_elements as usize)
        })
    }

    /// `on_http_response_headers`.
    pub fn response_headers(&self, id: u32, num_headers: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "response headers", |context, stream| {
            context.on_response_headers(stream, num_headers as usize, end_of_stream != 0)
        })
    }

    /// `on_http_response_body`.
    pub fn response_body(&self, id: u32, body_size: Size, end_of_stream: u32) -> raw::Action {
        self.http(id, "response body", |context, stream| {
            context.on_response_body(stream, body_size as usize, end_of_stream != 0)
        })
    }

    /// `on_http_response_trailers`.
    pub fn response_trailers(&self, id: u32, num_trailers: Size) -> raw::Action {
        self.http(id, "response trailers", |context, stream| {
            context.on_response_trailers(stream, num_trailers as usize)
        })
    }

    /// `on_http_response_metadata`.
    pub fn response_metadata(&self, id: u32, num_elements: Size) -> raw::Action {
        self.http(id, "response metadata", |context, stream| {
            context.on_response_metadata(stream, num_elements as usize)
        })
    }

    fn http(
        &self,
        id: u32,
        callback: &str,
        call: impl FnOnce(&mut P::Http, &HttpStream) -> Result<Action>,
    ) -> raw::Action {
        let action = match self.streams.try_borrow_mut() {
            Ok(mut streams) => match streams.get_mut(id) {
                Some(context) => call(context, &HttpStream::new(id)),
                // Nobody has looked at this stream: it must not pass as if somebody had.
                None => Err(crate::Status::BAD_ARGUMENT),
            },
            Err(_) => Err(crate::Status::INVALID_OPERATION),
        };
        let action = action.unwrap_or_else(|status| {
            crate::error!("{callback}: {status}; the stream is closed");
            Action::Close
        });
        raw::Action(action as u32)
    }
}
