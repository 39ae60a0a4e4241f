//! Going on, closing, answering, ending, and the effective context.

use crate::support::{Guest, RETURN, passing_on, settings};
use std::sync::Arc;
use wasi_common::packed::{Layout, pack};
use wasi_common::stream::{Flow, Reply};
use wasi_common::{Context, ContextType, Direction};
use wasi_http::Effect;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;

fn effects(guest: &mut Guest) -> Vec<String> {
    let effects = guest.store.data_mut().http.take_effects();
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Resume {
                context_id,
                direction,
            } => format!("resume {context_id} {direction:?}"),
            Effect::Respond { context_id, response } => format!(
                "respond {context_id} {} {} {:?} {:?} {}",
                response.status,
                String::from_utf8_lossy(&response.body),
                response.headers,
                response.grpc_status,
                String::from_utf8_lossy(&response.details)
            ),
            Effect::Close { context_id } => format!("close {context_id}"),
            Effect::Call(effect) => format!("{effect:?}"),
        })
        .collect()
}

#[test]
fn resume_and_close() {
    let held = |guest: &mut Guest| guest.lane(Direction::Request).flow = Flow::Held;
    let nothing = |_: &mut Guest| ();
    let ended = |guest: &mut Guest| {
        let streams = &mut guest.store.data_mut().common.streams;
        streams.get_mut(guest.stream).unwrap().reply = Reply::Closed;
    };
    let of_plugin = |guest: &mut Guest| {
        guest.store.data_mut().common.scope.context_id = guest.plugin_id;
    };
    type Prepare = fn(&mut Guest);
    let table: &[(&str, Prepare, u32, u32, &[&str])] = &[
        ("proxy_continue_stream", held, 0, OK, &["resume 2 Request"]),
        ("proxy_continue_stream", held, 1, OK, &[]),
        ("proxy_continue_stream", nothing, 0, OK, &[]),
        ("proxy_continue_stream", held, 2, OK, &[]),
        ("proxy_continue_stream", held, 3, OK, &[]),
        ("proxy_continue_stream", held, 4, BAD_ARGUMENT, &[]),
        ("proxy_continue_stream", of_plugin, 0, OK, &[]),
        ("proxy_close_stream", nothing, 0, OK, &["close 2"]),
        ("proxy_close_stream", nothing, 1, OK, &["close 2"]),
        ("proxy_close_stream", nothing, 2, OK, &[]),
        ("proxy_close_stream", nothing, 4, BAD_ARGUMENT, &[]),
        ("proxy_close_stream", ended, 0, OK, &[]),
        ("proxy_close_stream", of_plugin, 0, OK, &[]),
    ];
    for (hostcall, prepare, stream, status, expected) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        prepare(&mut guest);
        assert_eq!(guest.call(hostcall, &[*stream]), *status, "{hostcall} {stream}");
        assert_eq!(effects(&mut guest), *expected, "{hostcall} {stream}");
    }
}

#[test]
fn local_responses() {
    fn respond(guest: &mut Guest, status: u32, headers: &[(&str, &str)], grpc_status: i32) -> u32 {
        let mut block = Vec::new();
        let pairs: Vec<(&[u8], &[u8])> = headers
            .iter()
            .map(|(k, v)| (k.as_bytes(), v.as_bytes()))
            .collect();
        pack(pairs.iter().copied(), Layout::NulTerminated, &mut block);
        let (details, body, headers) = (guest.give("why"), guest.give("no"), guest.give(block));
        guest.call(
            "proxy_send_local_response",
            &[
                status,
                details[0],
                details[1],
                body[0],
                body[1],
                headers[0],
                headers[1],
                grpc_status as u32,
            ],
        )
    }
    let table: &[(u32, &[(&str, &str)], i32, u32, &[&str])] = &[
        (403, &[], -1, OK, &["respond 2 403 no {} None why"]),
        (
            403,
            &[("A", "1"), ("a", "2")],
            7,
            OK,
            &[r#"respond 2 403 no {"a": "1", "a": "2"} Some(7) why"#],
        ),
        (0, &[], -1, OK, &["respond 2 500 no {} None why"]),
        (70_000, &[], -1, OK, &["respond 2 500 no {} None why"]),
        (403, &[("a", "b\r\nc: d")], -1, BAD_ARGUMENT, &[]),
    ];
    for (code, headers, grpc_status, status, expected) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        assert_eq!(
            respond(&mut guest, *code, headers, *grpc_status),
            *status,
            "{code} {headers:?}"
        );
        assert_eq!(effects(&mut guest), *expected, "{code} {headers:?}");
    }

    // A second response is ignored; a late one resets the stream; one for no stream does nothing.
    let mut guest = Guest::from_wat(&passing_on(""));
    assert_eq!(respond(&mut guest, 403, &[], -1), OK);
    assert_eq!(respond(&mut guest, 404, &[], -1), OK);
    assert_eq!(effects(&mut guest), ["respond 2 403 no {} None why"]);
    let stream = guest.stream;
    guest
        .store
        .data_mut()
        .common
        .streams
        .get_mut(stream)
        .unwrap()
        .reply = Reply::Sent;
    assert_eq!(respond(&mut guest, 403, &[], -1), OK);
    assert_eq!(effects(&mut guest), ["close 2"]);
    guest.store.data_mut().common.scope.context_id = guest.plugin_id;
    assert_eq!(respond(&mut guest, 403, &[], -1), OK);
    assert_eq!(effects(&mut guest), Vec::<String>::new());

    // Headers that are no map.
    let mut guest = Guest::from_wat(&passing_on(""));
    let block = guest.give([0xff; 8]);
    let arguments = [403, 0, 0, 0, 0, block[0], block[1], u32::MAX];
    assert_eq!(guest.call("proxy_send_local_response", &arguments), BAD_ARGUMENT);
}

#[test]
fn effective_context() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let common = &mut guest.store.data_mut().common;
    let other_plugin = common.contexts.add_plugin(Arc::new(settings("other")));
    let stream = common.streams.open(1);
    let others = common
        .contexts
        .add_context(Context::new(other_plugin, stream, 0, ContextType::Http));
    let second = common
        .contexts
        .add_context(Context::new(guest.plugin_id, stream, 0, ContextType::Http));
    let table = [
        (second, OK),
        (guest.plugin_id, OK),
        (guest.context_id, OK),
        (others, BAD_ARGUMENT),
        (other_plugin, BAD_ARGUMENT),
        (0, BAD_ARGUMENT),
        (77, BAD_ARGUMENT),
        (u32::MAX, BAD_ARGUMENT),
    ];
    for (context_id, status) in table {
        let before = guest.store.data().common.scope.context_id;
        assert_eq!(
            guest.call("proxy_set_effective_context", &[context_id]),
            status,
            "{context_id}"
        );
        let after = if status == OK { context_id } else { before };
        assert_eq!(guest.store.data().common.scope.context_id, after, "{context_id}");
    }
    // What follows acts on it.
    guest.call("proxy_set_effective_context", &[second]);
    guest.call("proxy_close_stream", &[0]);
    assert_eq!(effects(&mut guest), [format!("close {second}")]);
}

#[test]
fn done() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let (plugin_id, context_id) = (guest.plugin_id, guest.context_id);
    for id in [plugin_id, context_id] {
        guest.store.data_mut().common.scope.context_id = id;
        assert_eq!(
            guest.call("proxy_done", &[]),
            NOT_FOUND,
            "nothing is pending of {id}"
        );
    }
    let contexts = &mut guest.store.data_mut().common.contexts;
    contexts.plugin_mut(plugin_id).unwrap().shutting_down = true;
    contexts.context_mut(context_id).unwrap().deferred = true;
    for id in [plugin_id, context_id] {
        guest.store.data_mut().common.scope.context_id = id;
        assert_eq!(guest.call("proxy_done", &[]), OK);
        assert_eq!(guest.call("proxy_done", &[]), NOT_FOUND, "once");
    }
    assert_eq!(
        guest.store.data_mut().lifecycle.take_effects(),
        [
            wasi_context::Effect::PluginShutDown { plugin_id },
            wasi_context::Effect::ContextFinished { context_id },
        ]
    );
}

#[test]
fn status_of_calls() {
    let mut guest = Guest::from_wat(&passing_on(""));
    guest.set_next(8);
    guest.give([0xaa; 32]);
    assert_eq!(guest.call("proxy_get_status", &[8, RETURN[0], RETURN[1]]), OK);
    assert_eq!(guest.number(8), 0);
    assert_eq!(guest.returned(), b"");
}
