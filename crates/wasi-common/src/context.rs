//! Plugins and stream contexts of one instance, by the ids under which the guest knows them.

use crate::limits::Limits;
use crate::permissions::Permissions;
use crate::policy::AbiPolicy;
use crate::property::{Declarations, PropertyStore};
use crate::stream::StreamKey;
use crate::{ContextType, Status};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The plugins and contexts of one instance.
///
/// Plugins and streams take their ids from one counter; 0 is never an id, and an id that is in use is not given out again.
#[derive(Default)]
pub struct ContextTable {
    plugins: FxHashMap<u32, Plugin>,
    contexts: FxHashMap<u32, Context>,
    last: u32,
    /// No id above it was ever in use.
    highest: u32,
}

/// A plugin: code with one configuration. Several may live in one instance.
pub struct Plugin {
    /// What it is and may do.
    pub settings: Arc<PluginSettings>,
    /// Properties that were set outside of any stream.
    pub properties: PropertyStore,
    /// What it has declared of properties that it sets, here or on streams.
    pub declarations: Declarations,
    /// Whether the log has told that its property paths have dots.
    pub(crate) was_told_of_dots: bool,
    /// Whether it was asked to shut down and has not finished.
    pub shutting_down: bool,
    /// Its stream contexts.
    contexts: usize,
}

/// What does not change while a plugin lives.
#[derive(Debug, Clone)]
pub struct PluginSettings {
    /// Its name, for messages and as property `plugin_name`.
    pub name: String,
    /// The name under which its module registered it, as property `plugin_root_id`.
    pub root_id: String,
    /// The name of the state it shares with others, as property `plugin_vm_id`.
    pub vm_id: String,
    /// Its configuration.
    pub configuration: Bytes,
    /// The configuration of the instance, which only the older ABIs know.
    pub vm_configuration: Bytes,
    /// What it may make the host hold.
    pub limits: Limits,
    /// What it may reach by name.
    pub permissions: Permissions,
    /// Which of two meanings it expects where the generations of the ABI differ.
    pub policy: AbiPolicy,
}

/// A stream as one plugin sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The plugin it belongs to.
    pub plugin_id: u32,
    /// The stream.
    pub stream: StreamKey,
    /// The place of the plugin in the filter chain of the stream.
    pub filter: usize,
    /// What kind of stream.
    pub kind: ContextType,
    /// Whether the plugin has put the end of this context off.
    pub deferred: bool,
}

// === impl ContextTable ===

impl ContextTable {
    /// Adds a plugin and returns its id.
    pub fn add_plugin(&mut self, settings: Arc<PluginSettings>) -> u32 {
        let id = self.next_id();
        let plugin = Plugin {
            settings,
            properties: PropertyStore::default(),
            declarations: Declarations::default(),
            was_told_of_dots: false,
            shutting_down: false,
            contexts: 0,
        };
        self.plugins.insert(id, plugin);
        id
    }

    /// Takes a plugin away.
    pub fn remove_plugin(&mut self, plugin_id: u32) {
        self.plugins.remove(&plugin_id);
    }

    /// A plugin.
    pub fn plugin(&self, plugin_id: u32) -> Option<&Plugin> {
        self.plugins.get(&plugin_id)
    }

    /// A plugin, to change.
    pub fn plugin_mut(&mut self, plugin_id: u32) -> Option<&mut Plugin> {
        self.plugins.get_mut(&plugin_id)
    }

    /// Adds a stream context and returns its id.
    pub fn add_context(&mut self, context: Context) -> u32 {
        let id = self.next_id();
        if let Some(plugin) = self.plugins.get_mut(&context.plugin_id) {
            plugin.contexts += 1;
        }
        self.contexts.insert(id, context);
        id
    }

    /// Gives a context the id that its plugin chose.
    ///
    /// # Errors
    /// `bad_argument` where the new id is in use, or the old one is not.
    pub fn rename_context(&mut self, context_id: u32, new_id: u32) -> Result<(), Status> {
        if new_id == 0 || self.in_use(new_id) {
            return Err(Status::BadArgument);
        }
        let context = self.contexts.remove(&context_id).ok_or(Status::BadArgument)?;
        self.contexts.insert(new_id, context);
        self.highest = self.highest.max(new_id);
        Ok(())
    }

    /// Takes a stream context away.
    pub fn remove_context(&mut self, context_id: u32) {
        if let Some(context) = self.contexts.remove(&context_id)
            && let Some(plugin) = self.plugins.get_mut(&context.plugin_id)
        {
            plugin.contexts = plugin.contexts.saturating_sub(1);
        }
    }

    /// A stream context.
    pub fn context(&self, context_id: u32) -> Option<&Context> {
        self.contexts.get(&context_id)
    }

    /// A stream context, to change.
    pub fn context_mut(&mut self, context_id: u32) -> Option<&mut Context> {
        self.contexts.get_mut(&context_id)
    }

    /// The number of stream contexts.
    pub fn contexts_len(&self) -> usize {
        self.contexts.len()
    }

    /// The number of stream contexts of a plugin.
    pub fn contexts_of(&self, plugin_id: u32) -> usize {
        self.plugins.get(&plugin_id).map_or(0, |plugin| plugin.contexts)
    }

    fn in_use(&self, id: u32) -> bool {
        self.contexts.contains_key(&id) || self.plugins.contains_key(&id)
    }

    fn next_id(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if self.last > self.highest || !self.in_use(self.last) {
                self.highest = self.highest.max(self.last);
                return self.last;
            }
        }
    }
}

impl Context {
    /// A context of a stream that lives.
    pub fn new(plugin_id: u32, stream: StreamKey, filter: usize, kind: ContextType) -> Self {
        Self {
            plugin_id,
            stream,
            filter,
            kind,
            deferred: false,
        }
    }
}

impl PluginSettings {
    /// Settings of a plugin called `name`, with everything else as it is by default and no configuration.
    pub fn new(name: impl Into<String>, policy: AbiPolicy) -> Self {
        Self {
            name: name.into(),
            root_id: String::new(),
            vm_id: String::new(),
            configuration: Bytes::new(),
            vm_configuration: Bytes::new(),
            limits: Limits::default(),
            permissions: Permissions::default(),
            policy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::StreamTable;

    #[test]
    fn ids() {
        let mut streams = StreamTable::new();
        let mut table = ContextTable::default();
        let plugin_id = table.add_plugin(Arc::new(PluginSettings::new("p", AbiPolicy::COMPONENT)));
        assert_eq!(plugin_id, 1);
        let context = Context::new(plugin_id, streams.open(1), 0, ContextType::Http);
        let first = table.add_context(context);
        assert_eq!(first, 2);
        let refused = [(first, 0), (first, plugin_id), (first, first), (77, 78)];
        for (old, new) in refused {
            assert_eq!(
                table.rename_context(old, new),
                Err(Status::BadArgument),
                "{old} -> {new}"
            );
        }
        // An id that a guest chose is skipped by the counter.
        assert_eq!(table.rename_context(first, 3), Ok(()));
        assert_eq!(table.add_context(context), 4);
        table.last = u32::MAX;
        assert_eq!(
            table.add_context(context),
            2,
            "0 and what lives are skipped when ids wrap"
        );
        table.remove_context(3);
        assert_eq!(table.context(3), None);
        assert_eq!(table.contexts_len(), 2);
        assert_eq!(table.contexts_of(plugin_id), 2);
        assert_eq!(table.contexts_of(77), 0);
    }
}
