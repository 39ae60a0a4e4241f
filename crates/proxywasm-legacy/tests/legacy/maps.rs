//! Header and trailer maps.

use crate::support::{Guest, REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RETURN, passing_on, text};
use proxywasm_legacy::{PluginOptions, RepeatedHeaders};
use wasi_common::packed::{Layout, pack, unpack};
use wasi_common::stream::Piece;
use wasi_common::{Access, Direction};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INTERNAL_FAILURE: u32 = 10;

fn packed(pairs: &[(&str, &str)]) -> Vec<u8> {
    let pairs: Vec<(&[u8], &[u8])> = pairs
        .iter()
        .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
        .collect();
    let mut block = Vec::new();
    pack(pairs.iter().copied(), Layout::NulTerminated, &mut block);
    block
}

fn value(guest: &mut Guest, map: u32, key: &str) -> (u32, Vec<u8>) {
    let [key, key_len] = guest.give(key);
    let status = guest.call(
        "proxy_get_header_map_value",
        &[map, key, key_len, RETURN[0], RETURN[1]],
    );
    let value = if status == OK {
        guest.returned()
    } else {
        Vec::new()
    };
    (status, value)
}

#[test]
fn values() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let table: &[(u32, &str, u32, &[u8])] = &[
        (REQUEST_HEADERS, ":method", OK, b"GET"),
        (REQUEST_HEADERS, "x", OK, b"1"),
        (REQUEST_HEADERS, "X", OK, b"1"),
        (REQUEST_HEADERS, "empty", OK, b""),
        (REQUEST_HEADERS, "absent", NOT_FOUND, b""),
        (REQUEST_HEADERS, "", NOT_FOUND, b""),
        (REQUEST_TRAILERS, "x", NOT_FOUND, b""),
        (RESPONSE_HEADERS, "x", NOT_FOUND, b""),
        (4, "x", NOT_FOUND, b""),
        (7, "x", NOT_FOUND, b""),
        (8, "x", BAD_ARGUMENT, b""),
        (u32::MAX, "x", BAD_ARGUMENT, b""),
    ];
    for (map, key, status, expected) in table {
        assert_eq!(
            value(&mut guest, *map, key),
            (*status, expected.to_vec()),
            "{map} {key}"
        );
    }
}

/// In 0.1.0 an absent header is an empty one.
#[test]
fn absent_values_by_version() {
    for (version, status) in [("0_1_0", OK), ("0_2_0", NOT_FOUND), ("0_2_1", NOT_FOUND)] {
        let wat = passing_on("").replace("proxy_abi_version_0_2_1", &format!("proxy_abi_version_{version}"));
        let mut guest = Guest::from_wat(&wat);
        assert_eq!(
            value(&mut guest, REQUEST_HEADERS, "absent"),
            (status, vec![]),
            "{version}"
        );
        assert_eq!(
            value(&mut guest, RESPONSE_HEADERS, "x"),
            (status, vec![]),
            "{version}"
        );
    }
}

#[test]
fn pairs() {
    let mut guest = Guest::from_wat(&passing_on(""));
    guest.put(Direction::Request, Piece::Trailers, &[]);
    let of_headers: &[(&str, &str)] = &[
        (":method", "GET"),
        (":path", "/a"),
        ("x", "1"),
        ("x", "2"),
        ("empty", ""),
    ];
    let table = [
        (REQUEST_HEADERS, OK, of_headers),
        (REQUEST_TRAILERS, OK, &[]),
        (RESPONSE_HEADERS, OK, &[]),
        (5, OK, &[]),
        (6, OK, &[]),
        (8, BAD_ARGUMENT, &[]),
    ];
    for (map, status, expected) in table {
        let got = guest.call("proxy_get_header_map_pairs", &[map, RETURN[0], RETURN[1]]);
        assert_eq!(got, status, "{map}");
        if status == OK {
            let block = guest.returned();
            let pairs = text(unpack(&block, Layout::NulTerminated).unwrap().into_iter());
            let expected: Vec<_> = expected
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect();
            assert_eq!(pairs, expected, "{map}");
            assert_eq!(
                block.is_empty(),
                expected.is_empty(),
                "an empty map is no bytes at all"
            );
        }
    }
}

#[test]
fn sizes() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let table = [
        (REQUEST_HEADERS, OK, 26),
        (REQUEST_TRAILERS, BAD_ARGUMENT, 0),
        (6, BAD_ARGUMENT, 0),
        (8, BAD_ARGUMENT, 0),
    ];
    for (map, status, size) in table {
        assert_eq!(
            guest.call("proxy_get_header_map_size", &[map, 16]),
            status,
            "{map}"
        );
        if status == OK {
            assert_eq!(guest.number(16), size);
        }
    }
}

/// One change: add, replace or remove, by the name of its hostcall.
fn change(guest: &mut Guest, map: u32, change: (&str, &str, &str)) -> u32 {
    let (hostcall, key, value) = change;
    let (key, value) = (guest.give(key), guest.give(value));
    let mut arguments = vec![map, key[0], key[1]];
    if hostcall != "remove" {
        arguments.extend(value);
    }
    guest.call(&format!("proxy_{hostcall}_header_map_value"), &arguments)
}

#[test]
fn changes() {
    type Pairs = &'static [(&'static str, &'static str)];
    let before: Pairs = &[
        (":method", "GET"),
        (":path", "/a"),
        ("x", "1"),
        ("x", "2"),
        ("empty", ""),
    ];
    let table: &[((&str, &str, &str), u32, Pairs)] = &[
        (
            ("add", "X", "3"),
            OK,
            &[
                (":method", "GET"),
                (":path", "/a"),
                ("x", "1"),
                ("x", "2"),
                ("empty", ""),
                ("x", "3"),
            ],
        ),
        (
            ("add", "y", ""),
            OK,
            &[
                (":method", "GET"),
                (":path", "/a"),
                ("x", "1"),
                ("x", "2"),
                ("empty", ""),
                ("y", ""),
            ],
        ),
        (
            ("replace", "x", "3"),
            OK,
            &[(":method", "GET"), (":path", "/a"), ("empty", ""), ("x", "3")],
        ),
        (
            ("replace", ":path", "/b"),
            OK,
            &[
                (":method", "GET"),
                (":path", "/b"),
                ("x", "1"),
                ("x", "2"),
                ("empty", ""),
            ],
        ),
        (
            ("remove", "X", ""),
            OK,
            &[(":method", "GET"), (":path", "/a"), ("empty", "")],
        ),
        (("remove", "absent", ""), OK, before),
        (("add", "", "v"), BAD_ARGUMENT, before),
        (("add", "k\r\n", "v"), BAD_ARGUMENT, before),
        (("add", "k", "v\r\nset-cookie: 1"), BAD_ARGUMENT, before),
        (("replace", "x", "a\0b"), BAD_ARGUMENT, before),
    ];
    for (what, status, after) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        assert_eq!(change(&mut guest, REQUEST_HEADERS, *what), *status, "{what:?}");
        let after: Vec<_> = after
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        assert_eq!(guest.request_headers(), after, "{what:?}");
    }
}

#[test]
fn changes_of_what_is_not_at_the_plugin() {
    let mut guest = Guest::from_wat(&passing_on(""));
    for hostcall in ["add", "replace", "remove"] {
        for map in [REQUEST_TRAILERS, RESPONSE_HEADERS, 4, 6, 8, u32::MAX] {
            assert_eq!(
                change(&mut guest, map, (hostcall, "k", "v")),
                BAD_ARGUMENT,
                "{hostcall} {map}"
            );
        }
    }
    // Headers that have gone on can be read, but not be changed.
    *guest.lane(Direction::Request).map_access(Piece::Headers) = Access::Read;
    for hostcall in ["add", "replace", "remove"] {
        assert_eq!(
            change(&mut guest, REQUEST_HEADERS, (hostcall, "k", "v")),
            BAD_ARGUMENT,
            "{hostcall}"
        );
    }
    let block = guest.give(packed(&[("k", "v")]));
    assert_eq!(
        guest.call(
            "proxy_set_header_map_pairs",
            &[REQUEST_HEADERS, block[0], block[1]]
        ),
        BAD_ARGUMENT
    );
    assert_eq!(value(&mut guest, REQUEST_HEADERS, "x"), (OK, b"1".to_vec()));
}

#[test]
fn a_map_is_bounded() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let value = "v".repeat(16 << 10);
    let last = (0..100)
        .map(|_| {
            guest.set_next(1024);
            change(&mut guest, REQUEST_HEADERS, ("add", "k", &value))
        })
        .find(|status| *status != OK);
    assert_eq!(last, Some(INTERNAL_FAILURE));
}

#[test]
fn set_pairs() {
    let good = packed(&[(":method", "POST"), ("B", "1"), ("b", "2")]);
    let mut cut = good.clone();
    cut.pop();
    let mut long = good.clone();
    long.push(0);
    let before: &[(&str, &str)] = &[
        (":method", "GET"),
        (":path", "/a"),
        ("x", "1"),
        ("x", "2"),
        ("empty", ""),
    ];
    let table: Vec<(Vec<u8>, u32, &[(&str, &str)])> = vec![
        (good, OK, &[(":method", "POST"), ("b", "1"), ("b", "2")]),
        (vec![], OK, &[]),
        (vec![0; 4], OK, &[]),
        (cut, BAD_ARGUMENT, before),
        (long, BAD_ARGUMENT, before),
        (vec![0xff; 16], BAD_ARGUMENT, before),
        (vec![1, 0], BAD_ARGUMENT, before),
        (packed(&[("bad name", "v")]), BAD_ARGUMENT, before),
    ];
    for (block, status, after) in table {
        let mut guest = Guest::from_wat(&passing_on(""));
        let [address, len] = guest.give(&block);
        assert_eq!(
            guest.call("proxy_set_header_map_pairs", &[REQUEST_HEADERS, address, len]),
            status,
            "{block:?}"
        );
        let after: Vec<_> = after
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        assert_eq!(guest.request_headers(), after, "{block:?}");
    }
}

/// `host` is the authority, in the headers of a request and nowhere else.
#[test]
fn the_older_name_of_the_authority() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let start = [(":authority", "a"), (":path", "/"), ("x", "1")];
    guest.put(Direction::Request, Piece::Headers, &start);
    guest.put(Direction::Response, Piece::Headers, &[("host", "r")]);
    assert_eq!(value(&mut guest, REQUEST_HEADERS, "Host"), (OK, b"a".to_vec()));
    assert_eq!(value(&mut guest, RESPONSE_HEADERS, "host"), (OK, b"r".to_vec()));
    assert_eq!(
        value(&mut guest, RESPONSE_HEADERS, ":authority"),
        (NOT_FOUND, vec![])
    );

    let (host, other) = (guest.give("host"), guest.give("b"));
    let pair = [REQUEST_HEADERS, host[0], host[1], other[0], other[1]];
    let table: [(&str, &[u32], &[(&str, &str)]); 4] = [
        (
            "proxy_replace_header_map_value",
            &pair,
            &[(":path", "/"), (":authority", "b"), ("x", "1")],
        ),
        // No request can have two, so that the host refuses to send this one.
        (
            "proxy_add_header_map_value",
            &pair,
            &[
                (":authority", "a"),
                (":path", "/"),
                (":authority", "b"),
                ("x", "1"),
            ],
        ),
        (
            "proxy_remove_header_map_value",
            &pair[..3],
            &[(":path", "/"), ("x", "1")],
        ),
        ("proxy_get_header_map_size", &[REQUEST_HEADERS, 16], &start),
    ];
    for (hostcall, arguments, expected) in table {
        guest.put(Direction::Request, Piece::Headers, &start);
        assert_eq!(guest.call(hostcall, arguments), OK, "{hostcall}");
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        assert_eq!(guest.request_headers(), expected, "{hostcall}");
    }

    let block = guest.give(packed(&[("Host", "c"), (":path", "/")]));
    assert_eq!(
        guest.call(
            "proxy_set_header_map_pairs",
            &[REQUEST_HEADERS, block[0], block[1]]
        ),
        OK
    );
    let expected = [(":authority", "c"), (":path", "/")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(guest.request_headers(), expected);
}

#[test]
fn headers_that_come_several_times() {
    let pairs = [
        ("x", "1"),
        ("once", "a"),
        ("X", ""),
        ("cookie", "c=1"),
        ("x", "2, 3"),
        ("cookie", "d=2"),
        ("set-cookie", "e=1"),
        ("set-cookie", "f=2"),
    ];
    let table = [
        ("x", "1", "1, , 2, 3"),
        ("once", "a", "a"),
        ("Cookie", "c=1", "c=1; d=2"),
        ("set-cookie", "e=1", "e=1"),
    ];
    let mut guest = Guest::from_wat(&passing_on(""));
    guest.put(Direction::Request, Piece::Headers, &pairs);
    for repeated_headers in [RepeatedHeaders::First, RepeatedHeaders::Joined] {
        let options = PluginOptions {
            repeated_headers,
            ..PluginOptions::default()
        };
        let plugin_id = guest.plugin_id;
        guest.store.data_mut().legacy.set_options(plugin_id, options);
        for (key, first, joined) in table {
            let expected = match repeated_headers {
                RepeatedHeaders::First => first,
                RepeatedHeaders::Joined => joined,
            };
            let got = value(&mut guest, REQUEST_HEADERS, key);
            assert_eq!(
                got,
                (OK, expected.as_bytes().to_vec()),
                "{key} {repeated_headers:?}"
            );
        }
        assert_eq!(value(&mut guest, REQUEST_HEADERS, "none").0, NOT_FOUND);
    }
}
