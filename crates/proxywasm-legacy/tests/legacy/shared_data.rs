//! Shared data.

use crate::support::{Guest, RETURN, passing_on};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;
const INTERNAL_FAILURE: u32 = 10;

/// Where the compare-and-swap value comes to.
const CAS: u32 = 24;

fn guest() -> Guest {
    Guest::from_wat(&passing_on(""))
}

fn set(guest: &mut Guest, key: &str, value: &str, cas: u32) -> u32 {
    let ([key, key_len], [value, len]) = (guest.give(key), guest.give(value));
    guest.call("proxy_set_shared_data", &[key, key_len, value, len, cas])
}

fn get(guest: &mut Guest, key: &str) -> Result<(String, u32), u32> {
    let ([key, len], [address, size]) = (guest.give(key), RETURN);
    match guest.call("proxy_get_shared_data", &[key, len, address, size, CAS]) {
        OK => Ok((String::from_utf8(guest.returned()).unwrap(), guest.number(CAS))),
        status => Err(status),
    }
}

#[test]
fn values() {
    let mut guest = guest();
    assert_eq!(get(&mut guest, "k"), Err(NOT_FOUND));
    for value in ["1", "two", "", "4"] {
        assert_eq!(set(&mut guest, "k", value, 0), OK);
        assert_eq!(get(&mut guest, "k").unwrap().0, value);
    }
    assert_eq!(set(&mut guest, "", "no key", 0), OK);
    assert_eq!(get(&mut guest, "").unwrap().0, "no key");
}

#[test]
fn compare_and_swap() {
    let mut guest = guest();
    assert_eq!(set(&mut guest, "k", "1", 77), OK, "a key that does not exist");
    let (_, first) = get(&mut guest, "k").unwrap();
    assert_ne!(first, 0);
    assert_eq!(set(&mut guest, "k", "2", first), OK);
    assert_eq!(set(&mut guest, "k", "3", first), CAS_MISMATCH);
    let (value, second) = get(&mut guest, "k").unwrap();
    assert_eq!(value, "2");
    assert_ne!(second, first);
    assert_eq!(set(&mut guest, "k", "4", 0), OK, "without a condition");
    assert_eq!(get(&mut guest, "k").unwrap().0, "4");
}

#[test]
fn what_does_not_fit() {
    let mut guest = guest();
    let long = "v".repeat(9000);
    assert_eq!(set(&mut guest, "k", "short", 0), OK);
    // The store of the fixture takes 8 KiB for each key.
    assert_eq!(set(&mut guest, "k", &long, 0), INTERNAL_FAILURE);
    assert_eq!(get(&mut guest, "k").unwrap().0, "short");
}
