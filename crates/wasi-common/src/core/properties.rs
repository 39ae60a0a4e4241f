//! Properties, by explicit context id.

use super::Common;
use crate::context::Context;
use crate::property::{
    Declaration, PropertyPath, PropertyStore, PropertyValue, UNDER_XDS, XDS, canonical, is_well_known,
    members, message_property,
};
use crate::{PluginSettings, Status};
use std::borrow::Cow;
use std::sync::Arc;

impl Common {
    /// The value of a property, as the bytes that plugins see.
    ///
    /// What belongs to the host has [two spellings](crate::property::XDS) in part. A first segment alone, as `request`, is all that
    /// is known below it.
    ///
    /// # Errors
    /// `bad_argument` for an unknown id, `not_allowed` for another plugin's, `not_found` where there is no such property.
    pub fn property(&mut self, id: u32, path: PropertyPath<'_>) -> Result<Cow<'_, [u8]>, Status> {
        let path = canonical(path);
        let context = self.contexts.context(id).copied();
        let settings = Arc::clone(&self.own_plugin(id)?.settings);
        if let Some(value) = self.known_value(&settings, context, path) {
            return Ok(Cow::Owned(value.into_bytes()));
        }
        if self.stores(id, context).all(|store| store.get(path).is_none()) {
            let value = self.all_below(id, context, path);
            return value.map(|value| Cow::Owned(value.into_bytes()));
        }
        let set = self.stores(id, context).find_map(|store| store.get(path));
        set.map(Cow::Borrowed).ok_or(Status::NotFound)
    }

    /// The value of a property, with its type.
    ///
    /// # Errors
    /// As [`Common::property`].
    pub fn property_value(&mut self, id: u32, path: PropertyPath<'_>) -> Result<PropertyValue, Status> {
        let path = canonical(path);
        let context = self.contexts.context(id).copied();
        let settings = Arc::clone(&self.own_plugin(id)?.settings);
        if let Some(value) = self.known_value(&settings, context, path) {
            return Ok(value);
        }
        let set = self.stores(id, context).find_map(|store| store.value(path));
        set.map_or_else(|| self.all_below(id, context, path), Ok)
    }

    /// Sets a property: on the stream, for all its plugins to see, or with a plugin's id on the plugin.
    ///
    /// # Errors
    /// As [`Common::property`]; also `bad_argument` for an empty path, `not_allowed` for one that belongs to the host, and for one that
    /// was declared to be read-only and is set; `unavailable` beyond the plugin's bound.
    pub fn set_property(&mut self, id: u32, path: PropertyPath<'_>, value: &[u8]) -> Result<(), Status> {
        let plugin = self.own_plugin(id)?;
        let (limit, declaration) = (
            plugin.settings.limits.property_bytes,
            plugin.declarations.get(path),
        );
        check_settable(path)?;
        self.store_mut(id)?.set(path, value, declaration, limit)
    }

    /// Declares a property that the plugin which is executing is going to set.
    ///
    /// # Errors
    /// `invalid_operation` while no plugin is executing, `bad_argument` for an empty path and for what was declared already,
    /// `not_allowed` for what belongs to the host, `unavailable` where the plugin has declared as many as it may have handles.
    pub fn declare_property(
        &mut self,
        path: PropertyPath<'_>,
        declaration: Declaration,
    ) -> Result<(), Status> {
        check_settable(path)?;
        let plugin_id = self.scope.plugin_id;
        let plugin = self
            .contexts
            .plugin_mut(plugin_id)
            .ok_or(Status::InvalidOperation)?;
        let limit = plugin.settings.limits.handles;
        plugin.declarations.add(path, declaration, limit)
    }

    /// Sets the state of a filter by its name: what the property `filter_state` and the name is.
    ///
    /// # Errors
    /// As [`Common::set_property`].
    pub fn set_filter_state(&mut self, id: u32, name: &[u8], value: &[u8]) -> Result<(), Status> {
        let limit = self.own_plugin(id)?.settings.limits.property_bytes;
        if name.is_empty() {
            return Err(Status::BadArgument);
        }
        self.store_mut(id)?.set_filter_state(name, value, limit)
    }

    /// What is known below a first segment that belongs to the host.
    fn all_below(
        &mut self,
        id: u32,
        context: Option<Context>,
        path: PropertyPath<'_>,
    ) -> Result<PropertyValue, Status> {
        let settings = Arc::clone(&self.own_plugin(id)?.settings);
        let (root, None) = path.split_first() else {
            return Err(Status::NotFound);
        };
        let found = match root {
            XDS => {
                let mut found = Vec::new();
                for root in UNDER_XDS {
                    let value = self.known_value(&settings, context, PropertyPath::new(root));
                    let members = self.members(&settings, context, root);
                    let value =
                        value.or_else(|| (!members.is_empty()).then_some(PropertyValue::Struct(members)));
                    found.extend(value.map(|value| (root.to_vec(), value)));
                }
                found
            }
            root => self.members(&settings, context, root),
        };
        if !found.is_empty() {
            return Ok(PropertyValue::Struct(found));
        }
        // All the state of filters, which is what plugins have set.
        let set = self.stores(id, context).find_map(|store| store.value(path));
        set.ok_or_else(|| {
            self.hint_at_dots(path);
            Status::NotFound
        })
    }

    /// What is known below a first segment, each with its name.
    fn members(
        &mut self,
        settings: &PluginSettings,
        context: Option<Context>,
        root: &[u8],
    ) -> Vec<(Vec<u8>, PropertyValue)> {
        let known = |name: &str| {
            let path = [root, name.as_bytes()].join(&0);
            let value = self.known_value(settings, context, PropertyPath::new(&path))?;
            Some((name.as_bytes().to_vec(), value))
        };
        members(root).filter_map(known).collect()
    }

    /// The value at one path.
    fn known_value(
        &mut self,
        settings: &PluginSettings,
        context: Option<Context>,
        path: PropertyPath<'_>,
    ) -> Option<PropertyValue> {
        let own = match path.as_bytes() {
            b"plugin_name" => Some(&settings.name),
            b"plugin_root_id" => Some(&settings.root_id),
            b"plugin_vm_id" => Some(&settings.vm_id),
            _ => None,
        };
        if let Some(text) = own {
            return Some(text.clone().into());
        }
        let of_stream = context.and_then(|context| {
            let stream = self.streams.get_mut(context.stream)?;
            message_property(stream, path).or_else(|| stream.source.as_ref()?.property(path))
        });
        of_stream.or_else(|| self.process_properties.as_ref()?.property(path))
    }

    /// Where properties that plugins have set may be: on the stream, or else on the plugin.
    fn stores(&self, id: u32, context: Option<Context>) -> impl Iterator<Item = &PropertyStore> {
        let stream = context.and_then(|context| self.streams.get(context.stream));
        let plugin = self.own_plugin(id).ok();
        let stores = [
            stream.map(|stream| &stream.properties),
            plugin.map(|plugin| &plugin.properties),
        ];
        stores.into_iter().flatten()
    }

    fn store_mut(&mut self, id: u32) -> Result<&mut PropertyStore, Status> {
        let store = match self.contexts.context(id).copied() {
            Some(context) => self
                .streams
                .get_mut(context.stream)
                .map(|stream| &mut stream.properties),
            None => self.contexts.plugin_mut(id).map(|plugin| &mut plugin.properties),
        };
        store.ok_or(Status::BadArgument)
    }

    /// Tells, once for each plugin, that a path is no text with dots.
    #[cold]
    fn hint_at_dots(&mut self, path: PropertyPath<'_>) {
        let looks_dotted = |(root, _): (&str, &str)| is_well_known(root.as_bytes());
        let text = std::str::from_utf8(path.as_bytes()).unwrap_or_default();
        if path.split_first().1.is_some() || !text.split_once('.').is_some_and(looks_dotted) {
            return;
        }
        let Some(plugin) = self.contexts.plugin_mut(self.scope.plugin_id) else {
            return;
        };
        if !std::mem::replace(&mut plugin.was_told_of_dots, true) {
            tracing::warn!(
                plugin = plugin.settings.name,
                "the plugin asks for the property `{text}`, a path of one segment; segments are joined by NUL bytes, not by dots"
            );
        }
    }
}

/// Whether plugins can set a property of this path.
fn check_settable(path: PropertyPath<'_>) -> Result<(), Status> {
    match path.split_first().0 {
        _ if path.as_bytes().is_empty() => Err(Status::BadArgument),
        root if is_well_known(root) => Err(Status::NotAllowed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::PropertySource;
    use crate::{AbiPolicy, CallScope, ContextType};

    /// Knows what it was made with.
    struct Known(&'static [(&'static str, &'static str)]);

    impl PropertySource for Known {
        fn property(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
            let found = self
                .0
                .iter()
                .find(|(known, _)| known.as_bytes() == path.as_bytes());
            found.map(|(_, value)| PropertyValue::from(*value))
        }
    }

    fn members(members: &[(&str, PropertyValue)]) -> PropertyValue {
        let member = |(name, value): &(&str, PropertyValue)| (name.as_bytes().to_vec(), value.clone());
        PropertyValue::Struct(members.iter().map(member).collect())
    }

    #[test]
    fn spellings_members_and_lifetimes() {
        let mut common = Common::default();
        let plugin_id = common
            .contexts
            .add_plugin(Arc::new(PluginSettings::new("p", AbiPolicy::LEGACY)));
        let stream = common.streams.open(1);
        let context = Context::new(plugin_id, stream, 0, ContextType::Http);
        let context_id = common.contexts.add_context(context);
        common.scope = CallScope::new(plugin_id, context_id, "on_http_request_headers");
        common.process_properties = Some(Arc::new(Known(&[("node\0id", "n")])));
        common.streams.get_mut(stream).unwrap().source = Some(Box::new(Known(&[
            ("source\0address", "a"),
            ("source\0port", "p"),
            ("route_name", "r"),
        ])));
        let node = || members(&[("id", "n".into())]);
        // The path; what it is for the stream; whether the plugin has it without a stream.
        let table = [
            ("node\0id", Some("n".into()), true),
            ("xds\0node\0id\0", Some("n".into()), true),
            ("node", Some(node()), true),
            ("xds\0node", Some(node()), true),
            ("route_name", Some("r".into()), false),
            ("xds\0route_name", Some("r".into()), false),
            ("xds\0source\0port", None, false),
            ("source\0port", Some("p".into()), false),
            (
                "source",
                Some(members(&[("address", "a".into()), ("port", "p".into())])),
                false,
            ),
            (
                "xds",
                Some(members(&[("node", node()), ("route_name", "r".into())])),
                false,
            ),
            ("request", None, false),
            ("source.port", None, false),
            ("", None, false),
        ];
        for (path, expected, without_stream) in table {
            let path = PropertyPath::new(path.as_bytes());
            let expected = expected.ok_or(Status::NotFound);
            let typed = common.property_value(context_id, path);
            assert_eq!(typed, expected, "{path:?}");
            let bytes = common.property(context_id, path).map(|bytes| bytes.into_owned());
            assert_eq!(bytes, expected.map(PropertyValue::into_bytes), "{path:?}");
            if path.as_bytes() != b"xds" {
                let without = common.property(plugin_id, path);
                assert_eq!(without.is_ok(), without_stream, "{path:?}");
            }
        }
        assert!(common.contexts.plugin(plugin_id).unwrap().was_told_of_dots);
        for id in [context_id, plugin_id] {
            let mine = PropertyPath::new(b"mine\0deep");
            assert_eq!(common.set_property(id, mine, b"1"), Ok(()));
            assert_eq!(common.property(id, mine).unwrap(), &b"1"[..]);
        }
        common.streams.close(stream);
        let mine = PropertyPath::new(b"mine\0deep");
        assert!(common.property(plugin_id, mine).is_ok(), "it is the plugin's");
    }
}
