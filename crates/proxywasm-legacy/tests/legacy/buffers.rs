//! Bodies and configurations.

use crate::support::{Guest, RETURN, passing_on};
use wasi_common::{Access, Direction};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INTERNAL_FAILURE: u32 = 10;

const REQUEST_BODY: u32 = 0;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const MAX: u32 = u32::MAX;

#[test]
fn get() {
    let table: &[(u32, u32, u32, u32, &str)] = &[
        (REQUEST_BODY, 0, MAX, OK, "abcdef"),
        (REQUEST_BODY, 0, 6, OK, "abcdef"),
        (REQUEST_BODY, 2, 2, OK, "cd"),
        (REQUEST_BODY, 5, 1000, OK, "f"),
        (REQUEST_BODY, 0, 0, OK, ""),
        (REQUEST_BODY, 6, 1, OK, ""),
        (REQUEST_BODY, 0x7fff_ffff, 1, OK, ""),
        (REQUEST_BODY, MAX, 0, OK, ""),
        (REQUEST_BODY, MAX, 1, BAD_ARGUMENT, ""),
        (REQUEST_BODY, 2, MAX, BAD_ARGUMENT, ""),
        (VM_CONFIGURATION, 0, MAX, OK, "vm"),
        (PLUGIN_CONFIGURATION, 0, MAX, OK, "configuration"),
        (PLUGIN_CONFIGURATION, 3, 4, OK, "figu"),
        (1, 0, MAX, NOT_FOUND, ""),
        (2, 0, MAX, NOT_FOUND, ""),
        (3, 0, MAX, NOT_FOUND, ""),
        (4, 0, MAX, NOT_FOUND, ""),
        (5, 0, MAX, NOT_FOUND, ""),
        (8, 0, MAX, NOT_FOUND, ""),
        (9, 0, MAX, BAD_ARGUMENT, ""),
        (MAX, 0, MAX, BAD_ARGUMENT, ""),
    ];
    for of_plugin in [false, true] {
        let mut guest = Guest::from_wat(&passing_on(""));
        if of_plugin {
            guest.store.data_mut().common.scope.context_id = guest.plugin_id;
        }
        for (buffer, start, max, status, expected) in table {
            // A plugin has no body.
            let status = match *status {
                OK if of_plugin && *buffer == REQUEST_BODY => NOT_FOUND,
                status => status,
            };
            let got = guest.call(
                "proxy_get_buffer_bytes",
                &[*buffer, *start, *max, RETURN[0], RETURN[1]],
            );
            assert_eq!(got, status, "{buffer} {start} {max}");
            if status == OK {
                assert_eq!(guest.returned(), expected.as_bytes(), "{buffer} {start} {max}");
            }
        }
    }
}

#[test]
fn status() {
    let table = [
        (REQUEST_BODY, OK, 6),
        (VM_CONFIGURATION, OK, 2),
        (PLUGIN_CONFIGURATION, OK, 13),
        (1, NOT_FOUND, 0),
        (4, NOT_FOUND, 0),
        (9, BAD_ARGUMENT, 0),
    ];
    let mut guest = Guest::from_wat(&passing_on(""));
    for (buffer, status, size) in table {
        guest.set_next(16);
        guest.give([0xaa; 8]);
        assert_eq!(
            guest.call("proxy_get_buffer_status", &[buffer, 16, 20]),
            status,
            "{buffer}"
        );
        if status == OK {
            assert_eq!((guest.number(16), guest.number(20)), (size, 0), "{buffer}");
        }
    }
}

#[test]
fn set() {
    let table: &[(u32, u32, u32, u32, &str)] = &[
        (REQUEST_BODY, 0, 0, OK, "XYabcdef"),
        (REQUEST_BODY, 0, 3, OK, "XYdef"),
        (REQUEST_BODY, 0, 6, OK, "XY"),
        (REQUEST_BODY, 0, MAX, OK, "XY"),
        (REQUEST_BODY, 3, 0, OK, "abcXYdef"),
        (REQUEST_BODY, 3, 1, OK, "abcXYef"),
        (REQUEST_BODY, 3, MAX, OK, "abcXY"),
        (REQUEST_BODY, 6, 0, OK, "abcdefXY"),
        (REQUEST_BODY, 0x7fff_ffff, 0, OK, "abcdefXY"),
        (REQUEST_BODY, MAX, MAX, OK, "abcdefXY"),
        (1, 0, 0, BAD_ARGUMENT, "abcdef"),
        (4, 0, 0, BAD_ARGUMENT, "abcdef"),
        (VM_CONFIGURATION, 0, 0, BAD_ARGUMENT, "abcdef"),
        (PLUGIN_CONFIGURATION, 0, 0, BAD_ARGUMENT, "abcdef"),
        (9, 0, 0, BAD_ARGUMENT, "abcdef"),
    ];
    for (buffer, start, size, status, after) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        let [content, len] = guest.give("XY");
        let got = guest.call("proxy_set_buffer_bytes", &[*buffer, *start, *size, content, len]);
        assert_eq!(got, *status, "{buffer} {start} {size}");
        assert_eq!(guest.body(Direction::Request), *after, "{buffer} {start} {size}");
    }
}

#[test]
fn what_has_gone_on_and_what_grows_too_much() {
    let mut guest = Guest::from_wat(&passing_on(""));
    guest.lane(Direction::Request).body_access = Access::Read;
    let [content, len] = guest.give("XY");
    let set = [REQUEST_BODY, 0, 0, content, len];
    assert_eq!(guest.call("proxy_set_buffer_bytes", &set), BAD_ARGUMENT);

    let mut settings = crate::support::settings("small");
    settings.limits.written_body_bytes = 7;
    let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), settings);
    guest.give("XY");
    assert_eq!(guest.call("proxy_set_buffer_bytes", &set), INTERNAL_FAILURE);
    assert_eq!(guest.body(Direction::Request), "abcdef");
}
