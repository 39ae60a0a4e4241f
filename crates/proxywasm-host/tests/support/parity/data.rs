//! Logs, buffers, maps and properties.

use super::Difference::{None as Same, Status, Version};
use super::{Pair, pair};

pub(super) fn rows() -> Vec<Pair> {
    [logs(), buffers(), maps(), properties()]
        .into_iter()
        .flatten()
        .collect()
}

fn logs() -> Vec<Pair> {
    vec![
        pair(
            "proxy_log",
            "a message",
            "log 2 'x' -> ok",
            "proxy_log 2 'x' -> ok",
            Same,
        ),
        pair(
            "proxy_log",
            "a level that there is not",
            "log 6 'x' -> bad_argument",
            "proxy_log 6 'x' -> bad_argument",
            Same,
        ),
        pair(
            "proxy_log",
            "a bad address",
            "log 2 bad -> invalid_memory_access",
            "proxy_log 2 bad -> invalid_memory_access",
            Same,
        ),
        pair(
            "proxy_get_log_level",
            "the level",
            "get_log_level &l -> ok\ncheck $l 2",
            "proxy_get_log_level &l -> ok\ncheck $l 2",
            Same,
        ),
        pair(
            "proxy_get_log_level",
            "a bad address",
            "get_log_level &bad -> invalid_memory_access",
            "proxy_get_log_level &bad -> invalid_memory_access",
            Same,
        ),
    ]
}

fn buffers() -> Vec<Pair> {
    vec![
        pair(
            "proxy_get_buffer_bytes",
            "a part of a body",
            "drive rqh rqb:hello!\n@on_http_request_body\nget_buffer ctx 3 1 3 out &size -> ok\nexpect_out 'ell'\ncheck $size 3",
            "drive rqh rqb:hello!\n@proxy_on_request_body\nproxy_get_buffer_bytes 0 1 3 &at &size -> ok\nexpect_at $at 'ell'\ncheck $size 3",
            Same,
        ),
        pair(
            "proxy_get_buffer_bytes",
            "beyond the end",
            "drive rqh rqb:hello!\n@on_http_request_body\nget_buffer ctx 3 9 3 out &size -> ok\ncheck $size 0",
            "drive rqh rqb:hello!\n@proxy_on_request_body\nproxy_get_buffer_bytes 0 9 3 &at &size -> ok\ncheck $size 0",
            Same,
        ),
        pair(
            "proxy_get_buffer_bytes",
            "a body that is not here",
            "get_buffer ctx 3 0 9 out &size -> invalid_operation",
            "proxy_get_buffer_bytes 0 0 9 &at &size -> not_found",
            Status,
        ),
        pair(
            "proxy_get_configuration",
            "the configuration",
            "@on_plugin_start\nget_buffer arg0 0 0 9 out &size -> ok\nexpect_out 'abc'\ncheck $size 3",
            "@proxy_on_configure\nproxy_get_configuration &at &size -> ok\nexpect_at $at 'abc'\ncheck $size 3",
            Same,
        )
        .with(|setup| setup.config.configuration = "abc".into()),
        pair(
            "proxy_get_buffer_bytes",
            "the configuration",
            "get_buffer $first 0 0 9 out &size -> ok\nexpect_out 'abc'\ncheck $size 3",
            "proxy_get_buffer_bytes 7 0 9 &at &size -> ok\nexpect_at $at 'abc'\ncheck $size 3",
            Same,
        )
        .with(|setup| setup.config.configuration = "abc".into()),
        pair(
            "proxy_get_buffer_status",
            "the size of a body",
            "drive rqh rqb:hello!\n@on_http_request_body\nget_buffer ctx 3 0 -1 none &size -> ok\ncheck $size 5",
            "drive rqh rqb:hello!\n@proxy_on_request_body\nproxy_get_buffer_status 0 &size &flags -> ok\ncheck $size 5",
            Same,
        ),
        pair(
            "proxy_set_buffer_bytes",
            "replaces all",
            "drive rqh rqb:hello!\n@on_http_request_body\nset_buffer ctx 3 0 -1 'bye' -> ok",
            "drive rqh rqb:hello!\n@proxy_on_request_body\nproxy_set_buffer_bytes 0 0 -1 'bye' -> ok",
            Same,
        ),
        pair(
            "proxy_set_buffer_bytes",
            "in the middle",
            "drive rqh rqb:hello!\n@on_http_request_body\nset_buffer ctx 3 1 2 'XY-' -> ok\nget_buffer ctx 3 0 9 out &size -> ok\nexpect_out 'hXY-lo'\nset_buffer ctx 3 0 0 none -> ok",
            "drive rqh rqb:hello!\n@proxy_on_request_body\nproxy_set_buffer_bytes 0 1 2 'XY-' -> ok\nproxy_get_buffer_bytes 0 0 9 &at &size -> ok\nexpect_at $at 'hXY-lo'\nproxy_set_buffer_bytes 0 0 0 none -> ok",
            Same,
        ),
        pair(
            "proxy_set_buffer_bytes",
            "a body that is not here",
            "set_buffer ctx 3 0 0 'x' -> invalid_operation",
            "proxy_set_buffer_bytes 0 0 0 'x' -> bad_argument",
            Status,
        ),
        pair(
            "proxy_set_buffer_bytes",
            "the configuration",
            "set_buffer $first 0 0 0 'x' -> invalid_operation",
            "proxy_set_buffer_bytes 7 0 0 'x' -> bad_argument",
            Status,
        ),
        pair(
            "proxy_set_buffer_bytes",
            "more than may be written",
            "drive rqh rqb:hello!\n@on_http_request_body\nset_buffer ctx 3 -1 0 '123456' -> unavailable",
            "drive rqh rqb:hello!\n@proxy_on_request_body\nproxy_set_buffer_bytes 0 -1 0 '123456' -> internal_failure",
            Status,
        )
        .with(|setup| setup.config.limits.written_body_bytes = 10),
    ]
}

fn maps() -> Vec<Pair> {
    vec![
        pair(
            "proxy_get_header_map_value",
            "a header",
            "get_map_values ctx 0 'x' out &size -> ok\nexpect_out '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00x1'",
            "proxy_get_header_map_value 0 'x' &at &size -> ok\nexpect_at $at '1'",
            Same,
        ),
        pair(
            "proxy_get_header_map_value",
            "a header that is not there",
            "get_map_values ctx 0 'none' out &size -> ok\ncheck $size 4",
            "proxy_get_header_map_value 0 'none' &at &size -> not_found",
            Version("ok"),
        ),
        pair(
            "proxy_get_header_map_value",
            "a map that is not here",
            "get_map_values ctx 3 'y' out &size -> invalid_operation",
            "proxy_get_header_map_value 2 'y' &at &size -> not_found",
            Version("ok"),
        ),
        pair(
            "proxy_get_header_map_pairs",
            "all headers",
            "get_map_values ctx 0 none out &size -> ok",
            "proxy_get_header_map_pairs 0 &at &size -> ok",
            Same,
        ),
        pair(
            "proxy_get_header_map_pairs",
            "a map that is not here",
            "get_map_values ctx 3 none out &size -> invalid_operation",
            "proxy_get_header_map_pairs 2 &at &size -> ok\ncheck $size 0",
            Status,
        ),
        pair(
            "proxy_get_header_map_pairs",
            "a map that there is not",
            "get_map_values ctx 10 none out &size -> bad_argument",
            "proxy_get_header_map_pairs 8 &at &size -> bad_argument",
            Same,
        ),
        pair(
            "proxy_get_header_map_size",
            "all headers",
            "get_map_values ctx 0 none out &size -> ok",
            "proxy_get_header_map_size 0 &size -> ok",
            Same,
        ),
        pair(
            "proxy_get_header_map_size",
            "a map that is not here",
            "get_map_values ctx 3 none out &size -> invalid_operation",
            "proxy_get_header_map_size 2 &size -> bad_argument",
            Status,
        ),
        pair(
            "proxy_add_header_map_value",
            "one more value",
            "set_map_values ctx 0 none '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00x2' -> ok",
            "proxy_add_header_map_value 0 'x' '2' -> ok",
            Same,
        ),
        pair(
            "proxy_add_header_map_value",
            "a value that no header can have",
            "set_map_values ctx 0 none '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z\\0a' -> bad_argument",
            "proxy_add_header_map_value 0 'z' '\\0a' -> bad_argument",
            Same,
        ),
        pair(
            "proxy_add_header_map_value",
            "headers that have gone on",
            "drive rqh rqb:x!\n@on_http_request_body\nset_map_values ctx 0 none '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00x2' -> invalid_operation",
            "drive rqh rqb:x!\n@proxy_on_request_body\nproxy_add_header_map_value 0 'x' '2' -> bad_argument",
            Status,
        ),
        pair(
            "proxy_add_header_map_value",
            "more pairs than there may be",
            "set_map_values ctx 0 none '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00z2' -> unavailable",
            "proxy_add_header_map_value 0 'z' '2' -> internal_failure",
            Status,
        )
        .with(|setup| setup.config.limits.map.pairs = 5),
        pair(
            "proxy_replace_header_map_value",
            "another value",
            "set_map_values ctx 0 'x' '\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00x2' -> ok",
            "proxy_replace_header_map_value 0 'x' '2' -> ok",
            Same,
        ),
        pair(
            "proxy_remove_header_map_value",
            "a header",
            "set_map_values ctx 0 'x' none -> ok",
            "proxy_remove_header_map_value 0 'x' -> ok",
            Same,
        ),
        pair(
            "proxy_remove_header_map_value",
            "a header that is not there",
            "set_map_values ctx 0 'none' none -> ok",
            "proxy_remove_header_map_value 0 'none' -> ok",
            Same,
        ),
        pair(
            "proxy_set_header_map_pairs",
            "bytes that are no map",
            "set_map_values ctx 0 none '\\01' -> bad_argument",
            "proxy_set_header_map_pairs 0 '\\01' -> bad_argument",
            Same,
        ),
        pair(
            "proxy_set_header_map_pairs",
            "headers that have gone on",
            "drive rqh rqb:x!\n@on_http_request_body\nset_map_values ctx 0 '*' none -> invalid_operation",
            "drive rqh rqb:x!\n@proxy_on_request_body\nproxy_set_header_map_pairs 0 none -> bad_argument",
            Status,
        ),
    ]
}

fn properties() -> Vec<Pair> {
    vec![
        pair(
            "proxy_get_property",
            "of the request",
            "get_property ctx 'request\\00path' out &size -> ok\nexpect_out '/path?query'",
            "proxy_get_property 'request\\00path' &at &size -> ok\nexpect_at $at '/path?query'",
            Same,
        ),
        pair(
            "proxy_get_property",
            "one that there is not",
            "get_property ctx 'nothing' out &size -> not_found",
            "proxy_get_property 'nothing' &at &size -> not_found",
            Same,
        ),
        pair(
            "proxy_set_property",
            "one's own",
            "set_property ctx 'mine' 'value' -> ok\nget_property ctx 'mine' out &size -> ok\nexpect_out 'value'",
            "proxy_set_property 'mine' 'value' -> ok\nproxy_get_property 'mine' &at &size -> ok\nexpect_at $at 'value'",
            Same,
        ),
        pair(
            "proxy_set_property",
            "a well-known one",
            "set_property ctx 'plugin_name' 'value' -> not_allowed",
            "proxy_set_property 'plugin_name' 'value' -> bad_argument",
            Status,
        ),
        pair(
            "proxy_set_property",
            "more than may be set",
            "set_property ctx 'mine' 'value' -> unavailable",
            "proxy_set_property 'mine' 'value' -> internal_failure",
            Status,
        )
        .with(|setup| setup.config.limits.property_bytes = 4),
    ]
}
