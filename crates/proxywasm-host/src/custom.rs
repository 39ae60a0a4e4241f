//! Custom callbacks: calls of the embedder into its plugins.

use crate::callback::Callback;
use crate::config::InstanceStrategy;
use crate::host::Host;
use crate::plugin::Plugin;
use bytes::Bytes;
use thiserror::Error;
use wasi_ffi::CallbackError;

/// Why a custom callback brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CustomCallbackError {
    /// The plugin has an instance for each stream, and none that could be called beside them.
    #[error(
        "the plugin has an instance for each stream; custom callbacks need one that is shared (`InstanceStrategy::Shared`)"
    )]
    NoSharedInstance,
    /// No instance can be had now.
    #[error(
        "the plugin does not run: its instance failed and is not to be started again yet, or its start failed; see the log"
    )]
    NotRunning,
    /// The plugin failed in the callback.
    #[error("the plugin failed in the custom callback; see the log")]
    Failed,
    /// The plugin has no such callback, or refused.
    #[error(transparent)]
    Refused(#[from] CallbackError),
}

impl Host {
    /// Calls a plugin in this worker's instance, which is started if need be. The number of the callback is agreed between the embedder and
    /// the plugin; the results are what the plugin has set. Plugins of the older ABIs get the parameters as one and have no results.
    ///
    /// What the plugin asks for meanwhile has happened when this returns: ask [`Host::next_ready`] as after any call.
    ///
    /// # Errors
    /// There is no instance to call, the plugin refused, or it failed, which also gives the streams of its instance their
    /// [`FailurePolicy`](crate::FailurePolicy).
    pub fn custom_callback(
        &mut self,
        plugin: &Plugin,
        callback_id: u32,
        parameters: &[&[u8]],
    ) -> Result<Vec<Bytes>, CustomCallbackError> {
        if plugin.config().instances != InstanceStrategy::Shared {
            return Err(CustomCallbackError::NoSharedInstance);
        }
        let running = self.running(plugin).ok_or(CustomCallbackError::NotRunning)?;
        let plugin_id = running.root.plugin_id;
        let called = self.call_plugin(
            (running.vm, running.generation),
            plugin_id,
            Callback::CustomCallback,
            |callbacks, store| {
                callbacks
                    .ffi
                    .on_custom_callback(store, plugin_id, callback_id, parameters)
            },
        );
        self.run();
        match called {
            Some(answer) => Ok(answer?),
            None => Err(CustomCallbackError::Failed),
        }
    }
}
