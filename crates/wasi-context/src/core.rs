//! The semantics of wasi-context: who may end what, and when.

use wasi_common::{Common, Status};

/// The state of wasi-context in one instance.
#[derive(Debug, Default)]
pub struct Lifecycle {
    effects: Vec<Effect>,
}

/// What the host has to carry out after the callback has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A plugin that had put off its shutdown has finished.
    PluginShutDown {
        /// The plugin.
        plugin_id: u32,
    },
    /// A stream context whose plugin had put off its end has finished. Only the older ABIs can do that.
    ContextFinished {
        /// The context.
        context_id: u32,
    },
}

// === impl Lifecycle ===

impl Lifecycle {
    /// The plugin that is executing has finished the shutdown that it had put off.
    ///
    /// # Errors
    /// `bad_argument` for an id that is no plugin's, `not_allowed` for another plugin's, `invalid_operation` where no shutdown is
    /// pending.
    pub fn plugin_shutdown(&mut self, common: &mut Common, plugin_id: u32) -> Result<(), Status> {
        if common.contexts.context(plugin_id).is_some() {
            return Err(Status::BadArgument);
        }
        common.own_plugin(plugin_id)?;
        match common.contexts.plugin_mut(plugin_id) {
            Some(plugin) if plugin.shutting_down => plugin.shutting_down = false,
            _ => return Err(Status::InvalidOperation),
        }
        self.effects.push(Effect::PluginShutDown { plugin_id });
        Ok(())
    }

    /// A stream context whose end was put off has finished.
    ///
    /// # Errors
    /// `bad_argument` and `not_allowed` for the id, `invalid_operation` where nothing was put off.
    pub fn context_finished(&mut self, common: &mut Common, context_id: u32) -> Result<(), Status> {
        common.own_context(context_id)?;
        match common.contexts.context_mut(context_id) {
            Some(context) if context.deferred => context.deferred = false,
            _ => return Err(Status::InvalidOperation),
        }
        self.effects.push(Effect::ContextFinished { context_id });
        Ok(())
    }

    /// Whether there is anything to carry out.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes what has to be carried out, in the order in which it was asked for.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use wasi_common::{AbiPolicy, CallScope, Context, ContextType, PluginSettings};

    #[test]
    fn shutdown() {
        let mut common = Common::default();
        let settings = Arc::new(PluginSettings::new("p", AbiPolicy::COMPONENT));
        let mine = common.contexts.add_plugin(Arc::clone(&settings));
        let other = common.contexts.add_plugin(settings);
        let stream = common.streams.open(1);
        let context = common
            .contexts
            .add_context(Context::new(mine, stream, 0, ContextType::Http));
        common.scope = CallScope::new(mine, mine, "test");
        let mut lifecycle = Lifecycle::default();
        let table = [
            (mine, Err(Status::InvalidOperation)),
            (other, Err(Status::NotAllowed)),
            (context, Err(Status::BadArgument)),
            (99, Err(Status::BadArgument)),
        ];
        for (id, expected) in table {
            assert_eq!(lifecycle.plugin_shutdown(&mut common, id), expected, "{id}");
        }
        assert_eq!(
            lifecycle.context_finished(&mut common, context),
            Err(Status::InvalidOperation)
        );
        assert_eq!(lifecycle.take_effects(), [], "what failed has no effect");

        common.contexts.plugin_mut(mine).unwrap().shutting_down = true;
        assert_eq!(lifecycle.plugin_shutdown(&mut common, mine), Ok(()));
        assert_eq!(
            lifecycle.plugin_shutdown(&mut common, mine),
            Err(Status::InvalidOperation),
            "once"
        );
        common.contexts.context_mut(context).unwrap().deferred = true;
        assert_eq!(lifecycle.context_finished(&mut common, context), Ok(()));
        let expected = [
            Effect::PluginShutDown { plugin_id: mine },
            Effect::ContextFinished { context_id: context },
        ];
        assert_eq!(lifecycle.take_effects(), expected);
    }
}
