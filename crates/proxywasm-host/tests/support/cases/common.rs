//! wasi-common.

use super::{Case, Row, case, of_another, two};

pub(crate) fn rows() -> Vec<Row> {
    let row = |function, cases| Row {
        module: "wasi-common",
        function,
        cases,
    };
    vec![
        row("get_buffer", get_buffer()),
        row("set_buffer", set_buffer()),
        row("get_map_values", get_map_values()),
        row("set_map_values", set_map_values()),
        row("get_property", get_property()),
        row("set_property", set_property()),
    ]
}

fn get_buffer() -> Vec<Case> {
    vec![
        case(
            "drive rqh rqb:hello!
            @on_http_request_body
                get_buffer ctx 3 1 3 out &size -> ok
                expect_out 'ell'
                check $size 3
                get_buffer ctx 3 0 -1 none &size -> ok
                check $size 5",
        ),
        case("get_buffer $first 0 0 -1 out &size -> ok")
            .with(|setup| setup.config.configuration = "abc".into()),
        case("get_buffer 99 3 0 -1 out &size -> bad_argument"),
        case("get_buffer ctx 8 0 -1 out &size -> bad_argument"),
        case("get_buffer 99 5 0 -1 out &size -> bad_argument"),
        case("get_buffer 99 7 0 -1 out &size -> bad_argument"),
        case("get_buffer ctx 3 0 -1 out &size -> invalid_operation"),
        case("get_buffer ctx 1 0 -1 out &size -> invalid_operation"),
        case(
            "drive rqh rqb:hello!
            @on_http_request_body
                get_buffer ctx 3 0 -1 bad &size -> invalid_memory_access
                get_buffer ctx 3 0 -1 out &bad -> invalid_memory_access",
        ),
        two("@on_http_request_headers first
                let other ctx
            @on_http_request_headers second
                get_buffer $other 3 0 -1 out &size -> not_allowed
                get_buffer $first 0 0 -1 out &size -> not_allowed"),
    ]
}

fn set_buffer() -> Vec<Case> {
    vec![
        case(
            "drive rqh rqb:hello!
            @on_http_request_body
                set_buffer ctx 3 0 -1 'bye' -> ok
                set_buffer ctx 3 -1 0 ['-','bye'] -> ok
                get_buffer ctx 3 0 -1 out &size -> ok
                expect_out 'bye-bye'",
        ),
        case("set_buffer 99 3 0 0 'x' -> bad_argument"),
        case("set_buffer ctx -1 0 0 'x' -> bad_argument"),
        case("set_buffer ctx 3 0 0 'x' -> invalid_operation"),
        case("set_buffer $first 0 0 0 'x' -> invalid_operation"),
        case(
            "drive rqh rqb:hello!
            @on_http_request_body
                set_buffer ctx 3 0 0 bad -> invalid_memory_access",
        ),
        case(
            "drive rqh rqb:hello!
            @on_http_request_body
                set_buffer ctx 3 -1 0 '123456' -> unavailable
                get_buffer ctx 3 0 -1 out &size -> ok
                check $size 5",
        )
        .with(|setup| setup.config.limits.written_body_bytes = 10),
        of_another("set_buffer $other 3 0 0 'x' -> not_allowed"),
    ]
}

fn get_map_values() -> Vec<Case> {
    vec![
        case(
            "get_map_values ctx 0 'x' out &size -> ok
            expect_out '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00x1'
            get_map_values ctx 0 ['x',':path'] out &size -> ok
            get_map_values ctx 0 none out &size -> ok",
        ),
        case("get_map_values 99 0 'x' out &size -> bad_argument"),
        case("get_map_values ctx 10 'x' out &size -> bad_argument"),
        case("get_map_values 99 6 'x' out &size -> bad_argument"),
        case("get_map_values ctx 3 'y' out &size -> invalid_operation"),
        case("get_map_values ctx 0 'x' out:3 &size -> buffer_too_small\ncheck $size 14"),
        case("get_map_values ctx 0 'x' none &size -> buffer_too_small\ncheck $size 14"),
        case("get_map_values ctx 0 bad out &size -> invalid_memory_access"),
        case("get_map_values ctx 0 'x' bad &size -> invalid_memory_access"),
        case("get_map_values ctx 0 'x' out &bad -> invalid_memory_access"),
        of_another("get_map_values $other 0 'x' out &size -> not_allowed"),
    ]
}

fn set_map_values() -> Vec<Case> {
    vec![
        case(
            "set_map_values ctx 0 'x' '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z2' -> ok
            get_map_values ctx 0 ['x','z'] out &size -> ok
            expect_out '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z2'",
        ),
        case("set_map_values 99 0 none none -> bad_argument"),
        case("set_map_values ctx -1 none none -> bad_argument"),
        case("set_map_values ctx 0 none '\\01' -> bad_argument"),
        case(
            "set_map_values ctx 0 none '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z\\0a' -> bad_argument",
        ),
        case("set_map_values ctx 3 'y' none -> invalid_operation"),
        case("set_map_values ctx 0 bad none -> invalid_memory_access"),
        case("set_map_values ctx 0 none bad -> invalid_memory_access"),
        case(
            "drive rqh rqb:x
            @on_http_request_body
                set_map_values ctx 0 'x' none -> invalid_operation
                get_map_values ctx 0 'x' out &size -> ok",
        ),
        case("set_map_values ctx 0 none '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z2' -> unavailable")
            .with(|setup| setup.config.limits.map.pairs = 5),
        of_another("set_map_values $other 0 'x' none -> not_allowed"),
    ]
}

fn get_property() -> Vec<Case> {
    vec![
        case("get_property ctx 'request\\00path' out &size -> ok\nexpect_out '/path?query'"),
        case("get_property ctx 'plugin_name' out &size -> ok\nexpect_out 'p0'"),
        case("get_property ctx 'nothing' out &size -> not_found"),
        case("get_property 99 'plugin_name' out &size -> bad_argument"),
        case("get_property ctx 'plugin_name' out:1 &size -> buffer_too_small\ncheck $size 2"),
        case("get_property ctx bad out &size -> invalid_memory_access"),
        case("get_property ctx 'plugin_name' bad &size -> invalid_memory_access"),
        case("get_property ctx 'plugin_name' out &bad -> invalid_memory_access"),
        of_another("get_property $other 'plugin_name' out &size -> not_allowed"),
    ]
}

fn set_property() -> Vec<Case> {
    vec![
        case(
            "set_property ctx 'mine' 'value' -> ok
            get_property ctx 'mine' out &size -> ok
            expect_out 'value'",
        ),
        case("set_property ctx '' 'value' -> bad_argument"),
        case("set_property 99 'mine' 'value' -> bad_argument"),
        case("set_property ctx 'plugin_name' 'value' -> not_allowed"),
        case("set_property ctx 'request\\00path' 'value' -> not_allowed"),
        case("set_property ctx bad 'value' -> invalid_memory_access"),
        case("set_property ctx 'mine' bad -> invalid_memory_access"),
        case("set_property ctx 'mine' 'value' -> unavailable")
            .with(|setup| setup.config.limits.property_bytes = 4),
    ]
}
