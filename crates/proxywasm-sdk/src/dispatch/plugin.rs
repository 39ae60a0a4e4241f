//! Callbacks of plugins that name no plugin.

use super::{BytestreamKind, Dispatcher, HttpKind};
use crate::ffi::CustomCallback;
use crate::plugin::Plugin;
use crate::queue::Queue;
use crate::raw::{BufferType, LogLevel};
use crate::status::Status;
use crate::stream::PluginContext;
use crate::timer::Timer;
use crate::{callouts, hostcalls, log};

impl<P: Plugin, H: HttpKind<P>, B: BytestreamKind<P>> Dispatcher<P, H, B> {
    /// `on_log_level_update`.
    pub fn log_level(&self, level: LogLevel) {
        log::set_lowest(level);
        callouts::enter(0);
        if let Ok(mut plugins) = self.plugins.try_borrow_mut() {
            for (id, plugin) in plugins.iter_mut() {
                plugin.on_log_level_update(&PluginContext::new(id), level.into());
            }
        }
    }

    /// `on_timer_ready`.
    pub fn timer(&self, id: u32) {
        self.executing(|plugin, context| plugin.on_timer(context, Timer::new(id)));
    }

    /// `on_shared_queue_ready`.
    pub fn queue_ready(&self, id: u32) {
        self.executing(|plugin, context| plugin.on_queue_ready(context, Queue::new(id)));
    }

    /// `on_custom_callback`.
    pub fn custom_callback(&self, id: u32) -> Status {
        self.executing(|plugin, context| plugin.on_custom_callback(context, CustomCallback::new(id)))
            .unwrap_or(Err(Status::BAD_ARGUMENT))
            .err()
            .unwrap_or(Status::OK)
    }

    /// Calls the plugin that the host is calling. Few modules have several in an instance; then that one is meant whose
    /// configuration may be read.
    pub(super) fn executing<R>(&self, call: impl FnOnce(&mut P, &PluginContext) -> R) -> Option<R> {
        callouts::enter(0);
        let mut plugins = self.plugins.try_borrow_mut().ok()?;
        let only = plugins.iter_mut().len() == 1;
        let (id, plugin) = plugins
            .iter_mut()
            .find(|(id, _)| only || hostcalls::buffer_size(*id, BufferType::PLUGIN_CONFIGURATION).is_ok())?;
        Some(call(plugin, &PluginContext::new(id)))
    }
}
