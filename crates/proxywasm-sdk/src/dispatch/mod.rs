//! From callbacks to the plugin's own types. Not for plugins: [`plugin!`](crate::plugin) makes the exports
//! that call this.

mod bytestream;
mod callouts;
mod http;
mod kinds;
mod plugin;

use core::cell::RefCell;

use crate::bytestream::{Bytestream, BytestreamContext};
use crate::contexts::Contexts;
use crate::http::HttpContext;
use crate::log::{self, Level};
use crate::plugin::Plugin;
use crate::raw::ContextType;
use crate::stream::{HttpStream, PluginContext};

pub use kinds::{BytestreamKind, Bytestreams, Http, HttpKind, NoStreams};

/// The plugins and streams of an instance of the module. `H` and `B` tell how it handles HTTP and TCP streams.
pub struct Dispatcher<P: Plugin, H: HttpKind<P>, B: BytestreamKind<P>> {
    plugins: RefCell<Contexts<P>>,
    http: RefCell<Contexts<H::Context>>,
    bytestreams: RefCell<Contexts<B::Context>>,
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

// === impl Dispatcher ===

impl<P: Plugin, H: HttpKind<P>, B: BytestreamKind<P>> Default for Dispatcher<P, H, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Plugin, H: HttpKind<P>, B: BytestreamKind<P>> Dispatcher<P, H, B> {
    /// Without plugins.
    pub const fn new() -> Self {
        Self {
            plugins: RefCell::new(Contexts::new()),
            http: RefCell::new(Contexts::new()),
            bytestreams: RefCell::new(Contexts::new()),
        }
    }

    /// `on_plugin_start`.
    pub fn start(&self, id: u32) -> u32 {
        crate::callouts::enter(0);
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
        crate::callouts::enter(0);
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
        crate::callouts::enter(id);
        let Ok(mut plugins) = self.plugins.try_borrow_mut() else {
            return 0;
        };
        let Some(plugin) = plugins.get_mut(plugin) else {
            return 0;
        };
        // Streams of other kinds have no context: their callbacks are not exported.
        match context_type {
            ContextType::HTTP => {
                if let Some(context) = H::create(plugin, &HttpStream::new(id))
                    && let Ok(mut streams) = self.http.try_borrow_mut()
                {
                    streams.insert(id, context);
                }
            }
            ContextType::BYTESTREAM => {
                if let Some(context) = B::create(plugin, &Bytestream::new(id))
                    && let Ok(mut streams) = self.bytestreams.try_borrow_mut()
                {
                    streams.insert(id, context);
                }
            }
            _ => {}
        }
        0
    }

    /// `on_context_finalize`.
    pub fn finalize(&self, id: u32) {
        crate::callouts::enter(id);
        let http = self.http.try_borrow_mut();
        if let Some(mut context) = http.ok().and_then(|mut streams| streams.remove(id)) {
            context.on_finalize(&HttpStream::new(id));
        }
        let bytestreams = self.bytestreams.try_borrow_mut();
        if let Some(mut context) = bytestreams.ok().and_then(|mut streams| streams.remove(id)) {
            context.on_finalize(&Bytestream::new(id));
        }
        crate::callouts::stream_ended(id);
    }
}
