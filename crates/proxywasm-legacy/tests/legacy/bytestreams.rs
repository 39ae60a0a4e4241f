//! TCP streams: the hostcalls with each status, the callbacks with each action.

use crate::callbacks::{logged, noting};
use crate::support::{Guest, RETURN, passing_on};
use proxywasm_legacy::{Callbacks, LoadError};
use wasi_bytestream::{BytestreamCallbacks, CloseSource, Effect, Phase, Side};
use wasi_common::stream::{Flow, Lane, Reply};
use wasi_common::{Access, Action, Context, ContextType, Stream};
use wasmtime::AsContextMut;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;

const CALLBACKS: &[(&str, usize, bool)] = &[
    ("on_new_connection", 1, true),
    ("on_downstream_data", 3, true),
    ("on_upstream_data", 3, true),
    ("on_downstream_connection_close", 2, false),
    ("on_upstream_connection_close", 2, false),
];

/// Makes a TCP stream with data in both buffers the effective context, and returns its id.
fn open(guest: &mut Guest) -> u32 {
    let common = &mut guest.store.data_mut().common;
    let key = common.streams.open(1);
    let context = Context::new(guest.plugin_id, key, 0, ContextType::Bytestream);
    let context_id = common.contexts.add_context(context);
    common.scope.context_id = context_id;
    guest.stream = key;
    for (side, data) in [(Side::Downstream, "hello"), (Side::Upstream, "world!")] {
        let lane = lane(guest, side);
        lane.body.push(data.into());
        lane.body_access = Access::Write;
    }
    context_id
}

fn stream(guest: &mut Guest) -> &mut Stream {
    guest
        .store
        .data_mut()
        .common
        .streams
        .get_mut(guest.stream)
        .unwrap()
}

fn lane(guest: &mut Guest, side: Side) -> &mut Lane {
    stream(guest).lane(0, side.direction()).unwrap()
}

type Prepare = fn(&mut Guest);

fn nothing(_: &mut Guest) {}

fn of_plugin(guest: &mut Guest) {
    guest.store.data_mut().common.scope.context_id = guest.plugin_id;
}

fn of_http(guest: &mut Guest) {
    guest.store.data_mut().common.scope.context_id = guest.context_id;
}

#[test]
fn resume_and_close() {
    fn held(guest: &mut Guest) {
        lane(guest, Side::Downstream).flow = Flow::Held;
        lane(guest, Side::Upstream).flow = Flow::Held;
    }
    fn closed(guest: &mut Guest) {
        held(guest);
        stream(guest).closed = [true, true];
    }
    fn over(guest: &mut Guest) {
        stream(guest).reply = Reply::Closed;
    }
    let resume = |side| vec![Effect::Resume { context_id: 3, side }];
    let close = |side| vec![Effect::Close { context_id: 3, side }];
    let table: [(&str, Prepare, u32, u32, Vec<Effect>); 19] = [
        ("proxy_continue_stream", held, 2, OK, resume(Side::Downstream)),
        ("proxy_continue_stream", held, 3, OK, resume(Side::Upstream)),
        ("proxy_continue_stream", nothing, 2, OK, vec![]),
        ("proxy_continue_stream", nothing, 3, OK, vec![]),
        ("proxy_continue_stream", closed, 2, OK, vec![]),
        ("proxy_continue_stream", held, 0, OK, vec![]),
        ("proxy_continue_stream", held, 1, OK, vec![]),
        ("proxy_continue_stream", held, 4, BAD_ARGUMENT, vec![]),
        ("proxy_continue_stream", of_plugin, 2, OK, vec![]),
        ("proxy_continue_stream", of_http, 3, OK, vec![]),
        ("proxy_close_stream", nothing, 2, OK, close(Side::Downstream)),
        ("proxy_close_stream", nothing, 3, OK, close(Side::Upstream)),
        ("proxy_close_stream", closed, 2, OK, vec![]),
        ("proxy_close_stream", over, 3, OK, vec![]),
        ("proxy_close_stream", nothing, 0, OK, vec![]),
        ("proxy_close_stream", nothing, 1, OK, vec![]),
        ("proxy_close_stream", nothing, 4, BAD_ARGUMENT, vec![]),
        ("proxy_close_stream", of_plugin, 2, OK, vec![]),
        ("proxy_close_stream", of_http, 3, OK, vec![]),
    ];
    for (hostcall, prepare, number, status, effects) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        assert_eq!(open(&mut guest), 3);
        prepare(&mut guest);
        assert_eq!(guest.call(hostcall, &[number]), status, "{hostcall} {number}");
        let state = guest.store.data_mut();
        assert_eq!(state.bytestream.take_effects(), effects, "{hostcall} {number}");
        assert!(!state.http.has_effects(), "{hostcall} {number}");
    }
    // A local response has nobody to answer.
    let mut guest = Guest::from_wat(&passing_on(""));
    open(&mut guest);
    let arguments = [403, 0, 0, 0, 0, 0, 0, u32::MAX];
    assert_eq!(guest.call("proxy_send_local_response", &arguments), OK);
    assert!(!guest.store.data_mut().http.has_effects());
}

#[test]
fn data() {
    fn sealed(guest: &mut Guest) {
        lane(guest, Side::Downstream).seal();
        lane(guest, Side::Upstream).seal();
    }
    fn gone(guest: &mut Guest) {
        lane(guest, Side::Downstream).body_access = Access::None;
        lane(guest, Side::Upstream).body_access = Access::None;
    }
    // Where the plugin stands, the buffer; the status and content of a read, the status and outcome of a change.
    let table: [(Prepare, u32, u32, &str, u32, &str); 9] = [
        (nothing, 2, OK, "hello", OK, "<>hello"),
        (nothing, 3, OK, "world!", OK, "<>world!"),
        (sealed, 2, OK, "hello", BAD_ARGUMENT, "hello"),
        (sealed, 3, OK, "world!", BAD_ARGUMENT, "world!"),
        (gone, 2, NOT_FOUND, "", BAD_ARGUMENT, "hello"),
        (gone, 3, NOT_FOUND, "", BAD_ARGUMENT, "world!"),
        (of_plugin, 2, NOT_FOUND, "", BAD_ARGUMENT, "hello"),
        (of_http, 3, NOT_FOUND, "", BAD_ARGUMENT, "world!"),
        (nothing, 0, NOT_FOUND, "", BAD_ARGUMENT, "hello"),
    ];
    for (prepare, buffer, read, content, written, after) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        open(&mut guest);
        prepare(&mut guest);
        let [address, len] = RETURN;
        let status = guest.call("proxy_get_buffer_bytes", &[buffer, 0, 100, address, len]);
        assert_eq!(status, read, "{buffer}");
        if status == OK {
            assert_eq!(guest.returned(), content.as_bytes());
        }
        let status = guest.call("proxy_get_buffer_status", &[buffer, address, len]);
        assert_eq!(status, read, "{buffer}");
        if status == OK {
            assert_eq!(guest.number(address), content.len() as u32);
        }
        let given = guest.give("<>");
        let status = guest.call("proxy_set_buffer_bytes", &[buffer, 0, 0, given[0], given[1]]);
        assert_eq!(status, written, "{buffer}");
        let side = if buffer == 3 {
            Side::Upstream
        } else {
            Side::Downstream
        };
        assert_eq!(guest.body(side.direction()), after, "{buffer}");
    }
}

#[test]
fn callbacks() {
    use Action::{Forward, Pause, WaitForMoreData};
    // What the guest returns; the actions for a new connection, for data and for the last data; whether data is dropped.
    let table = [
        (0, [Forward, Forward, Forward], false),
        (1, [Pause, WaitForMoreData, Pause], false),
        (2, [Pause, WaitForMoreData, Pause], false),
        (3, [Pause, WaitForMoreData, Pause], true),
        (u32::MAX, [Pause, WaitForMoreData, Pause], false),
    ];
    for (result, actions, dropped) in table {
        let mut guest = Guest::from_wat(&noting(CALLBACKS));
        guest.set_global("result", result);
        let id = open(&mut guest);
        // The callback makes its own context the effective one.
        of_plugin(&mut guest);
        let Guest { store, callbacks, .. } = &mut guest;
        let connected = callbacks.new_connection(store.as_context_mut(), id).unwrap();
        assert_eq!(store.data().common.scope.context_id, id);
        let mut returned = vec![connected];
        for (side, size) in [(Side::Downstream, 5), (Side::Upstream, 6)] {
            for end in [false, true] {
                returned.push(
                    callbacks
                        .data(store.as_context_mut(), side, id, size, end)
                        .unwrap(),
                );
            }
        }
        let [connection, data, last] = actions;
        assert_eq!(returned, [connection, data, last, data, last].map(Ok), "{result}");
        for side in [Side::Downstream, Side::Upstream] {
            assert_eq!(lane(&mut guest, side).body.is_empty(), dropped, "{result}");
        }
        for source in [CloseSource::Unknown, CloseSource::Local, CloseSource::Remote] {
            for side in [Side::Downstream, Side::Upstream] {
                let store = guest.store.as_context_mut();
                guest.callbacks.closed(store, side, id, source).unwrap();
            }
        }
        let seen = [
            "on_new_connection3",
            "on_downstream_data350",
            "on_downstream_data351",
            "on_upstream_data360",
            "on_upstream_data361",
            "on_downstream_connection_close30",
            "on_upstream_connection_close30",
            "on_downstream_connection_close31",
            "on_upstream_connection_close31",
            "on_downstream_connection_close32",
            "on_upstream_connection_close32",
        ];
        assert_eq!(logged(&guest), seen, "{result}");
    }
}

#[test]
fn a_module_without_them() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let id = open(&mut guest);
    let full = Guest::from_wat(&noting(CALLBACKS));
    for phase in Phase::ALL {
        assert!(!exports(&guest.callbacks, phase), "{phase:?}");
        assert!(exports(&full.callbacks, phase), "{phase:?}");
    }
    let Guest { store, callbacks, .. } = &mut guest;
    let forward = Ok(Action::Forward);
    assert_eq!(
        callbacks.new_connection(store.as_context_mut(), id).unwrap(),
        forward
    );
    let data = callbacks.data(store.as_context_mut(), Side::Upstream, id, 6, true);
    assert_eq!(data.unwrap(), forward);
    let source = CloseSource::Remote;
    callbacks
        .closed(store.as_context_mut(), Side::Upstream, id, source)
        .unwrap();
    // One of another type is an error that names it.
    for (name, parameters, _) in CALLBACKS {
        let wrong = noting(&[(*name, parameters + 1, false)]);
        let (mut store, instance, _) = crate::support::instantiate(&wat::parse_str(wrong).unwrap()).unwrap();
        let error = Callbacks::load(&mut store, &instance).err().unwrap();
        assert!(
            matches!(error, LoadError::Type(_)) && error.to_string().contains(name),
            "{error}"
        );
    }
    fn exports(callbacks: &Callbacks, phase: Phase) -> bool {
        BytestreamCallbacks::<crate::support::State>::exports(callbacks, phase)
    }
}
