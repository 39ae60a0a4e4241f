//! ABI 0.2.1: life, logs, buffers, maps, properties, and HTTP streams.

use super::{Case, Row, case};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "env",
        function,
        cases,
    };
    vec![
        row(
            "proxy_log",
            vec![
                case("proxy_log 2 'hello' -> ok\nexpect hello"),
                case("proxy_log 6 'x' -> bad_argument"),
                case("proxy_log 2 bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_get_log_level",
            vec![
                case("proxy_get_log_level &level -> ok\ncheck $level 2"),
                case("proxy_get_log_level &bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_get_current_time_nanoseconds",
            vec![
                case("proxy_get_current_time_nanoseconds &time -> ok"),
                case("proxy_get_current_time_nanoseconds &bad -> invalid_memory_access"),
            ],
        ),
        row("proxy_get_buffer_bytes", get_buffer_bytes()),
        row(
            "proxy_get_buffer_status",
            vec![
                of_body("proxy_get_buffer_status 0 &size &flags -> ok\ncheck $size 5\ncheck $flags 0"),
                case("proxy_get_buffer_status 0 &size &flags -> not_found"),
                case("proxy_get_buffer_status 9 &size &flags -> bad_argument"),
                of_body("proxy_get_buffer_status 0 &bad &flags -> invalid_memory_access"),
                of_body("proxy_get_buffer_status 0 &size &bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_set_buffer_bytes",
            vec![
                of_body(
                    "proxy_set_buffer_bytes 0 0 -1 'bye' -> ok
                    proxy_get_buffer_bytes 0 0 100 &at &size -> ok
                    check $size 3
                    expect_at $at 'bye'",
                ),
                case("proxy_set_buffer_bytes 0 0 0 'x' -> bad_argument"),
                case("proxy_set_buffer_bytes 9 0 0 'x' -> bad_argument"),
                of_body("proxy_set_buffer_bytes 0 0 0 bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_get_header_map_pairs",
            vec![
                case("proxy_get_header_map_pairs 0 &at &size -> ok"),
                case("proxy_get_header_map_pairs 8 &at &size -> bad_argument"),
                case("proxy_get_header_map_pairs 0 &bad &size -> invalid_memory_access"),
                case("proxy_get_header_map_pairs 0 &at &bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_get_header_map_size",
            vec![
                case("proxy_get_header_map_size 0 &size -> ok"),
                case("proxy_get_header_map_size 8 &size -> bad_argument"),
                case("proxy_get_header_map_size 0 &bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_get_header_map_value",
            vec![
                case("proxy_get_header_map_value 0 'x' &at &size -> ok\ncheck $size 1\nexpect_at $at '1'"),
                case("proxy_get_header_map_value 0 'none' &at &size -> not_found"),
                case("proxy_get_header_map_value 8 'x' &at &size -> bad_argument"),
                case("proxy_get_header_map_value 0 bad &at &size -> invalid_memory_access"),
                case("proxy_get_header_map_value 0 'x' &bad &size -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_set_header_map_pairs",
            vec![
                case(
                    "proxy_set_header_map_pairs 0 '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z\\002\\00' -> ok
                    proxy_get_header_map_value 0 'z' &at &size -> ok
                    expect_at $at '2'",
                ),
                case("proxy_set_header_map_pairs 0 '\\01' -> bad_argument"),
                case("proxy_set_header_map_pairs 0 bad -> invalid_memory_access"),
            ],
        ),
        row("proxy_add_header_map_value", changed("proxy_add_header_map_value 0")),
        row("proxy_replace_header_map_value", changed("proxy_replace_header_map_value 0")),
        row(
            "proxy_remove_header_map_value",
            vec![
                case(
                    "proxy_remove_header_map_value 0 'x' -> ok
                    proxy_get_header_map_value 0 'x' &at &size -> not_found",
                ),
                case("proxy_remove_header_map_value 8 'x' -> bad_argument"),
                case("proxy_remove_header_map_value 0 bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_get_property",
            vec![
                case("proxy_get_property 'request\\00path' &at &size -> ok\nexpect_at $at '/path?query'"),
                case("proxy_get_property 'nothing' &at &size -> not_found"),
                case("proxy_get_property bad &at &size -> invalid_memory_access"),
                case("proxy_get_property 'plugin_name' &bad &size -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_set_property",
            vec![
                case("proxy_set_property 'mine' 'value' -> ok\nproxy_get_property 'mine' &at &size -> ok\nexpect_at $at 'value'"),
                case("proxy_set_property 'plugin_name' 'value' -> bad_argument"),
                case("proxy_set_property 'mine' bad -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_send_local_response",
            vec![
                case("proxy_send_local_response 403 'why' 'no' none -1 -> ok\nreturn pause\nexpect out:rsh:403"),
                case("proxy_send_local_response 403 none none '\\01' -1 -> bad_argument"),
                case("proxy_send_local_response 403 none bad none -1 -> invalid_memory_access"),
            ],
        ),
        row(
            "proxy_continue_stream",
            vec![
                case("proxy_continue_stream 0 -> ok\nreturn pause\nexpect out:rqh"),
                case("proxy_continue_stream 4 -> bad_argument"),
            ],
        ),
        row(
            "proxy_close_stream",
            vec![
                case("proxy_close_stream 0 -> ok\nexpect out:reset:Closed"),
                case("proxy_close_stream 4 -> bad_argument"),
            ],
        ),
        row(
            "proxy_set_effective_context",
            vec![
                case("proxy_set_effective_context $first -> ok"),
                case("proxy_set_effective_context 99 -> bad_argument"),
            ],
        ),
        row(
            "proxy_done",
            vec![
                case("drive rqh stop rqb:x\n@proxy_on_done\nreturn 0\n@proxy_on_request_body\nproxy_set_effective_context $first -> ok\nproxy_done -> ok"),
                case("proxy_done -> not_found"),
            ],
        ),
        row("proxy_on_context_create", vec![case("expect proxy_on_context_create(2,1)")]),
        row("proxy_on_vm_start", vec![case("@proxy_on_vm_start\nexpect proxy_on_vm_start(1,0)")]),
        row("proxy_on_configure", vec![case("@proxy_on_configure\nexpect proxy_on_configure(1,0)")]),
        row("proxy_on_done", vec![case("@proxy_on_done\nexpect proxy_on_done(2)")]),
        row("proxy_on_log", vec![case("@proxy_on_log\nexpect proxy_on_log(2)")]),
        row("proxy_on_delete", vec![case("@proxy_on_delete\nexpect proxy_on_delete(2)")]),
        row("proxy_on_request_headers", vec![case("@proxy_on_request_headers\nexpect proxy_on_request_headers(2,5,1)")]),
        row("proxy_on_request_body", vec![case("drive rqh rqb:abc!\n@proxy_on_request_body\nexpect proxy_on_request_body(2,3,1)")]),
        row("proxy_on_request_trailers", vec![case("drive rqh rqt\n@proxy_on_request_trailers\nexpect proxy_on_request_trailers(2,1)")]),
        row("proxy_on_request_metadata", vec![case("drive rqh rqm\n@proxy_on_request_metadata\nexpect proxy_on_request_metadata(2,1)")]),
        row("proxy_on_response_headers", vec![case("drive rqh! rsh\n@proxy_on_response_headers\nexpect proxy_on_response_headers(2,2,0)")]),
        row("proxy_on_response_body", vec![case("drive rqh! rsh rsb:abcd\n@proxy_on_response_body\nexpect proxy_on_response_body(2,4,0)")]),
        row("proxy_on_response_trailers", vec![case("drive rqh! rsh rst\n@proxy_on_response_trailers\nexpect proxy_on_response_trailers(2,1)")]),
        row("proxy_on_response_metadata", vec![case("drive rqh! rsh rsm\n@proxy_on_response_metadata\nexpect proxy_on_response_metadata(2,1)")]),
    ]
}

fn get_buffer_bytes() -> Vec<Case> {
    vec![
        of_body(
            "proxy_get_buffer_bytes 0 1 3 &at &size -> ok
            check $size 3
            expect_at $at 'ell'",
        ),
        case("proxy_get_buffer_bytes 0 0 100 &at &size -> not_found"),
        case("proxy_get_buffer_bytes 9 0 100 &at &size -> bad_argument"),
        of_body("proxy_get_buffer_bytes 0 1 -1 &at &size -> bad_argument"),
        of_body("proxy_get_buffer_bytes 0 0 100 &bad &size -> invalid_memory_access"),
        of_body("proxy_get_buffer_bytes 0 0 100 &at &bad -> invalid_memory_access"),
    ]
}

/// A step while the body `hello` is at the plugin.
fn of_body(steps: &str) -> Case {
    case(format!("drive rqh rqb:hello!\n@proxy_on_request_body\n{steps}"))
}

/// The cases of a function that sets a value.
fn changed(call: &str) -> Vec<Case> {
    vec![
        case(format!(
            "{call} 'z' '2' -> ok
            proxy_get_header_map_value 0 'z' &at &size -> ok
            expect_at $at '2'"
        )),
        case(format!("{call} 'z' '\\0a' -> bad_argument")),
        case(format!("{call} bad '2' -> invalid_memory_access")),
        case(format!("{call} 'z' bad -> invalid_memory_access")),
    ]
}
