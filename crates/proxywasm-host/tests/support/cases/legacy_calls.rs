//! ABI 0.2.1: HTTP and gRPC calls, and TCP streams.

use super::{Case, Row, case};
use proxywasm_host::CalloutFailure;

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "env",
        function,
        cases,
    };
    let call = |text: &str| case(text.replace("HEADERS", HEADERS));
    vec![
        row(
            "proxy_http_call",
            vec![
                call(
                    "proxy_http_call 'service' HEADERS 'body' none 1000 &c -> ok
                    proxy_http_call 'nobody' HEADERS none none 1000 &c -> bad_argument
                    proxy_http_call 'service' none none none 1000 &c -> bad_argument
                    proxy_http_call bad HEADERS none none 1000 &c -> invalid_memory_access
                    proxy_http_call 'service' HEADERS none none 1000 &bad -> invalid_memory_access
                    expect out:call",
                ),
                call(
                    "proxy_http_call 'service' HEADERS none none 1000 &c -> ok
                    proxy_http_call 'service' HEADERS none none 1000 &c -> internal_failure",
                )
                .with(|setup| setup.config.limits.callouts = 1),
            ],
        ),
        row(
            "proxy_on_http_call_response",
            vec![call(
                "drive rqh call:200 callbody:abc calltrailers
                proxy_http_call 'service' HEADERS none none 1000 &c -> ok
                @proxy_on_http_call_response
                    check arg0 $first
                    check arg1 $c
                    check arg2 2
                    check arg3 3
                    check arg4 1
                    proxy_get_buffer_bytes 4 0 100 &at &size -> ok
                    expect_at $at 'abc'
                    proxy_get_header_map_value 6 'y' &at &size -> ok
                    expect_at $at '2'
                    proxy_get_header_map_value 7 't' &at &size -> ok
                    expect_at $at '3'",
            )],
        ),
        row(
            "proxy_on_http_call_response",
            vec![
                failure(
                    "drive rqh callfail",
                    "check arg2 0\ncheck arg3 0\nproxy_get_status &code &at &size -> ok\ncheck $code 11",
                ),
                failure(
                    "drive rqh tick",
                    "check arg2 0\ncheck arg3 0\nproxy_get_status &code &at &size -> ok\ncheck $code 11",
                ),
                failure("drive rqh callfail", ANSWERED.replace("STATUS", "503"))
                    .with(|setup| setup.config.callout_failure = CalloutFailure::Answer),
                failure("drive rqh tick", ANSWERED.replace("STATUS", "504"))
                    .with(|setup| setup.config.callout_failure = CalloutFailure::Answer),
            ],
        ),
        row(
            "proxy_grpc_call",
            vec![
                case(
                    "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok
                    proxy_grpc_call 'nobody' 's.S' 'M' none 'message' 1000 &c -> parse_failure
                    proxy_grpc_call bad 's.S' 'M' none 'message' 1000 &c -> invalid_memory_access
                    proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &bad -> invalid_memory_access
                    expect out:grpc:dispatch_grpc_call",
                ),
                case(
                    "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok
                    proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> internal_failure",
                )
                .with(|setup| setup.config.limits.callouts = 1),
            ],
        ),
        row(
            "proxy_grpc_stream",
            vec![
                case(
                    "proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok
                    proxy_grpc_stream 'nobody' 's.S' 'M' none &c -> parse_failure
                    proxy_grpc_stream bad 's.S' 'M' none &c -> invalid_memory_access
                    expect out:grpc:open_grpc_stream",
                ),
                case(
                    "proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok
                    proxy_grpc_stream 'service' 's.S' 'M' none &c -> internal_failure",
                )
                .with(|setup| setup.config.limits.callouts = 1),
            ],
        ),
        row(
            "proxy_grpc_send",
            vec![case(
                "proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok
                proxy_grpc_send $c 'one' 0 -> ok
                proxy_grpc_send $c bad 0 -> invalid_memory_access
                proxy_grpc_send 9999 'one' 0 -> not_found
                proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &u -> ok
                proxy_grpc_send $u 'one' 0 -> bad_argument
                expect out:grpcsend",
            )],
        ),
        row(
            "proxy_grpc_cancel",
            vec![case(
                "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok
                proxy_grpc_cancel $c -> ok
                proxy_grpc_cancel $c -> not_found",
            )],
        ),
        row(
            "proxy_grpc_close",
            vec![case(
                "proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok
                proxy_grpc_close $c -> ok
                proxy_grpc_close 9999 -> not_found",
            )],
        ),
        row(
            "proxy_on_grpc_receive_initial_metadata",
            vec![case(
                "drive rqh grpchead
                proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok
                @proxy_on_grpc_receive_initial_metadata
                    check arg0 $first
                    check arg1 $c
                    check arg2 1",
            )],
        ),
        row(
            "proxy_on_grpc_receive",
            vec![case(
                "drive rqh grpchead grpcmessage:abc grpcend:0
                proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok
                @proxy_on_grpc_receive
                    check arg1 $c
                    check arg2 3
                    proxy_get_buffer_bytes 5 0 100 &at &size -> ok
                    expect_at $at 'abc'",
            )],
        ),
        row(
            "proxy_on_grpc_receive_trailing_metadata",
            vec![case(
                "drive rqh grpchead grpcend:0
                proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok
                @proxy_on_grpc_receive_trailing_metadata
                    check arg1 $c
                    check arg2 1",
            )],
        ),
        row(
            "proxy_on_grpc_close",
            vec![case(
                "drive rqh grpcend:7
                proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok
                @proxy_on_grpc_close
                    check arg1 $c
                    check arg2 7
                    proxy_get_status &code &at &size -> ok
                    check $code 7
                    expect_at $at 'why'",
            )],
        ),
        row(
            "proxy_get_status",
            vec![case(
                "proxy_get_status &code &at &size -> ok
                    proxy_get_status &bad &at &size -> invalid_memory_access
                    proxy_get_status &code &bad &size -> invalid_memory_access",
            )],
        ),
        row(
            "proxy_on_new_connection",
            vec![case(
                "drive new\n@proxy_on_new_connection\nexpect proxy_on_new_connection(2)\nexpect out:connect",
            )],
        ),
        row(
            "proxy_on_downstream_data",
            vec![case(
                "drive new down:abc!\n@proxy_on_downstream_data\nexpect proxy_on_downstream_data(2,3,1)\nexpect out:up:abc",
            )],
        ),
        row(
            "proxy_on_upstream_data",
            vec![case(
                "drive new up:abc
                @proxy_on_upstream_data
                    proxy_continue_stream 3 -> ok
                    return pause
                expect proxy_on_upstream_data(2,3,0)
                expect out:down:abc",
            )],
        ),
        row(
            "proxy_on_downstream_connection_close",
            vec![case(
                "drive new downclose\n@proxy_on_downstream_connection_close\nexpect proxy_on_downstream_connection_close(2,2)",
            )],
        ),
        row(
            "proxy_on_upstream_connection_close",
            vec![case(
                "drive new upclose\n@proxy_on_upstream_connection_close\nexpect proxy_on_upstream_connection_close(2,2)",
            )],
        ),
    ]
}

/// `:method` GET, `:path` /, `:authority` a, in the form of the older ABIs.
const HEADERS: &str = "'\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00'";

/// A call that fails, and what its callback finds.
fn failure(drive: &str, found: impl AsRef<str>) -> Case {
    case(format!(
        "{drive}
        proxy_http_call 'service' {HEADERS} none none 1000 &c -> ok
        @proxy_on_http_call_response
            {}",
        found.as_ref()
    ))
}

/// What a callback finds of a failure that is told as an answer.
const ANSWERED: &str = "check arg2 3
    proxy_get_header_map_value 6 ':status' &at &size -> ok
    expect_at $at 'STATUS'
    proxy_get_buffer_bytes 4 0 8 &at &size -> ok
    expect_at $at 'upstream'
    proxy_get_status &code &at &size -> ok
    check $code 0";
