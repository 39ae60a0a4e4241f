//! HTTP and gRPC calls of plugins, with a driver that answers at once. A plugin begins the next call when it is told the answer to the
//! last one, so that a cycle is one call and one callback for it.

use crate::script::Abi;
use crate::world::{World, component, driven};
use crate::{Body, LOOPS, Scenario};
use bytes::Bytes;
use proxywasm_host::{ByteMap, CallEvent, CalloutId, CalloutStatus, Command, GrpcEvent};
use std::sync::LazyLock;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("wasi-http/dispatch_http_call and close_http_call", || {
        component(
            "loop
            wasi-http.dispatch_http_call 'up' headers 'body' none 1000 &c
            wasi-http.close_http_call $c",
        )
    }),
    Scenario::new(HTTP_CYCLE, || {
        http(
            Abi::Component,
            &again(HTTP, "@proxy_on_http_call_response 4 -> 0", ""),
            LOOPS,
        )
    }),
    Scenario::new(
        "wasi-http/on_http_call_response_headers, _body and _trailers, in place of on_http_call_response",
        || {
            let parts = "@proxy_on_http_call_response_headers 2 -> 0
            @proxy_on_http_call_response_body 3 -> 0
            @proxy_on_http_call_response_trailers 2 -> 0";
            http(Abi::Component, &again(HTTP, parts, ""), LOOPS)
        },
    ),
    Scenario::new("wasi-http/resume_http_call, in the callback that pauses", || {
        let response = "@proxy_on_http_call_response 4 -> 3";
        http(
            Abi::Component,
            &again(HTTP, response, "wasi-http.resume_http_call arg0"),
            LOOPS,
        )
    })
    .less(HTTP_CYCLE),
    Scenario::new("wasi-http/get_callout_status", || {
        let status = "loop\n wasi-http.get_callout_status arg0 &code out &size\n end";
        http(
            Abi::Component,
            &again(HTTP, "@proxy_on_http_call_response 4 -> 0", status),
            1,
        )
    }),
    Scenario::new("wasi-grpc/dispatch_grpc_call and close_grpc_call", || {
        component(
            "loop
            wasi-grpc.dispatch_grpc_call 'up' 'a.Service' 'Method' none 'message' 1000 &c
            wasi-grpc.close_grpc_call $c",
        )
    }),
    Scenario::new(
        "wasi-grpc/dispatch_grpc_call, answer, on_grpc_call_response",
        || {
            grpc(
                Abi::Component,
                &again(GRPC, "@proxy_on_grpc_call_response 3 -> 0", ""),
                LOOPS,
            )
        },
    ),
    Scenario::new("wasi-grpc/get_callout_status", || {
        let status = "loop\n wasi-grpc.get_callout_status arg0 &code out &size\n end";
        grpc(
            Abi::Component,
            &again(GRPC, "@proxy_on_grpc_call_response 3 -> 0", status),
            1,
        )
    }),
    Scenario::new("wasi-grpc/open_grpc_stream and close_grpc_stream", || {
        component(
            "loop
            wasi-grpc.open_grpc_stream 'up' 'a.Service' 'Method' none &c
            wasi-grpc.close_grpc_stream $c",
        )
    }),
    Scenario::new("wasi-grpc/send_grpc_stream_message, taken by the driver", || {
        sent(
            Abi::Component,
            "loop
                wasi-grpc.send_grpc_stream_message $c 'message' 0
            @proxy_on_plugin_start 2 -> 1
                wasi-grpc.open_grpc_stream 'up' 'a.Service' 'Method' none &c",
        )
    }),
    Scenario::new(
        "wasi-grpc/a stream: opened, a message each way, its four callbacks",
        || {
            let callbacks = "@proxy_on_grpc_stream_response_header_metadata 2 -> 0
            @proxy_on_grpc_stream_response_message 2 -> 0
            @proxy_on_grpc_stream_response_trailer_metadata 2 -> 0
            @proxy_on_grpc_stream_close 2 -> 0";
            grpc(Abi::Component, &again(GRPC_STREAM, callbacks, ""), LOOPS)
        },
    ),
    Scenario::new(MESSAGE, || {
        messages(
            Abi::Component,
            &format!("{OPEN}\n @proxy_on_grpc_stream_response_message 2 -> 0"),
        )
    }),
    Scenario::new(
        "wasi-grpc/resume_grpc_stream, in the callback that pauses",
        || {
            let callback =
                "@proxy_on_grpc_stream_response_message 2 -> 3\n wasi-grpc.resume_grpc_stream arg0";
            messages(Abi::Component, &format!("{OPEN}\n {callback}"))
        },
    )
    .less(MESSAGE),
];

const HTTP_CYCLE: &str = "wasi-http/dispatch_http_call, answer, on_http_call_response";
const MESSAGE: &str = "wasi-grpc/on_grpc_stream_response_message";
const HTTP: &str = "wasi-http.dispatch_http_call 'up' headers 'body' none 1000 &c";
const GRPC: &str = "wasi-grpc.dispatch_grpc_call 'up' 'a.Service' 'Method' none 'message' 1000 &c";
const OPEN: &str = "wasi-grpc.open_grpc_stream 'up' 'a.Service' 'Method' none &c";
const GRPC_STREAM: &str = "wasi-grpc.open_grpc_stream 'up' 'a.Service' 'Method' none &c
    wasi-grpc.send_grpc_stream_message $c 'message' 0";

/// Ten pairs, about 250 bytes.
static HEAD: LazyLock<ByteMap> = LazyLock::new(|| {
    let status = (":status".to_owned(), "200");
    let others = (1..10).map(|index| (format!("header-{index}"), "a value of some bytes"));
    std::iter::once(status).chain(others).collect()
});

/// The script that begins a call, and begins another one behind its last callback. What is done in that one comes before.
pub(crate) fn again(begin: &str, callbacks: &str, before: &str) -> String {
    format!("{begin}\n {callbacks}\n {before}\n {begin}")
}

/// Answers HTTP calls with a head, a body and its end.
pub(crate) fn http(abi: Abi, script: &str, cycles: u32) -> Body {
    let streams = script.contains("_trailers");
    let drive: fn(&mut World) = if streams { answer_with_trailers } else { answer };
    driven(abi, script, cycles, drive)
}

fn answer(world: &mut World) {
    let id = answer_with_body(world);
    world.host.http_call_event(id, CallEvent::End);
}

fn answer_with_trailers(world: &mut World) {
    let id = answer_with_body(world);
    let trailers = [("t", "1")].into_iter().collect();
    world.host.http_call_event(id, CallEvent::Trailers(trailers));
}

fn answer_with_body(world: &mut World) -> CalloutId {
    let id = begun(world);
    world.host.http_call_event(id, CallEvent::Headers(HEAD.clone()));
    world
        .host
        .http_call_event(id, CallEvent::Body(Bytes::from_static(b"a body of some bytes")));
    id
}

/// Answers gRPC calls, unary ones and streams, with metadata, a message and a good end.
pub(crate) fn grpc(abi: Abi, script: &str, cycles: u32) -> Body {
    driven(abi, script, cycles, |world| {
        let mut begun = None;
        while let Some(command) = world.host.next_command() {
            match command {
                Command::GrpcCall { id, .. } => begun = Some(id),
                command => is_sent(world, command),
            }
        }
        let id = begun.expect("the plugin has begun a call");
        let metadata: ByteMap = [("m", "1")].into_iter().collect();
        world
            .host
            .grpc_event(id, GrpcEvent::InitialMetadata(metadata.clone()));
        world.host.grpc_event(id, message());
        let status = CalloutStatus {
            code: 0,
            message: Bytes::new(),
        };
        world.host.grpc_event(
            id,
            GrpcEvent::End {
                status,
                trailing_metadata: Some(metadata),
            },
        );
    })
}

/// A stream on which messages come.
pub(crate) fn messages(abi: Abi, script: &str) -> Body {
    let mut world = World::new(abi, script);
    world.call();
    let id = begun(&mut world);
    Box::new(move || (0..LOOPS).for_each(|_| world.host.grpc_event(id, message())))
}

/// A stream on which the plugin sends messages.
pub(crate) fn sent(abi: Abi, script: &str) -> Body {
    driven(abi, script, 1, |world| {
        world.call();
        while let Some(command) = world.host.next_command() {
            is_sent(world, command);
        }
    })
}

/// The call that the plugin has begun.
fn begun(world: &mut World) -> CalloutId {
    let command = world.host.next_command();
    let id = command.and_then(|command| match command {
        Command::HttpCall { id, .. } | Command::GrpcCall { id, .. } => Some(id),
        _ => None,
    });
    id.expect("the plugin has begun a call")
}

/// Says of a message that it has left.
fn is_sent(world: &mut World, command: Command) {
    if let Command::GrpcSend {
        id,
        message: Some(message),
        ..
    } = command
    {
        world.host.grpc_sent(id, message.len());
    }
}

fn message() -> GrpcEvent {
    GrpcEvent::Message(Bytes::from_static(b"a message of some bytes"))
}
