//! wasi-http: streams.

use super::{Case, Row, case, of_another};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-http",
        function,
        cases,
    };
    vec![
        row("send_http_response", send_http_response()),
        row(
            "resume_http_request",
            vec![
                case(
                    "resume_http_request ctx -> ok
                    return pause
                    expect out:rqh",
                ),
                case("resume_http_request 99 -> bad_argument"),
                case(
                    "drive rqh rsh\n@on_http_response_headers\nresume_http_request ctx -> invalid_operation",
                ),
                of_another("resume_http_request $other -> not_allowed"),
            ],
        ),
        row(
            "resume_http_response",
            vec![
                case(
                    "drive rqh! rsh!
                    @on_http_response_headers
                        resume_http_response ctx -> ok
                        return pause
                    expect out:rsh:200",
                ),
                case("resume_http_response 99 -> bad_argument"),
                case("resume_http_response ctx -> invalid_operation"),
                of_another("resume_http_response $other -> not_allowed"),
            ],
        ),
        row(
            "close_http_request",
            vec![
                case("close_http_request ctx -> ok\nexpect out:reset:Closed"),
                case("close_http_request 99 -> bad_argument"),
                case("close_http_request ctx -> ok\nclose_http_request ctx -> invalid_operation"),
                of_another("close_http_request $other -> not_allowed"),
            ],
        ),
        row(
            "close_http_response",
            vec![
                case(
                    "drive rqh! rsh
                    @on_http_response_headers
                        close_http_response ctx -> ok
                    expect out:reset:Closed",
                ),
                case("close_http_response 99 -> bad_argument"),
                case("close_http_response ctx -> ok\nclose_http_response ctx -> invalid_operation"),
                of_another("close_http_response $other -> not_allowed"),
            ],
        ),
        row(
            "on_http_request_headers",
            vec![case(
                "@on_http_request_headers\nexpect on_http_request_headers(2,5,1)",
            )],
        ),
        row(
            "on_http_request_body",
            vec![case(
                "drive rqh rqb:abc!\n@on_http_request_body\nexpect on_http_request_body(2,3,1)",
            )],
        ),
        row(
            "on_http_request_trailers",
            vec![case(
                "drive rqh rqt\n@on_http_request_trailers\nexpect on_http_request_trailers(2,1)",
            )],
        ),
        row(
            "on_http_request_metadata",
            vec![case(
                "drive rqh rqm\n@on_http_request_metadata\nexpect on_http_request_metadata(2,1)",
            )],
        ),
        row(
            "on_http_response_headers",
            vec![case(
                "drive rqh! rsh\n@on_http_response_headers\nexpect on_http_response_headers(2,2,0)",
            )],
        ),
        row(
            "on_http_response_body",
            vec![case(
                "drive rqh! rsh rsb:abcd\n@on_http_response_body\nexpect on_http_response_body(2,4,0)",
            )],
        ),
        row(
            "on_http_response_trailers",
            vec![case(
                "drive rqh! rsh rst\n@on_http_response_trailers\nexpect on_http_response_trailers(2,1)",
            )],
        ),
        row(
            "on_http_response_metadata",
            vec![case(
                "drive rqh! rsh rsm\n@on_http_response_metadata\nexpect on_http_response_metadata(2,1)",
            )],
        ),
    ]
}

fn send_http_response() -> Vec<Case> {
    vec![
        case(
            "send_http_response ctx 403 '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z2' 'no' -1 -> ok
            expect out:rsh:403",
        ),
        case("send_http_response ctx 200 none none 7 -> ok\nexpect out:rsh:200"),
        case("send_http_response 99 403 none none -1 -> bad_argument"),
        case("send_http_response ctx 99 none none -1 -> bad_argument"),
        case("send_http_response ctx 403 '\\01' none -1 -> bad_argument"),
        case(
            "send_http_response ctx 403 '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z\\0a' none -1 -> bad_argument",
        ),
        case("send_http_response ctx 403 bad none -1 -> invalid_memory_access"),
        case("send_http_response ctx 403 none bad -1 -> invalid_memory_access"),
        case(
            "send_http_response ctx 403 none none -1 -> ok
            send_http_response ctx 404 none none -1 -> invalid_operation
            expect out:rsh:403",
        ),
        case("send_http_response ctx 403 none '12345' -1 -> unavailable")
            .with(|setup| setup.config.limits.written_body_bytes = 4),
        of_another("send_http_response $other 403 none none -1 -> not_allowed"),
    ]
}
