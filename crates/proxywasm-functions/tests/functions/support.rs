//! Plugins that call functions, without a guest.

use std::sync::Arc;
use wasi_common::{
    AbiPolicy, CallScope, Common, Context, ContextType, Direction, Piece, PluginSettings, PropertyPath,
    Status,
};
use wasi_ffi::{FunctionRegistry, Functions};

/// Two plugins of one instance, with a stream that has come as far as its response head. The first one is executing, for the stream.
pub(crate) struct World {
    pub(crate) common: Common,
    pub(crate) functions: Functions,
    /// By plugin: its id, and that of its context.
    pub(crate) ids: [(u32, u32); 2],
}

/// A stream's request and response.
const REQUEST: [(&str, &str); 6] = [
    (":method", "GET"),
    (":path", "/cart/7?full=1"),
    (":authority", "shop.test"),
    ("user-agent", "test/1.0"),
    ("x-many", "a"),
    ("x-many", "b"),
];
const RESPONSE: [(&str, &str); 3] = [(":status", "404"), ("content-length", "12"), ("x-up", "1")];

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With settings of both plugins changed.
    pub(crate) fn with(change: impl Fn(&mut PluginSettings)) -> Self {
        let mut registry = FunctionRegistry::new();
        proxywasm_functions::register_all(&mut registry).unwrap();
        let mut common = Common::default();
        let stream = common.streams.open(2);
        let slots = common.streams.get_mut(stream).unwrap();
        let mut put = |direction, pairs: &[(&str, &str)]| {
            let map = pairs.iter().copied().collect();
            slots.map(direction, Piece::Headers).put_map(map);
        };
        put(Direction::Request, &REQUEST);
        put(Direction::Response, &RESPONSE);
        let ids = [0, 1].map(|filter| {
            let mut settings = PluginSettings::new(format!("p{filter}"), AbiPolicy::LEGACY);
            change(&mut settings);
            let plugin_id = common.contexts.add_plugin(Arc::new(settings));
            let context = Context::new(plugin_id, stream, filter, ContextType::Http);
            (plugin_id, common.contexts.add_context(context))
        });
        let mut world = Self {
            common,
            functions: Functions::new(Arc::new(registry)),
            ids,
        };
        world.enter(0);
        world
    }

    /// A plugin is executing, for the stream.
    pub(crate) fn enter(&mut self, plugin: usize) {
        let (plugin_id, context_id) = self.ids[plugin];
        self.common.scope = CallScope::new(plugin_id, context_id, "proxy_on_request_headers");
    }

    /// A plugin is executing, for no stream.
    pub(crate) fn enter_root(&mut self, plugin: usize) {
        let (plugin_id, _) = self.ids[plugin];
        self.common.scope = CallScope::new(plugin_id, plugin_id, "proxy_on_tick");
    }

    pub(crate) fn call(&mut self, name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
        let number = self.functions.resolve(&self.common, name.as_bytes())?;
        let id = self.functions.call(&mut self.common, number, &[argument])?;
        let results = self.functions.take_results(&self.common, id)?;
        Ok(results.concat())
    }

    /// A property, as the plugin that is executing reads it.
    pub(crate) fn property(&mut self, path: &str) -> Result<Vec<u8>, Status> {
        let id = self.common.scope.context_id;
        let path = PropertyPath::new(path.as_bytes());
        self.common.property(id, path).map(|value| value.into_owned())
    }

    pub(crate) fn set_property(&mut self, path: &str, value: &str) -> Result<(), Status> {
        let id = self.common.scope.context_id;
        let path = PropertyPath::new(path.as_bytes());
        self.common.set_property(id, path, value.as_bytes())
    }

    /// Creates an expression, evaluates it, deletes it.
    #[cfg(feature = "expressions")]
    pub(crate) fn evaluate(&mut self, source: &str) -> Result<Vec<u8>, Status> {
        let number = self.call("expr_create", source.as_bytes())?;
        let value = self.call("expr_evaluate", &number);
        self.call("expr_delete", &number)?;
        value
    }
}

#[cfg(any(feature = "compression", feature = "signatures"))]
/// Bytes of pairs of hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn names_and_arguments() {
    let mut world = World::new();
    let names: Vec<_> = proxywasm_functions::ALL.iter().map(|(name, _)| *name).collect();
    let optional = [
        (cfg!(feature = "compression"), 2),
        (cfg!(feature = "signatures"), 2),
        (cfg!(feature = "expressions"), 3),
    ];
    let optional = optional.iter().filter(|(is_on, _)| *is_on);
    assert_eq!(names.len(), 3 + optional.map(|(_, count)| count).sum::<usize>());
    for name in names {
        let number = world.functions.resolve(&world.common, name.as_bytes()).unwrap();
        for parameters in [&[][..], &[&b""[..], b""]] {
            let called = world.functions.call(&mut world.common, number, parameters);
            let expected = match name {
                "clear_route_cache" => Ok(()),
                _ => Err(Status::BadArgument),
            };
            assert_eq!(called.map(|_| ()), expected, "{name} {}", parameters.len());
        }
    }
    assert_eq!(world.call("resolve_lua", b""), Err(Status::NotFound));
    let mut registry = FunctionRegistry::new();
    registry
        .register("clear_route_cache", proxywasm_functions::clear_route_cache)
        .unwrap();
    assert!(proxywasm_functions::register_all(&mut registry).is_err());
}
