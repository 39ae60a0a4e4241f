//! gRPC calls and streams of plugins: what is refused, what goes out, and what their callbacks are told.

use crate::support::{Guest, passing_on, settings};
use bytes::Bytes;
use std::time::Duration;
use wasi_common::{CallScope, CalloutStatus, PluginSettings};
use wasi_grpc::{Effect, Event, GrpcCallbacks};
use wasmtime::AsContextMut;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const PARSE_FAILURE: u32 = 4;
const INTERNAL_FAILURE: u32 = 10;
const INITIAL_METADATA: u32 = 4;
const TRAILING_METADATA: u32 = 5;
const MESSAGE: u32 = 5;
/// Where tokens are returned.
const TOKEN: u32 = 12;

/// A map with one pair as these ABIs write it.
fn map(key: &str, value: &str) -> Vec<u8> {
    let mut block = 1_u32.to_le_bytes().to_vec();
    block.extend((key.len() as u32).to_le_bytes());
    block.extend((value.len() as u32).to_le_bytes());
    block.extend([key.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    block
}

/// Makes a unary call, or opens a stream.
fn begin(guest: &mut Guest, hostcall: &str, upstream: &[u8], method: &str, metadata: &[u8]) -> u32 {
    let blocks = [upstream, b"pkg.S", method.as_bytes(), metadata].map(|bytes| guest.give(bytes));
    let mut arguments = blocks.concat();
    if hostcall == "proxy_grpc_call" {
        arguments.extend(guest.give("hello"));
        arguments.push(250);
    }
    arguments.push(TOKEN);
    guest.call(hostcall, &arguments)
}

/// Opens a stream, or makes a call, that the host has heard of.
fn token(guest: &mut Guest, hostcall: &str) -> u32 {
    assert_eq!(begin(guest, hostcall, b"x", "M", b""), OK);
    guest.store.data_mut().grpc.take_effects();
    guest.number(TOKEN)
}

fn effects(guest: &mut Guest) -> Vec<String> {
    let effects = guest.store.data_mut().grpc.take_effects().into_iter();
    let text = |effect| match effect {
        Effect::Open { callout_id, request } => {
            let metadata: Vec<_> = request.metadata.iter().map(|(key, _)| key.len()).collect();
            let message = request.message.as_ref().map_or(0, Bytes::len);
            let timeout = request.timeout.as_ref().map_or(0, Duration::as_millis);
            format!(
                "{:?} {callout_id} {}{} {metadata:?} {message} {timeout}",
                request.kind, request.upstream, request.path
            )
        }
        Effect::Send {
            message,
            end_of_stream,
            ..
        } => format!("send {message:?} {end_of_stream}"),
        Effect::Cancel { .. } => "cancel".to_owned(),
        Effect::Resume { .. } => "resume".to_owned(),
    };
    effects.map(text).collect()
}

#[test]
fn what_is_begun_and_what_is_refused() {
    let described: &[u8] = b"\x0a\x03\x0a\x01x";
    let unknown: &[u8] = b"\x0a\x08\x0a\x06nobody";
    let many = map("k", "v");
    let reserved = map("grpc-status", "0");
    let table: &[(&[u8], &str, &[u8], u32)] = &[
        (b"x", "M", b"", OK),
        (b"x", "M", &[0; 4], OK),
        (b"x", "M", &many, OK),
        (described, "M", b"", OK),
        (b"nobody", "M", b"", PARSE_FAILURE),
        (b"", "M", b"", PARSE_FAILURE),
        (unknown, "M", b"", INTERNAL_FAILURE),
        (b"x", "", b"", PARSE_FAILURE),
        (b"x", "M/N", b"", PARSE_FAILURE),
        (b"x", "M", b"\x01", PARSE_FAILURE),
        (b"x", "M", &reserved, PARSE_FAILURE),
    ];
    for hostcall in ["proxy_grpc_call", "proxy_grpc_stream"] {
        for (upstream, method, metadata, expected) in table {
            let mut guest = Guest::from_wat(&passing_on(""));
            let status = begin(&mut guest, hostcall, upstream, method, metadata);
            assert_eq!(status, *expected, "{hostcall} {upstream:?} {method} {metadata:?}");
            let keys = if metadata.len() > 4 { "[1]" } else { "[]" };
            let begun = match (status, hostcall) {
                (OK, "proxy_grpc_call") => vec![format!("GrpcCall 1 x/pkg.S/M {keys} 5 250")],
                (OK, _) => vec![format!("GrpcStream 1 x/pkg.S/M {keys} 0 0")],
                _ => Vec::new(),
            };
            assert_eq!(effects(&mut guest), begun, "{hostcall} {upstream:?}");
            assert_eq!(guest.number(TOKEN), u32::from(status == OK));
        }
        let bounds: [(fn(&mut PluginSettings), u32); 2] = [
            (
                |settings| settings.permissions.upstreams = ["y"].into_iter().collect(),
                INTERNAL_FAILURE,
            ),
            (|settings| settings.limits.callouts = 0, INTERNAL_FAILURE),
        ];
        for (change, expected) in bounds {
            let mut settings = settings("test");
            change(&mut settings);
            let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), settings);
            assert_eq!(
                begin(&mut guest, hostcall, b"x", "M", b""),
                expected,
                "{hostcall}"
            );
        }
    }
}

#[test]
fn modules_that_know_no_metadata() {
    let table = [
        (
            "proxy_grpc_call",
            "64 1 64 1 64 1 64 1 9 12",
            "GrpcCall 1 x/x/x [] 1 9",
        ),
        (
            "proxy_grpc_stream",
            "64 1 64 1 64 1 12",
            "GrpcStream 1 x/x/x [] 0 0",
        ),
    ];
    for (name, arguments, expected) in table {
        let types = "i32 ".repeat(arguments.split(' ').count());
        let constants: String = arguments
            .split(' ')
            .map(|number| format!("(i32.const {number})"))
            .collect();
        let wat = format!(
            r#"(module (import "env" "{name}" (func $it (param {types}) (result i32)))
                (memory (export "memory") 1) (data (i32.const 64) "x")
                (func (export "malloc") (param i32) (result i32) (i32.const 0))
                (func (export "begin") (result i32) (call $it {constants})))"#
        );
        let mut guest = Guest::from_wat(&wat);
        assert_eq!(guest.call("begin", &[]), OK, "{name}");
        assert_eq!(effects(&mut guest), [expected]);
        assert_eq!(guest.number(TOKEN), 1);
    }
}

#[test]
fn send_cancel_and_close() {
    let (call, stream) = ("proxy_grpc_call", "proxy_grpc_stream");
    let nothing: &[&str] = &[];
    // What is begun, the hostcalls with what they answer, and what the host hears.
    let table: &[(&str, &[(&str, u32)], &[&str])] = &[
        (stream, &[("send a", OK)], &["send Some(b\"a\") false"]),
        (stream, &[("send a!", OK)], &["send Some(b\"a\") true"]),
        (
            stream,
            &[("send !", OK), ("send a", BAD_ARGUMENT)],
            &["send None true"],
        ),
        (stream, &[("close", OK), ("close", OK)], &["send None true"]),
        (
            stream,
            &[("close", OK), ("send a", BAD_ARGUMENT)],
            &["send None true"],
        ),
        (
            stream,
            &[("close", OK), ("cancel", OK), ("cancel", NOT_FOUND)],
            &["send None true", "cancel"],
        ),
        (stream, &[("cancel", OK), ("send a", NOT_FOUND)], &["cancel"]),
        (stream, &[("cancel", OK), ("close", NOT_FOUND)], &["cancel"]),
        (call, &[("send a", BAD_ARGUMENT)], nothing),
        (call, &[("cancel", OK), ("cancel", NOT_FOUND)], &["cancel"]),
        (call, &[("close", OK), ("close", NOT_FOUND)], &["cancel"]),
    ];
    for (begun, hostcalls, expected) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        let token = token(&mut guest, begun);
        for (hostcall, status) in *hostcalls {
            let answer = match hostcall.split_once(' ') {
                Some((_, text)) => {
                    let message = text.trim_end_matches('!');
                    let [address, len] = match message {
                        "" => [0, 0],
                        message => guest.give(message),
                    };
                    guest.call(
                        "proxy_grpc_send",
                        &[token, address, len, u32::from(text.ends_with('!'))],
                    )
                }
                None => guest.call(&format!("proxy_grpc_{hostcall}"), &[token]),
            };
            assert_eq!(answer, *status, "{begun} {hostcalls:?} {hostcall}");
        }
        // A call that is cancelled tells of nothing that was not heard before.
        let expected: Vec<&str> = match expected {
            [.., "cancel"] => vec!["cancel"],
            expected => expected.to_vec(),
        };
        assert_eq!(effects(&mut guest), expected, "{begun} {hostcalls:?}");
    }

    let mut guest = Guest::from_wat(&passing_on(""));
    for (hostcall, arguments, expected) in [
        ("proxy_grpc_send", &[99, 0, 0, 1][..], NOT_FOUND),
        ("proxy_grpc_cancel", &[99], NOT_FOUND),
        ("proxy_grpc_close", &[99], NOT_FOUND),
    ] {
        assert_eq!(guest.call(hostcall, arguments), expected, "{hostcall}");
    }
    let stream = token(&mut guest, stream);
    let empty = guest.give("");
    let sent = guest.call("proxy_grpc_send", &[stream, empty[0], empty[1], 0]);
    assert_eq!(
        (sent, effects(&mut guest)),
        (OK, vec!["send Some(b\"\") false".to_owned()])
    );
    guest.store.data_mut().common.scope.plugin_id += 1;
    for (hostcall, arguments, expected) in [
        ("proxy_grpc_send", &[stream, 0, 0, 1][..], BAD_ARGUMENT),
        ("proxy_grpc_cancel", &[stream], NOT_FOUND),
        ("proxy_grpc_close", &[stream], NOT_FOUND),
    ] {
        assert_eq!(
            guest.call(hostcall, arguments),
            expected,
            "another plugin's: {hostcall}"
        );
    }
}

/// A guest whose callbacks log their name, their arguments, and what can be read: sizes of the maps and of the message, and the status.
fn telling(trailing: &str) -> Guest {
    let callback = |export: &str, letter: u8| {
        format!(
            r#"(func (export "{export}") (param i32 i32 i32)
                (i32.store8 (i32.const 600) (i32.const {letter}))
                (i32.store8 (i32.const 601) (i32.add (i32.const 48) (local.get 0)))
                (i32.store8 (i32.const 602) (i32.add (i32.const 48) (local.get 1)))
                (i32.store8 (i32.const 603) (i32.add (i32.const 48) (local.get 2)))
                (call $tell))"#
        )
    };
    let callbacks = [
        callback("proxy_on_grpc_receive_initial_metadata", b'i'),
        callback("proxy_on_grpc_receive", b'm'),
        callback(trailing, b't'),
        callback("proxy_on_grpc_close", b'c'),
    ];
    Guest::from_wat(&passing_on(&format!(
        r#"(func $tell
            (i32.store8 (i32.const 604) (i32.add (i32.const 48) (call $proxy_get_header_map_size
                (i32.const {INITIAL_METADATA}) (i32.const 500))))
            (i32.store8 (i32.const 605) (i32.add (i32.const 48) (call $proxy_get_header_map_size
                (i32.const {TRAILING_METADATA}) (i32.const 500))))
            (i32.store8 (i32.const 606) (i32.add (i32.const 48) (call $proxy_get_buffer_status
                (i32.const {MESSAGE}) (i32.const 500) (i32.const 504))))
            (drop (call $proxy_get_status (i32.const 508) (i32.const 512) (i32.const 516)))
            (i32.store8 (i32.const 607) (i32.add (i32.const 48) (i32.load (i32.const 508))))
            (drop (call $proxy_log (i32.const 2) (i32.const 600) (i32.const 8)))
            (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 512)) (i32.load (i32.const 516)))))
        {}"#,
        callbacks.concat()
    )))
}

/// What the callbacks told of these events: a line of what they were told and could read, and the message of the status if there was one.
fn told(guest: &mut Guest, token: u32, events: Vec<Event>) -> Vec<String> {
    let plugin_id = guest.plugin_id;
    let state = guest.store.data_mut();
    state.common.scope = CallScope::new(plugin_id, plugin_id, "test");
    events
        .into_iter()
        .for_each(|event| state.grpc.receive(token, event));
    loop {
        let state = guest.store.data_mut();
        let Some(delivery) = state.grpc.next_delivery(&mut state.common, token) else {
            break;
        };
        let store = guest.store.as_context_mut();
        let returned = guest
            .callbacks
            .answer(store, delivery.plugin_id, token, delivery.part)
            .unwrap();
        let state = guest.store.data_mut();
        assert!(state.grpc.answered(&mut state.common, token, returned));
    }
    let lines = guest.sink.take().into_iter().map(|(_, line)| line);
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn what_callbacks_are_told() {
    let initial = || Event::InitialMetadata([("a", "1"), ("b", "2")].into_iter().collect());
    let message = || Event::Message(Bytes::from_static(b"abc"));
    let end = |code, trailing: bool| Event::End {
        status: CalloutStatus {
            code,
            message: Bytes::from_static(if code == 0 { b"" } else { b"why" }),
        },
        trailing_metadata: trailing.then(|| [("t", "1")].into_iter().collect()),
    };
    let (call, stream) = ("proxy_grpc_call", "proxy_grpc_stream");
    // The letter of the callback, plugin, token and number; statuses of reading the maps and the message; the code of the status.
    let table: Vec<(&str, Vec<Event>, &[&str])> = vec![
        (call, vec![initial(), message(), end(0, true)], &["m1130000"]),
        (call, vec![message(), end(0, false)], &["m1130000"]),
        (call, vec![end(5, true)], &["c1150005", "why"]),
        (
            call,
            vec![initial(), message(), end(5, true)],
            &["c1150005", "why"],
        ),
        (
            stream,
            vec![initial(), message(), end(0, true)],
            &["i1120210", "m1130200", "t1110010", "c1100010"],
        ),
        (
            stream,
            vec![initial(), end(7, true)],
            &["i1120210", "t1110010", "c1170017", "why"],
        ),
        (stream, vec![end(8, false)], &["c1180018", "why"]),
    ];
    for trailing in [
        "proxy_on_grpc_receive_trailing_metadata",
        "proxy_on_grpc_trailing_metadata",
    ] {
        for (begun, events, expected) in &table {
            let mut guest = telling(trailing);
            let token = token(&mut guest, begun);
            assert_eq!(
                told(&mut guest, token, events.clone()),
                *expected,
                "{begun} {events:?}"
            );
        }
    }
    for begun in [call, stream] {
        let mut guest = Guest::from_wat(&passing_on(""));
        let token = token(&mut guest, begun);
        let events = vec![initial(), message(), end(0, true)];
        assert_eq!(
            told(&mut guest, token, events),
            [""; 0],
            "{begun}: without callbacks"
        );
        assert_eq!(
            guest.call("proxy_grpc_cancel", &[token]),
            NOT_FOUND,
            "{begun}: it is over"
        );
    }
}
