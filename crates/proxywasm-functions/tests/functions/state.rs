//! `set_envoy_filter_state`, `declare_property`, `clear_route_cache`.

use crate::support::World;
use prost::Message;
use proxywasm_functions::messages::{
    DeclarePropertyArguments, LifeSpan, SetEnvoyFilterStateArguments, WasmType,
};
use wasi_common::Status;

fn set_state(world: &mut World, path: &str, value: &str) -> Result<Vec<u8>, Status> {
    let arguments = SetEnvoyFilterStateArguments {
        path: path.to_owned(),
        value: value.to_owned(),
        span: LifeSpan::DownstreamRequest.into(),
    };
    world.call("set_envoy_filter_state", &arguments.encode_to_vec())
}

fn declare(world: &mut World, name: &str, readonly: bool, kind: WasmType) -> Result<Vec<u8>, Status> {
    let arguments = DeclarePropertyArguments {
        name: name.to_owned(),
        readonly,
        r#type: kind.into(),
        ..Default::default()
    };
    world.call("declare_property", &arguments.encode_to_vec())
}

#[test]
fn filter_state() {
    let mut world = World::with(|settings| settings.limits.property_bytes = 100);
    assert_eq!(
        set_state(&mut world, "envoy.tcp_proxy.cluster", "blue"),
        Ok(vec![])
    );
    world.set_property("mine", "1").unwrap();
    let table = [
        ("filter_state\0envoy.tcp_proxy.cluster", Ok(b"blue".to_vec())),
        ("filter_state\0wasm.mine", Ok(b"1".to_vec())),
        ("filter_state\0other", Err(Status::NotFound)),
        ("envoy.tcp_proxy.cluster", Err(Status::NotFound)),
    ];
    for plugin in [0, 1] {
        world.enter(plugin);
        for (path, expected) in &table {
            assert_eq!(world.property(path), *expected, "{path:?} of plugin {plugin}");
        }
    }
    let all = world.property("filter_state").unwrap();
    assert!(
        all.starts_with(b"\x02\0\0\0") && all.ends_with(b"wasm.mine\x001\0"),
        "{all:?}"
    );
    assert_eq!(set_state(&mut world, "", "blue"), Err(Status::BadArgument));
    assert_eq!(
        set_state(&mut world, "long", &"x".repeat(100)),
        Err(Status::Unavailable)
    );
    assert_eq!(
        world.set_property("filter_state\0a", "b"),
        Err(Status::NotAllowed),
        "it belongs to the host"
    );
    world.enter_root(0);
    assert_eq!(world.property("filter_state\0wasm.mine"), Err(Status::NotFound));
    assert_eq!(set_state(&mut world, "own", "red"), Ok(vec![]));
    assert_eq!(world.property("filter_state\0own"), Ok(b"red".to_vec()));
}

#[test]
fn declared_properties() {
    let mut world = World::new();
    world.enter_root(0);
    assert_eq!(declare(&mut world, "once", true, WasmType::Bytes), Ok(vec![]));
    assert_eq!(declare(&mut world, "text", false, WasmType::String), Ok(vec![]));
    let refused = [
        ("once", Status::BadArgument),
        ("", Status::BadArgument),
        ("request", Status::NotAllowed),
        ("xds\0node", Status::NotAllowed),
    ];
    for (name, status) in refused {
        assert_eq!(
            declare(&mut world, name, false, WasmType::Bytes),
            Err(status),
            "{name:?}"
        );
    }
    world.enter(0);
    assert_eq!(world.set_property("once", "1"), Ok(()));
    assert_eq!(world.set_property("once", "2"), Err(Status::NotAllowed));
    assert_eq!(world.set_property("text", "1"), Ok(()));
    assert_eq!(world.set_property("text", "2"), Ok(()));
    world.enter(1);
    assert_eq!(world.property("once"), Ok(b"1".to_vec()));
    assert_eq!(
        world.set_property("once", "3"),
        Err(Status::NotAllowed),
        "whoever sets it"
    );
    assert_eq!(declare(&mut world, "once", false, WasmType::Bytes), Ok(vec![]));
    #[cfg(feature = "expressions")]
    {
        // Text is text for expressions, and else only bytes.
        assert_eq!(world.evaluate("text + '!'").unwrap(), b"2!");
        assert_eq!(world.evaluate("once + b'!'").unwrap(), b"1!");
        assert_eq!(world.evaluate("once + '!'"), Err(Status::InternalFailure));
    }
}

#[test]
fn route_cache() {
    assert_eq!(World::new().call("clear_route_cache", b""), Ok(vec![]));
}
