//! wasi-grpc.

use super::{Case, Row, case, two};
use wasi_common::Allowed;

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-grpc",
        function,
        cases,
    };
    vec![
        row(
            "dispatch_grpc_call",
            begins("dispatch_grpc_call 'service' 's.S' 'M' META 'message' 1000 RETURN"),
        ),
        row(
            "close_grpc_call",
            vec![
                called("close_grpc_call $c -> ok\nclose_grpc_call $c -> bad_argument"),
                of_another("close_grpc_call $c -> not_allowed"),
            ],
        ),
        row(
            "open_grpc_stream",
            begins("open_grpc_stream 'service' 's.S' 'M' META RETURN"),
        ),
        row(
            "send_grpc_stream_message",
            vec![
                opened(
                    "send_grpc_stream_message $c 'one' 0 -> ok
                    send_grpc_stream_message $c bad 0 -> invalid_memory_access
                    send_grpc_stream_message $c none 1 -> ok
                    send_grpc_stream_message $c 'two' 0 -> invalid_operation
                    send_grpc_stream_message 99 'one' 0 -> bad_argument
                    expect out:grpcsend",
                ),
                opened("send_grpc_stream_message $c '123456789' 0 -> unavailable")
                    .with(|setup| setup.config.limits.callout_bytes = 8),
                called("send_grpc_stream_message $c 'one' 0 -> bad_argument"),
                of_another("send_grpc_stream_message $s 'one' 0 -> not_allowed"),
            ],
        ),
        row(
            "close_grpc_stream",
            vec![
                opened("close_grpc_stream $c -> ok\nclose_grpc_stream $c -> bad_argument"),
                of_another("close_grpc_stream $s -> not_allowed"),
            ],
        ),
        row(
            "resume_grpc_stream",
            vec![
                opened_then(
                    "grpchead grpcmessage:abc",
                    "@on_grpc_stream_response_header_metadata
                        resume_grpc_stream $c -> ok
                        return pause
                    @on_grpc_stream_response_message",
                ),
                opened("resume_grpc_stream $c -> invalid_operation\nresume_grpc_stream 99 -> bad_argument"),
                of_another("resume_grpc_stream $s -> not_allowed"),
            ],
        ),
        row(
            "get_callout_status",
            vec![
                called_then(
                    "grpcend:7",
                    "@on_grpc_call_response
                        get_callout_status $c &code out &size -> ok
                        check $code 7
                        expect_out 'why'
                        get_callout_status $c &code out:2 &size -> buffer_too_small
                        check $size 3
                        get_callout_status $c &bad out &size -> invalid_memory_access
                        get_callout_status $c &code bad &size -> invalid_memory_access
                        get_callout_status 99 &code out &size -> bad_argument",
                ),
                called("get_callout_status $c &code out &size -> invalid_operation"),
                of_another("get_callout_status $c &code out &size -> not_allowed"),
            ],
        ),
        row(
            "on_grpc_call_response",
            vec![called_then(
                "grpchead grpcmessage:abc grpcend:0",
                "@on_grpc_call_response
                    check arg0 $c
                    get_buffer $c 6 0 -1 out &size -> ok
                    expect_out 'abc'
                    get_map_values $c 9 't' out &size -> ok
                expect on_grpc_call_response(1,0,3)",
            )],
        ),
        row(
            "on_grpc_stream_response_header_metadata",
            vec![opened_then(
                "grpchead",
                "@on_grpc_stream_response_header_metadata
                    get_map_values $c 8 'h' out &size -> ok
                expect on_grpc_stream_response_header_metadata(1,1)",
            )],
        ),
        row(
            "on_grpc_stream_response_message",
            vec![opened_then(
                "grpchead grpcmessage:abc",
                "@on_grpc_stream_response_message
                    get_buffer $c 6 0 -1 out &size -> ok
                    expect_out 'abc'
                expect on_grpc_stream_response_message(1,3)",
            )],
        ),
        row(
            "on_grpc_stream_response_trailer_metadata",
            vec![opened_then(
                "grpchead grpcend:0",
                "@on_grpc_stream_response_trailer_metadata
                    get_map_values $c 9 't' out &size -> ok
                expect on_grpc_stream_response_trailer_metadata(1,1)",
            )],
        ),
        row(
            "on_grpc_stream_close",
            vec![opened_then(
                "grpchead grpcend:7",
                "@on_grpc_stream_close\nexpect on_grpc_stream_close(1,7)",
            )],
        ),
    ]
}

/// The cases of a function that begins a call. META is the metadata, RETURN the place of the id.
fn begins(call: &str) -> Vec<Case> {
    let with = |metadata: &str, place: &str| call.replace("META", metadata).replace("RETURN", place);
    let good = with("none", "&c");
    let metadata = "'\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00k1'";
    let forbidden = "'\\01\\00\\00\\00\\0c\\00\\00\\00\\01\\00\\00\\00grpc-timeout1'";
    let name = call.split(' ').next().unwrap_or_default();
    vec![
        case(format!(
            "{} -> ok\n{good} -> ok\nexpect out:grpc:{name}",
            with(metadata, "&c")
        )),
        case(format!("{} -> not_found", good.replace("'service'", "'nobody'"))),
        case(format!("{} -> bad_argument", good.replace("'s.S'", "''"))),
        case(format!("{} -> bad_argument", with("'\\01'", "&c"))),
        case(format!("{} -> bad_argument", with(forbidden, "&c"))),
        case(format!("{} -> not_allowed", good.replace("'service'", "'other'")))
            .with(|setup| setup.config.permissions.upstreams = Allowed::from_iter(["service"])),
        case(format!(
            "{} -> invalid_memory_access",
            good.replace("'service'", "bad")
        )),
        case(format!("{} -> invalid_memory_access", with("bad", "&c"))),
        case(format!("{} -> invalid_memory_access", with("none", "&bad"))),
        case(format!("{good} -> ok\n{good} -> unavailable")).with(|setup| setup.config.limits.callouts = 1),
        case(format!("@_initialize\n{good} -> invalid_operation")),
    ]
}

const CALL: &str = "dispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok";
const OPEN: &str = "open_grpc_stream 'service' 's.S' 'M' none &c -> ok";

/// Steps after the unary call `$c` was dispatched.
fn called(steps: &str) -> Case {
    case(format!("{CALL}\n{steps}"))
}

/// Steps after the stream `$c` was opened.
fn opened(steps: &str) -> Case {
    case(format!("{OPEN}\n{steps}"))
}

/// What happens when the unary call `$c` is answered.
fn called_then(events: &str, sections: &str) -> Case {
    case(format!("drive rqh {events}\n{CALL}\n{sections}"))
}

/// What happens on the stream `$c`.
fn opened_then(events: &str, sections: &str) -> Case {
    case(format!("drive rqh {events}\n{OPEN}\n{sections}"))
}

/// A step of the second of two plugins, for which `$c` is the first plugin's call and `$s` its stream.
fn of_another(step: &str) -> Case {
    two(format!(
        "@on_http_request_headers first
            {CALL}
            open_grpc_stream 'service' 's.S' 'M' none &s -> ok
        @on_http_request_headers second
            {step}"
    ))
}
