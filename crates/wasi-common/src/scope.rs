//! Which plugin, context and callback is executing.

/// What the host entered the guest for. A guest is entered for one callback at a time, so there is one scope for each instance.
///
/// The component ABI needs it to know whose hostcall it is; only the older ABIs also read the context from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallScope {
    /// The plugin whose callback is executing; 0 outside of any callback, for instance while the guest initialises itself.
    pub plugin_id: u32,
    /// The context the callback is for; the plugin's own id where it is for no stream.
    pub context_id: u32,
    /// The callback, for messages.
    pub callback: &'static str,
}

// === impl CallScope ===

impl CallScope {
    /// The scope of a callback.
    pub fn new(plugin_id: u32, context_id: u32, callback: &'static str) -> Self {
        Self {
            plugin_id,
            context_id,
            callback,
        }
    }
}
