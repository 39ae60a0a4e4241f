//! What a function of the embedder sees of its caller.

use rustc_hash::FxHashMap;
use std::any::{Any, TypeId};
use std::fmt;
use wasi_common::{Common, Declaration, PluginSettings, PropertyPath, PropertyValue, Status};

/// Who calls a function, and what of the caller it can read and change.
///
/// All of it goes by the context whose callback is running, which with the older ABIs is the effective one: the same for both
/// generations.
pub struct CallContext<'a> {
    /// The plugin that calls: its name, configuration and what it may do.
    pub plugin: &'a PluginSettings,
    /// The context whose callback is running; the plugin's own id where it is for no stream.
    pub context_id: u32,
    /// The callback that is running.
    pub callback: &'static str,
    pub(crate) plugin_id: u32,
    pub(crate) common: &'a mut Common,
    pub(crate) states: &'a mut PluginStates,
}

/// What functions keep for the plugins of an instance: one value of a type for each plugin.
#[derive(Default)]
pub(crate) struct PluginStates(FxHashMap<(u32, TypeId), Box<dyn Any + Send>>);

// === impl CallContext ===

impl CallContext<'_> {
    /// The value of a property, with its type.
    ///
    /// # Errors
    /// `not_found` where there is none.
    pub fn property(&mut self, path: PropertyPath<'_>) -> Result<PropertyValue, Status> {
        self.common.property_value(self.context_id, path)
    }

    /// Sets a property, as the plugin itself could.
    ///
    /// # Errors
    /// As [`Common::set_property`].
    pub fn set_property(&mut self, path: PropertyPath<'_>, value: &[u8]) -> Result<(), Status> {
        self.common.set_property(self.context_id, path, value)
    }

    /// Declares a property that the plugin is going to set.
    ///
    /// # Errors
    /// As [`Common::declare_property`].
    pub fn declare_property(
        &mut self,
        path: PropertyPath<'_>,
        declaration: Declaration,
    ) -> Result<(), Status> {
        self.common.declare_property(path, declaration)
    }

    /// Sets the state of a filter by its name, which plugins cannot as a property.
    ///
    /// # Errors
    /// As [`Common::set_filter_state`].
    pub fn set_filter_state(&mut self, name: &[u8], value: &[u8]) -> Result<(), Status> {
        self.common.set_filter_state(self.context_id, name, value)
    }

    /// Whether the call is for a stream.
    pub fn is_of_stream(&self) -> bool {
        self.context_id != self.plugin_id
    }

    /// What functions keep for the plugin: the value of type `T`, made when it is first asked for. It is dropped with the plugin, and
    /// each instance has its own.
    pub fn state<T: Default + Send + 'static>(&mut self) -> &mut T {
        self.states.get(self.plugin_id)
    }
}

impl fmt::Debug for CallContext<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CallContext")
            .field("plugin", &self.plugin.name)
            .field("context_id", &self.context_id)
            .field("callback", &self.callback)
            .finish_non_exhaustive()
    }
}

// === impl PluginStates ===

impl PluginStates {
    /// Forgets a plugin that goes.
    pub(crate) fn remove_plugin(&mut self, plugin_id: u32) {
        self.0.retain(|(owner, _), _| *owner != plugin_id);
    }

    #[expect(
        clippy::expect_used,
        reason = "the entry was made for the type by which it is found, whatever a plugin does"
    )]
    fn get<T: Default + Send + 'static>(&mut self, plugin_id: u32) -> &mut T {
        let key = (plugin_id, TypeId::of::<T>());
        let state = self.0.entry(key).or_insert_with(|| Box::new(T::default()));
        state.downcast_mut().expect("a value is found by its type")
    }
}

impl fmt::Debug for PluginStates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("PluginStates")
            .field(&self.0.len())
            .finish()
    }
}
