//! The semantics of wasi-ffi: calls of the embedder's functions, and what custom callbacks return.

use crate::call::{CallContext, PluginStates};
use crate::registry::FunctionRegistry;
use bytes::Bytes;
use std::sync::Arc;
use wasi_common::callout::CustomParameters;
use wasi_common::packed::packed_list_len;
use wasi_common::{Common, HandleTable, Status};

/// The calls of one instance.
#[derive(Debug, Default)]
pub struct Functions {
    registry: Arc<FunctionRegistry>,
    results: HandleTable<Vec<Bytes>>,
    kept_bytes: usize,
    states: PluginStates,
    /// What the custom callback that is running has set.
    callback_results: Vec<Bytes>,
}

// === impl Functions ===

impl Functions {
    /// Calls of the functions in `registry`.
    pub fn new(registry: Arc<FunctionRegistry>) -> Self {
        Self {
            registry,
            ..Self::default()
        }
    }

    /// The number of a function.
    ///
    /// # Errors
    /// `not_allowed` where the policy forbids the name, `not_found` where there is no such function, `invalid_operation` while no
    /// plugin is executing.
    pub fn resolve(&self, common: &Common, name: &[u8]) -> Result<u32, Status> {
        let settings = common.current_settings().ok_or(Status::InvalidOperation)?;
        if !settings.permissions.functions.allows(name) {
            return Err(Status::NotAllowed);
        }
        self.registry.number(name).ok_or(Status::NotFound)
    }

    /// Calls a function and keeps its results, until they are taken or the callback returns.
    ///
    /// # Errors
    /// `bad_argument` for an unknown function, `not_allowed` where the policy forbids it, `invalid_operation` while no plugin is
    /// executing; `unavailable` where the parameters are larger than the plugin's bound for arguments, where it has too many results
    /// that it did not take, or where these are larger than that bound. Otherwise what the function answered; see [`FunctionError::status`](crate::FunctionError::status).
    pub fn call(&mut self, common: &mut Common, number: u32, parameters: &[&[u8]]) -> Result<u32, Status> {
        let settings = Arc::clone(common.current_settings().ok_or(Status::InvalidOperation)?);
        let registered = self.registry.get(number).ok_or(Status::BadArgument)?;
        if !settings.permissions.functions.allows(registered.name.as_bytes()) {
            return Err(Status::NotAllowed);
        }
        let (plugin_id, limits) = (common.scope.plugin_id, settings.limits);
        self.results.check_room(plugin_id, limits.handles)?;
        // Many regions may be the same memory, so all together can be far more than a plugin has.
        if packed_list_len(parameters.iter().copied()) > limits.argument_bytes {
            return Err(Status::Unavailable);
        }
        let mut context = CallContext {
            plugin: &settings,
            context_id: common.scope.context_id,
            callback: common.scope.callback,
            plugin_id,
            common,
            states: &mut self.states,
        };
        let results = (registered.function)(&mut context, parameters).map_err(|error| {
            tracing::debug!(
                plugin = settings.name,
                function = registered.name,
                "a function that a plugin called answers: {error}"
            );
            error.status()
        })?;
        let bytes = self.kept_bytes.saturating_add(size(&results));
        if bytes > limits.argument_bytes {
            return Err(Status::Unavailable);
        }
        let id = self.results.insert(plugin_id, limits.handles, results)?;
        self.kept_bytes = bytes;
        Ok(id)
    }

    /// The results of a call.
    ///
    /// # Errors
    /// `bad_argument` for unknown results, or such that were taken already; `not_allowed` for another plugin's.
    pub fn results(&self, common: &Common, id: u32) -> Result<&[Bytes], Status> {
        self.results.get(common.scope.plugin_id, id).map(Vec::as_slice)
    }

    /// Takes the results of a call, whose id is unknown from then on.
    ///
    /// # Errors
    /// As [`Functions::results`].
    pub fn take_results(&mut self, common: &Common, id: u32) -> Result<Vec<Bytes>, Status> {
        let results = self.results.remove(common.scope.plugin_id, id)?;
        self.kept_bytes = self.kept_bytes.saturating_sub(size(&results));
        Ok(results)
    }

    /// Forgets the results that were not taken. To be called whenever a callback has returned; nearly always there are none.
    #[inline]
    pub fn callback_returned(&mut self) {
        if !self.results.is_empty() {
            self.forget_results(None);
        }
    }

    /// A custom callback begins: its parameters can be read as buffer `custom_parameters`, in the form that the codec gave them.
    pub fn begin_callback(&mut self, common: &mut Common, parameters: CustomParameters) {
        common.custom_parameters = Some(parameters);
        self.callback_results.clear();
    }

    /// Sets the results of the custom callback that is running, in place of earlier ones.
    ///
    /// # Errors
    /// `bad_argument` where the callback is not running, `unavailable` where the results are larger than the plugin's bound for
    /// arguments.
    pub fn set_callback_results(
        &mut self,
        common: &Common,
        callback_id: u32,
        results: &[&[u8]],
    ) -> Result<(), Status> {
        let plugin_id = common.scope.plugin_id;
        let running = common.custom_parameters.as_ref();
        if running.map(|running| (running.plugin_id, running.callback_id)) != Some((plugin_id, callback_id)) {
            return Err(Status::BadArgument);
        }
        let settings = common.current_settings().ok_or(Status::BadArgument)?;
        if packed_list_len(results.iter().copied()) > settings.limits.argument_bytes {
            return Err(Status::Unavailable);
        }
        self.callback_results = results
            .iter()
            .map(|result| Bytes::copy_from_slice(result))
            .collect();
        Ok(())
    }

    /// The custom callback has ended. Returns what it has set.
    pub fn end_callback(&mut self, common: &mut Common) -> Vec<Bytes> {
        common.custom_parameters = None;
        std::mem::take(&mut self.callback_results)
    }

    /// Drops what belongs to a plugin that goes.
    pub fn remove_plugin(&mut self, plugin_id: u32) {
        self.forget_results(Some(plugin_id));
        self.states.remove_plugin(plugin_id);
    }

    fn forget_results(&mut self, of_plugin: Option<u32>) {
        let all = self.results.iter().map(|(_, owner, _)| owner);
        let owners: Vec<u32> = all
            .filter(|owner| of_plugin.is_none_or(|of| of == *owner))
            .collect();
        for owner in owners {
            for results in self.results.remove_plugin(owner) {
                self.kept_bytes = self.kept_bytes.saturating_sub(size(&results));
            }
        }
    }
}

/// What results count for: their bytes, and those of their lengths, so that many empty ones count too.
fn size(results: &[Bytes]) -> usize {
    packed_list_len(results.iter().map(|result| &result[..]))
}

#[cfg(test)]
mod tests;
