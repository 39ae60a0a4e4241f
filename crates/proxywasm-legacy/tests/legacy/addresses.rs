//! Bad addresses: a status, never a trap, and no effect.

use crate::support::{END, Guest, HOSTCALLS, passing_on};

const INVALID_MEMORY_ACCESS: u32 = 6;
/// A gRPC stream that is open.
const STREAM: u32 = 1;

/// What an address argument stands for.
#[derive(Clone, Copy)]
enum Address {
    /// So many bytes are written there.
    Result(u32),
    /// The argument behind it says how many bytes are read there.
    Span,
}

use Address::{Result, Span};

/// Arguments that every hostcall would accept, and which of them are addresses.
const TABLE: &[(&str, &[u32], &[(usize, Address)])] = &[
    (
        "proxy_add_header_map_value",
        &[0, 64, 1, 64, 1],
        &[(1, Span), (3, Span)],
    ),
    (
        "proxy_call_foreign_function",
        &[88, 5, 64, 1, 16, 20],
        &[(0, Span), (2, Span), (4, Result(4)), (5, Result(4))],
    ),
    (
        "proxy_define_metric",
        &[0, 64, 1, 16],
        &[(1, Span), (3, Result(4))],
    ),
    (
        "proxy_dequeue_shared_queue",
        &[1, 16, 20],
        &[(1, Result(4)), (2, Result(4))],
    ),
    ("proxy_enqueue_shared_queue", &[1, 64, 1], &[(1, Span)]),
    (
        "proxy_get_buffer_bytes",
        &[0, 0, 9, 16, 20],
        &[(3, Result(4)), (4, Result(4))],
    ),
    (
        "proxy_get_buffer_status",
        &[0, 16, 20],
        &[(1, Result(4)), (2, Result(4))],
    ),
    (
        "proxy_get_configuration",
        &[16, 20],
        &[(0, Result(4)), (1, Result(4))],
    ),
    ("proxy_get_current_time_nanoseconds", &[16], &[(0, Result(8))]),
    (
        "proxy_get_header_map_pairs",
        &[0, 16, 20],
        &[(1, Result(4)), (2, Result(4))],
    ),
    ("proxy_get_header_map_size", &[0, 16], &[(1, Result(4))]),
    (
        "proxy_get_header_map_value",
        &[0, 64, 1, 16, 20],
        &[(1, Span), (3, Result(4)), (4, Result(4))],
    ),
    ("proxy_get_log_level", &[16], &[(0, Result(4))]),
    ("proxy_get_metric", &[4, 16], &[(1, Result(8))]),
    (
        "proxy_get_property",
        &[72, 11, 16, 20],
        &[(0, Span), (2, Result(4)), (3, Result(4))],
    ),
    (
        "proxy_get_shared_data",
        &[64, 1, 16, 20, 24],
        &[(0, Span), (2, Result(4)), (3, Result(4)), (4, Result(4))],
    ),
    (
        "proxy_get_status",
        &[12, 16, 20],
        &[(0, Result(4)), (1, Result(4)), (2, Result(4))],
    ),
    (
        "proxy_grpc_call",
        &[64, 1, 64, 1, 64, 1, 0, 4, 64, 1, 0, 16],
        &[
            (0, Span),
            (2, Span),
            (4, Span),
            (6, Span),
            (8, Span),
            (11, Result(4)),
        ],
    ),
    ("proxy_grpc_send", &[STREAM, 64, 1, 0], &[(1, Span)]),
    (
        "proxy_grpc_stream",
        &[64, 1, 64, 1, 64, 1, 0, 4, 16],
        &[(0, Span), (2, Span), (4, Span), (6, Span), (8, Result(4))],
    ),
    (
        "proxy_http_call",
        &[64, 1, 128, 61, 64, 1, 0, 4, 0, 16],
        &[(0, Span), (2, Span), (4, Span), (6, Span), (9, Result(4))],
    ),
    ("proxy_log", &[2, 64, 1], &[(1, Span)]),
    (
        "proxy_register_shared_queue",
        &[64, 1, 16],
        &[(0, Span), (2, Result(4))],
    ),
    ("proxy_remove_header_map_value", &[0, 64, 1], &[(1, Span)]),
    (
        "proxy_replace_header_map_value",
        &[0, 64, 1, 64, 1],
        &[(1, Span), (3, Span)],
    ),
    (
        "proxy_resolve_shared_queue",
        &[0, 0, 64, 1, 16],
        &[(0, Span), (2, Span), (4, Result(4))],
    ),
    (
        "proxy_send_local_response",
        &[403, 64, 1, 64, 1, 0, 4, u32::MAX],
        &[(1, Span), (3, Span), (5, Span)],
    ),
    ("proxy_set_buffer_bytes", &[0, 0, 0, 64, 1], &[(3, Span)]),
    ("proxy_set_header_map_pairs", &[0, 0, 4], &[(1, Span)]),
    ("proxy_set_property", &[64, 1, 64, 1], &[(0, Span), (2, Span)]),
    (
        "proxy_set_shared_data",
        &[64, 1, 64, 1, 0],
        &[(0, Span), (2, Span)],
    ),
];

fn guest() -> Guest {
    let mut guest = Guest::from_wat(&passing_on(
        r#"(data (i32.const 64) "x") (data (i32.const 72) "plugin_name") (data (i32.const 88) "twice")
        ;; :method GET, :path /, :authority x
        (data (i32.const 128) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00")
        (data (i32.const 156) ":method\00GET\00:path\00/\00:authority\00x\00")"#,
    ));
    assert_eq!(guest.call("proxy_set_shared_data", &[64, 1, 64, 1, 0]), 0);
    assert_eq!(guest.call("proxy_define_metric", &[0, 64, 1, 16]), 0);
    assert_eq!(guest.number(16), 4, "the metric of the table");
    assert_eq!(guest.call("proxy_register_shared_queue", &[64, 1, 16]), 0);
    assert_eq!(guest.number(16), 1, "the queue of the table");
    let open_stream = &[64, 1, 64, 1, 64, 1, 0, 4, 16];
    assert_eq!(guest.call("proxy_grpc_stream", open_stream), 0);
    assert_eq!(guest.number(16), STREAM, "the gRPC stream of the table");
    assert_eq!(guest.call("proxy_enqueue_shared_queue", &[1, 64, 1]), 0);
    guest
}

#[test]
fn the_table_is_complete() {
    let without_addresses = [
        "proxy_clear_route_cache",
        "proxy_close_stream",
        "proxy_continue_request",
        "proxy_continue_response",
        "proxy_continue_stream",
        "proxy_done",
        "proxy_grpc_cancel",
        "proxy_grpc_close",
        "proxy_remove_metric",
        "proxy_remove_shared_queue",
        "proxy_resume_downstream",
        "proxy_resume_upstream",
        "proxy_set_effective_context",
        "proxy_set_tick_period_milliseconds",
    ];
    for (name, parameters) in HOSTCALLS {
        match TABLE.iter().find(|(tested, ..)| tested == name) {
            Some((_, arguments, _)) => {
                assert_eq!(arguments.len(), *parameters, "{name}");
                assert_eq!(guest().call(name, arguments), 0, "{name} takes these arguments");
            }
            None => assert!(without_addresses.contains(name), "{name}"),
        }
    }
}

#[test]
fn each_address_of_each_hostcall() {
    let mut guest = guest();
    let headers = guest.request_headers();
    for (name, arguments, addresses) in TABLE {
        for (index, address) in *addresses {
            let mut bad: Vec<Vec<u32>> = Vec::new();
            let mut with = |address: u32, len: Option<u32>| {
                let mut arguments = arguments.to_vec();
                arguments[*index] = address;
                if let Some(len) = len {
                    arguments[index + 1] = len;
                }
                bad.push(arguments);
            };
            match address {
                Result(size) => {
                    for address in [END - size + 1, END, 0x7fff_ffff, u32::MAX - 3, u32::MAX] {
                        with(address, None);
                    }
                }
                Span => {
                    for (address, len) in [
                        (END, 1),
                        (END + 1, 0),
                        (END - 1, 2),
                        (0, END + 1),
                        (1, u32::MAX),
                        (u32::MAX, 1),
                        (u32::MAX, u32::MAX),
                    ] {
                        with(address, Some(len));
                    }
                }
            }
            for arguments in bad {
                assert_eq!(
                    guest.call(name, &arguments),
                    INVALID_MEMORY_ACCESS,
                    "{name} {arguments:x?}"
                );
            }
        }
    }
    assert_eq!(guest.global("next"), 32768, "nothing was allocated");
    assert_eq!(guest.request_headers(), headers);
    assert_eq!(guest.body(wasi_common::Direction::Request), "abcdef");
    assert!(!guest.store.data().http.has_effects());
    assert_eq!(guest.sink.take(), []);
}

#[test]
fn the_end_of_the_memory_is_inside() {
    let mut guest = guest();
    assert_eq!(guest.call("proxy_get_log_level", &[END - 4]), 0);
    assert_eq!(guest.call("proxy_get_current_time_nanoseconds", &[END - 8]), 0);
    assert_eq!(guest.call("proxy_log", &[2, END - 1, 1]), 0);
    assert_eq!(guest.call("proxy_log", &[2, END, 0]), 0);
    assert_eq!(guest.call("proxy_log", &[2, 0, 0]), 0);
}
