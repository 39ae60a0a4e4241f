//! The hostcalls that only ABI 0.1.0 and the first host of MOSN have.

use crate::support::{Guest, RETURN, passing_on, settings};
use wasi_common::PluginSettings;
use wasi_context::{ConfigurationSizes, LifecycleCallbacks};
use wasmtime::AsContextMut;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

/// While the plugin is configured it reads its own configuration, at any other time that of the instance.
#[test]
fn configuration() {
    let tries = ["context_create", "vm_start", "configure", "log"].map(|callback| {
        let (parameters, result) = match callback {
            "context_create" => ("i32 i32", ""),
            "vm_start" | "configure" => ("i32 i32", "(result i32)"),
            _ => ("i32", ""),
        };
        let number = if result.is_empty() { "" } else { "(i32.const 1)" };
        format!(
            r#"(func (export "proxy_on_{callback}") (param {parameters}) {result}
                (global.set $status (call $proxy_get_configuration (i32.const 16) (i32.const 20))) {number})"#
        )
    });
    let table = [
        ("context_create", "vm"),
        ("vm_start", "vm"),
        ("configure", "configuration"),
        ("log", "vm"),
    ];
    for (callback, expected) in table {
        // Only the callback in question reads.
        let own = format!("proxy_on_{callback}\"");
        let items = tries.iter().find(|text| text.contains(&own)).unwrap();
        let status = r#"(global $status (export "status") (mut i32) (i32.const -1))"#;
        let mut guest = Guest::from_wat(&passing_on(&format!("{status} {items}")));
        let (plugin_id, context_id) = (guest.plugin_id, guest.context_id);
        let sizes = ConfigurationSizes { vm: 2, plugin: 13 };
        let callbacks = &guest.callbacks;
        callbacks
            .start_plugin(guest.store.as_context_mut(), plugin_id, sizes)
            .unwrap();
        callbacks
            .finish_context(guest.store.as_context_mut(), context_id)
            .unwrap();
        assert_eq!(guest.global("status"), OK, "{callback}");
        assert_eq!(guest.returned(), expected.as_bytes(), "{callback}");
    }

    // Nothing is no address.
    let none = PluginSettings {
        vm_configuration: Default::default(),
        ..settings("test")
    };
    let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), none);
    assert_eq!(guest.call("proxy_get_configuration", &RETURN), OK);
    assert_eq!(guest.returned(), b"");
}

#[test]
fn metrics_are_removed() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let [name, len] = guest.give("m");
    assert_eq!(guest.call("proxy_define_metric", &[1, name, len, RETURN[0]]), OK);
    let metric = guest.number(RETURN[0]);
    for other in [metric + 1, metric + 4, 0] {
        assert_eq!(guest.call("proxy_remove_metric", &[other]), NOT_FOUND, "{other}");
    }
    assert_eq!(guest.call("proxy_remove_metric", &[metric]), OK);
    assert_eq!(guest.call("proxy_remove_metric", &[metric]), NOT_FOUND);
    assert_eq!(guest.call("proxy_get_metric", &[metric, RETURN[0]]), NOT_FOUND);
}

#[test]
fn queues_are_removed() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let [name, len] = guest.give("q");
    assert_eq!(guest.call("proxy_remove_shared_queue", &[1]), NOT_FOUND);
    assert_eq!(
        guest.call("proxy_register_shared_queue", &[name, len, RETURN[0]]),
        OK
    );
    let queue = guest.number(RETURN[0]);
    assert_eq!(guest.call("proxy_remove_shared_queue", &[queue]), OK);
    assert_eq!(guest.call("proxy_remove_shared_queue", &[queue]), NOT_FOUND);
    assert_eq!(
        guest.call("proxy_enqueue_shared_queue", &[queue, name, len]),
        NOT_FOUND
    );
    assert_eq!(
        guest.call("proxy_resolve_shared_queue", &[0, 0, name, len, RETURN[0]]),
        NOT_FOUND
    );
}

/// The connections of byte streams; the stream at hand is none.
#[test]
fn byte_streams_go_on() {
    let mut guest = Guest::from_wat(&passing_on(""));
    for name in ["proxy_resume_downstream", "proxy_resume_upstream"] {
        assert_eq!(guest.call(name, &[]), OK, "{name}");
    }
    assert!(!guest.store.data().bytestream.has_effects());
}
