//! Callbacks: which are called, with what, and what their results become.

use crate::support::{Guest, State, passing_on};
use proxywasm_legacy::{Callbacks, HeadersPause, PluginOptions};
use wasi_common::{Action, ContextType, Direction, LogLevel};
use wasi_context::{ConfigurationSizes, LifecycleCallbacks};
use wasi_http::{HttpCallbacks, Part, Phase, Returned};
use wasi_log::LogCallbacks;
use wasmtime::{AsContextMut, StoreContextMut};

/// Exports that log their name and arguments, one digit each, and return the global `result`.
pub(crate) fn noting(exports: &[(&str, usize, bool)]) -> String {
    let mut items = String::from(r#"(global $result (export "result") (mut i32) (i32.const 1))"#);
    for (index, (name, parameters, returns)) in exports.iter().enumerate() {
        let (address, len) = (2048 + 64 * index, name.len());
        let types = "i32 ".repeat(*parameters);
        let digits: String = (0..*parameters)
            .map(|argument| {
                let place = address + len + argument;
                format!("(i32.store8 (i32.const {place}) (i32.add (i32.const 48) (local.get {argument})))")
            })
            .collect();
        let size = len + parameters;
        let (result, value) = match returns {
            true => ("(result i32)", "(global.get $result)"),
            false => ("", ""),
        };
        items += &format!(
            r#"(data (i32.const {address}) "{name}")
               (func (export "proxy_{name}") (param {types}) {result}
                   {digits}
                   (drop (call $proxy_log (i32.const 2) (i32.const {address}) (i32.const {size})))
                   {value})"#
        );
    }
    passing_on(&items)
}

const ALL: &[(&str, usize, bool)] = &[
    ("on_context_create", 2, false),
    ("on_vm_start", 2, true),
    ("on_configure", 2, true),
    ("on_done", 1, true),
    ("on_log", 1, false),
    ("on_delete", 1, false),
    ("on_request_headers", 3, true),
    ("on_request_body", 3, true),
    ("on_request_trailers", 2, true),
    ("on_request_metadata", 2, true),
    ("on_response_headers", 3, true),
    ("on_response_body", 3, true),
    ("on_response_trailers", 2, true),
    ("on_response_metadata", 2, true),
];

pub(crate) fn logged(guest: &Guest) -> Vec<String> {
    guest
        .sink
        .take()
        .into_iter()
        .map(|(_, message)| message)
        .collect()
}

const SIZES: ConfigurationSizes = ConfigurationSizes { plugin: 3, vm: 4 };

/// One call of a host; its result as a number.
type Drive = fn(&Callbacks, StoreContextMut<'_, State>, Ids) -> u32;

/// The plugin and its stream.
#[derive(Clone, Copy)]
struct Ids {
    plugin: u32,
    context: u32,
}

fn drive(guest: &mut Guest, drive: Drive) -> u32 {
    let ids = Ids {
        plugin: guest.plugin_id,
        context: guest.context_id,
    };
    drive(&guest.callbacks, guest.store.as_context_mut(), ids)
}

#[test]
fn lifecycle() {
    let start: Drive =
        |callbacks, store, ids| callbacks.start_plugin(store, ids.plugin, SIZES).unwrap().into();
    let shut_down: Drive =
        |callbacks, store, ids| callbacks.shut_plugin_down(store, ids.plugin).unwrap().into();
    let delete: Drive = |callbacks, store, ids| {
        callbacks.delete_plugin(store, ids.plugin).unwrap();
        1
    };
    let create: Drive = |callbacks, store, ids| {
        let kind = ContextType::Http;
        let id = callbacks
            .create_context(store, ids.context, ids.plugin, kind)
            .unwrap();
        u32::from(id == 0)
    };
    let finalize: Drive =
        |callbacks, store, ids| callbacks.finalize_context(store, ids.context).unwrap().into();
    let finish: Drive = |callbacks, store, ids| {
        callbacks.finish_context(store, ids.context).unwrap();
        1
    };
    let level: Drive = |callbacks, store, _| {
        callbacks.on_log_level_update(store, LogLevel::Error).unwrap();
        1
    };
    // The call, what the guest returns from everything, what the call returns, what the guest sees.
    let table: &[(Drive, u32, u32, &[&str])] = &[
        (
            start,
            1,
            1,
            &["on_context_create10", "on_vm_start14", "on_configure13"],
        ),
        (
            start,
            256,
            1,
            &["on_context_create10", "on_vm_start14", "on_configure13"],
        ),
        (start, 0, 0, &["on_context_create10", "on_vm_start14"]),
        (shut_down, 1, 1, &["on_done1"]),
        (shut_down, 0, 0, &["on_done1"]),
        (delete, 1, 1, &["on_delete1"]),
        (create, 1, 1, &["on_context_create21"]),
        (finalize, 1, 1, &["on_done2", "on_log2", "on_delete2"]),
        (finalize, 0, 0, &["on_done2"]),
        (finish, 0, 1, &["on_log2", "on_delete2"]),
        (level, 0, 1, &[]),
    ];
    let mut silent = Guest::from_wat(&passing_on(""));
    for (call, result, returned, seen) in table {
        let mut guest = Guest::from_wat(&noting(ALL));
        guest.set_global("result", *result);
        assert_eq!(drive(&mut guest, *call), *returned, "{seen:?} {result}");
        assert_eq!(logged(&guest), *seen, "{result}");
        assert_eq!(
            drive(&mut silent, *call),
            1,
            "a guest that exports nothing accepts everything"
        );
    }
    // A plugin that refuses its configuration, not its start.
    let without_start: Vec<_> = ALL
        .iter()
        .copied()
        .filter(|(name, ..)| *name != "on_vm_start")
        .collect();
    let mut guest = Guest::from_wat(&noting(&without_start));
    guest.set_global("result", 0);
    assert_eq!(drive(&mut guest, start), 0);
    assert_eq!(logged(&guest), ["on_context_create10", "on_configure13"]);
}

/// The call of each phase, with a size of 5 and the end of the stream.
fn phase(guest: &mut Guest, phase: Phase, end_of_stream: bool) -> Returned {
    let (callbacks, store, context_id) = (&guest.callbacks, guest.store.as_context_mut(), guest.context_id);
    let direction = phase.direction;
    match phase.part {
        Part::Headers => callbacks.headers(store, direction, context_id, 5, end_of_stream),
        Part::Body => callbacks.body(store, direction, context_id, 5, end_of_stream),
        Part::Trailers => callbacks.trailers(store, direction, context_id, 5),
        Part::Metadata => callbacks.metadata(store, direction, context_id, 5),
    }
    .unwrap()
}

#[test]
fn phases() {
    use Action::{EndStream, Forward, Pause, WaitForMoreData};
    // For each result of the guest: headers, body, trailers, metadata.
    let table = [
        (0, [Forward, Forward, Forward, Forward]),
        (1, [Pause, WaitForMoreData, Pause, Forward]),
        (2, [EndStream, WaitForMoreData, Pause, Forward]),
        (9, [Pause, WaitForMoreData, Pause, Forward]),
    ];
    let two: Vec<_> = ALL
        .iter()
        .map(|(name, parameters, returns)| {
            let parameters = if name.ends_with("_headers") {
                2
            } else {
                *parameters
            };
            (*name, parameters, *returns)
        })
        .collect();
    for (exports, of_headers) in [(ALL, "250"), (&two[..], "25")] {
        let mut guest = Guest::from_wat(&noting(exports));
        for (result, actions) in table {
            guest.set_global("result", result);
            for each in Phase::ALL {
                let name = each.callback().replace("on_http_", "on_");
                assert!(guest.exports(each), "{name}");
                let expected = actions[each.part as usize];
                assert_eq!(phase(&mut guest, each, false), Ok(expected), "{name} {result}");
                let arguments = match each.part {
                    Part::Headers => of_headers,
                    Part::Body => "250",
                    Part::Trailers | Part::Metadata => "25",
                };
                assert_eq!(logged(&guest), [format!("{name}{arguments}")]);
                let scope = guest.store.data().common.scope;
                assert_eq!(
                    (scope.context_id, scope.callback),
                    (guest.context_id, &*format!("proxy_{name}"))
                );
            }
        }
    }
    let mut guest = Guest::from_wat(&passing_on(""));
    for each in Phase::ALL {
        assert!(!guest.exports(each));
        assert_eq!(phase(&mut guest, each, false), Ok(Forward));
    }
}

#[test]
fn end_of_stream_and_what_a_pause_in_headers_means() {
    use Action::{Pause, WaitForMoreData};
    let mut guest = Guest::from_wat(&noting(ALL));
    let headers = Phase::new(Direction::Request, Part::Headers);
    let body = Phase::new(Direction::Response, Part::Body);
    assert_eq!(phase(&mut guest, body, true), Ok(Pause));
    let plugin_id = guest.plugin_id;
    let table = [
        (plugin_id, HeadersPause::HoldHeaders, [WaitForMoreData, Pause]),
        (plugin_id, HeadersPause::StopAll, [Pause, Pause]),
        (plugin_id + 77, HeadersPause::HoldHeaders, [Pause, Pause]),
    ];
    for (of, pause, actions) in table {
        let options = PluginOptions {
            headers_pause: pause,
            ..PluginOptions::default()
        };
        guest.store.data_mut().legacy.set_options(of, options);
        assert_eq!(guest.store.data().legacy.options(of), options);
        for (end_of_stream, action) in [false, true].into_iter().zip(actions) {
            assert_eq!(
                phase(&mut guest, headers, end_of_stream),
                Ok(action),
                "{of} {pause:?}"
            );
        }
    }
    assert!(logged(&guest).contains(&"on_request_headers251".to_owned()));
    guest.store.data_mut().legacy.remove_plugin(plugin_id + 77);
    let forgotten = guest.store.data().legacy.options(plugin_id + 77);
    assert_eq!(forgotten, PluginOptions::default());
}

#[test]
fn bytes_that_the_plugin_took_are_dropped() {
    let body = Phase::new(Direction::Request, Part::Body);
    for (result, left) in [
        (0, "abcdef"),
        (1, "abcdef"),
        (2, "abcdef"),
        (3, ""),
        (4, "abcdef"),
    ] {
        let mut guest = Guest::from_wat(&noting(ALL));
        guest.set_global("result", result);
        phase(&mut guest, body, false).unwrap();
        assert_eq!(guest.body(Direction::Request), left, "{result}");
    }
}

/// The effective context is the callback's own again at each entry.
#[test]
fn effective_context_lasts_for_one_callback() {
    let mut guest = Guest::from_wat(&passing_on(
        r#"(func (export "proxy_on_done") (param i32) (result i32)
               (drop (call $proxy_set_effective_context (i32.const 1))) (i32.const 1))
           (func (export "proxy_on_log") (param i32)
               (drop (call $proxy_get_property (i32.const 64) (i32.const 12) (i32.const 16) (i32.const 20))))
           (data (i32.const 64) "request\00path")"#,
    ));
    let (callbacks, context_id) = (&guest.callbacks, guest.context_id);
    assert!(
        callbacks
            .finalize_context(guest.store.as_context_mut(), context_id)
            .unwrap()
    );
    assert_eq!(guest.returned(), b"/a", "on_log reads a property of its stream");
}
