//! wasi-http: the calls that plugins make.

use super::{Case, Row, case, two};
use wasi_common::Allowed;

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-http",
        function,
        cases,
    };
    vec![
        row("dispatch_http_call", dispatch()),
        row(
            "close_http_call",
            vec![
                sent("close_http_call $c -> ok\nclose_http_call $c -> bad_argument"),
                of_another("close_http_call $c -> not_allowed"),
            ],
        ),
        row(
            "resume_http_call",
            vec![
                answered(
                    "call:200 callend",
                    "@on_http_call_response
                        resume_http_call $c -> ok
                        return pause",
                ),
                sent("resume_http_call $c -> invalid_operation\nresume_http_call 99 -> bad_argument"),
                of_another("resume_http_call $c -> not_allowed"),
            ],
        ),
        row(
            "get_callout_status",
            vec![
                answered(
                    "callfail",
                    "@on_http_call_response
                        get_callout_status $c &code out &size -> ok
                        check $code 10
                        expect_out 'the upstream is away'
                        get_callout_status $c &code out:3 &size -> buffer_too_small
                        check $size 20
                        get_callout_status $c &bad out &size -> invalid_memory_access
                        get_callout_status $c &code bad &size -> invalid_memory_access
                        get_callout_status 99 &code out &size -> bad_argument",
                ),
                sent("get_callout_status $c &code out &size -> invalid_operation"),
                of_another("get_callout_status $c &code out &size -> not_allowed"),
            ],
        ),
        row(
            "on_http_call_response",
            vec![answered(
                "call:200 callbody:abc calltrailers",
                "@on_http_call_response
                    check arg0 $c
                    get_buffer $c 5 0 -1 out &size -> ok
                    expect_out 'abc'
                    get_map_values $c 6 'y' out &size -> ok
                    get_map_values $c 7 't' out &size -> ok
                    expect_out '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00t3'
                expect on_http_call_response(1,2,3,1)",
            )],
        ),
        row(
            "on_http_call_response_headers",
            vec![answered(
                "call:200 callend",
                "@on_http_call_response_headers
                expect on_http_call_response_headers(1,2)",
            )],
        ),
        row(
            "on_http_call_response_body",
            vec![answered(
                "call:200 callbody:abc callend",
                "@on_http_call_response_headers
                @on_http_call_response_body
                expect on_http_call_response_body(1,3,0)
                expect on_http_call_response_body(1,0,1)",
            )],
        ),
        row(
            "on_http_call_response_trailers",
            vec![answered(
                "call:200 calltrailers",
                "@on_http_call_response_headers
                @on_http_call_response_trailers
                expect on_http_call_response_trailers(1,1)",
            )],
        ),
    ]
}

/// `:method` GET, `:path` /, `:authority` a.
const HEADERS: &str = "'\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:methodGET:path/:authoritya'";

fn dispatch() -> Vec<Case> {
    let call = |text: &str| case(text.replace("HEADERS", HEADERS));
    vec![
        call("dispatch_http_call 'service' HEADERS 'body' none 1000 &c -> ok\nexpect out:call"),
        call("dispatch_http_call 'nobody' HEADERS none none 0 &c -> not_found"),
        call("dispatch_http_call 'service' none none none 0 &c -> bad_argument"),
        call("dispatch_http_call 'service' '\\01' none none 0 &c -> bad_argument"),
        call("dispatch_http_call 'service' HEADERS none '\\01' 0 &c -> bad_argument"),
        call("dispatch_http_call 'other' HEADERS none none 0 &c -> not_allowed")
            .with(|setup| setup.config.permissions.upstreams = Allowed::from_iter(["service"])),
        call("dispatch_http_call bad HEADERS none none 0 &c -> invalid_memory_access"),
        call("dispatch_http_call 'service' bad none none 0 &c -> invalid_memory_access"),
        call("dispatch_http_call 'service' HEADERS bad none 0 &c -> invalid_memory_access"),
        call("dispatch_http_call 'service' HEADERS none bad 0 &c -> invalid_memory_access"),
        call("dispatch_http_call 'service' HEADERS none none 0 &bad -> invalid_memory_access"),
        call(
            "dispatch_http_call 'service' HEADERS none none 0 &c -> ok
            dispatch_http_call 'service' HEADERS none none 0 &c -> unavailable",
        )
        .with(|setup| setup.config.limits.callouts = 1),
        call("@_initialize\ndispatch_http_call 'service' HEADERS none none 0 &c -> invalid_operation"),
    ]
}

/// Steps after the call `$c` was dispatched.
fn sent(steps: &str) -> Case {
    case(format!(
        "dispatch_http_call 'service' {HEADERS} none none 0 &c -> ok\n{steps}"
    ))
}

/// What happens when the call `$c` is answered.
fn answered(events: &str, sections: &str) -> Case {
    case(format!(
        "drive rqh {events}
        @on_http_request_headers
            dispatch_http_call 'service' {HEADERS} none none 0 &c -> ok
            return pause
        {sections}"
    ))
}

/// A step of the second of two plugins, for which `$c` is the first plugin's call.
fn of_another(step: &str) -> Case {
    two(format!(
        "@on_http_request_headers first
            dispatch_http_call 'service' {HEADERS} none none 0 &c -> ok
        @on_http_request_headers second
            {step}"
    ))
}
