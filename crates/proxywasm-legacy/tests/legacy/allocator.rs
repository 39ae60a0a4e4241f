//! The guest's allocator: what it may return, and what it may do.

use crate::support::{Guest, HOSTCALLS, RETURN, imports, passing_on};

const OK: u32 = 0;
const INVALID_MEMORY_ACCESS: u32 = 6;
const INTERNAL_FAILURE: u32 = 10;

/// Calls of each hostcall that hands something over through the allocator.
const CALLS: &[(&str, &[u32], &[u8])] = &[
    ("proxy_get_buffer_bytes", &[0, 0, 9, 16, 20], b"abcdef"),
    ("proxy_get_header_map_value", &[0, 64, 1, 16, 20], b"1"),
    ("proxy_get_property", &[72, 11, 16, 20], b"test"),
];

const DATA: &str = r#"(data (i32.const 64) "x") (data (i32.const 72) "plugin_name")"#;

/// The guest of `passing_on` with another allocator.
fn with_allocator(body: &str) -> Guest {
    let wat = passing_on(DATA).replace(
        "(global.get $next)\n                (global.set $next (i32.add (global.get $next) (local.get $size)))",
        body,
    );
    assert!(wat.contains(body));
    Guest::from_wat(&wat)
}

#[test]
fn blocks_that_cannot_be() {
    for block in ["0", "65536", "65535", "-1", "-4"] {
        for (name, arguments, _) in CALLS {
            let mut guest = with_allocator(&format!("(i32.const {block})"));
            let mut expected = INVALID_MEMORY_ACCESS;
            // A block at the last byte fits one byte.
            if block == "65535" && *name == "proxy_get_header_map_value" {
                expected = OK;
            }
            assert_eq!(guest.call(name, arguments), expected, "{name} {block}");
        }
        let mut guest = with_allocator(&format!("(i32.const {block})"));
        assert_eq!(
            guest.call("proxy_get_header_map_pairs", &[0, RETURN[0], RETURN[1]]),
            INVALID_MEMORY_ACCESS
        );
    }
}

#[test]
fn a_trap_in_it_is_a_trap_of_the_callback() {
    for (name, arguments, _) in CALLS {
        let mut guest = with_allocator("unreachable");
        assert!(guest.try_call(name, arguments).is_err(), "{name}");
    }
}

#[test]
fn memory_that_grows_in_it() {
    for (name, arguments, expected) in CALLS {
        let mut guest = with_allocator("(i32.mul (memory.grow (i32.const 30)) (i32.const 65536))");
        assert_eq!(guest.call(name, arguments), OK, "{name}");
        assert_eq!(guest.number(RETURN[0]), 65536, "{name}");
        assert_eq!(guest.returned(), *expected, "{name}");
    }
}

/// While the allocator runs, it may log; every other hostcall fails.
#[test]
fn hostcalls_from_it() {
    for (name, parameters) in HOSTCALLS {
        let zeros = "(i32.const 0) ".repeat(*parameters);
        let mut guest = with_allocator(&format!(
            "(global.set $status (call ${name} {zeros})) (i32.const 4096)) (global $status (export \"status\") (mut i32) (i32.const -1)"
        ));
        for (caller, arguments, expected) in CALLS {
            assert_eq!(guest.call(caller, arguments), OK, "{name}");
            assert_eq!(guest.returned(), *expected, "{name}");
            let expected = if *name == "proxy_log" {
                OK
            } else {
                INTERNAL_FAILURE
            };
            assert_eq!(guest.global("status"), expected, "{name}");
        }
        assert_eq!(guest.call("proxy_get_log_level", &[0]), OK, "allowed again");
    }
}

#[test]
fn either_name_will_do() {
    let allocator = |name: &str, address: u32| {
        format!(r#"(func (export "{name}") (param i32) (result i32) (i32.const {address}))"#)
    };
    let table = [
        (allocator("malloc", 4096), 4096),
        (allocator("proxy_on_memory_allocate", 8192), 8192),
        (
            allocator("malloc", 4096) + &allocator("proxy_on_memory_allocate", 8192),
            8192,
        ),
    ];
    for (exports, address) in table {
        let mut guest = Guest::from_wat(&format!(
            r#"(module {} (memory (export "memory") 1) {exports}
                (func (export "get") (result i32)
                    (call $proxy_get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 16) (i32.const 20))))"#,
            imports()
        ));
        assert_eq!(guest.call("get", &[]), OK);
        assert_eq!(guest.number(RETURN[0]), address);
        assert_eq!(guest.returned(), b"abcdef");
    }
}
