//! Metrics: each status of each hostcall.

use crate::support::{Guest, passing_on};

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INVALID_MEMORY_ACCESS: u32 = 6;
const INTERNAL_FAILURE: u32 = 10;

const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;

/// Where ids and values come to.
const OUT: u32 = 16;

/// A guest that passes on 64-bit numbers as well: the export takes the upper and the lower half.
fn guest() -> Guest {
    let wat = passing_on(
        r#"
        (func $value (param $high i32) (param $low i32) (result i64)
            (i64.or (i64.shl (i64.extend_i32_u (local.get $high)) (i64.const 32)) (i64.extend_i32_u (local.get $low))))
        (func (export "proxy_increment_metric") (param i32 i32 i32) (result i32)
            (call $increment (local.get 0) (call $value (local.get 1) (local.get 2))))
        (func (export "proxy_record_metric") (param i32 i32 i32) (result i32)
            (call $record (local.get 0) (call $value (local.get 1) (local.get 2))))"#,
    );
    let imports = r#"(module
        (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
        (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))"#;
    Guest::from_wat(&wat.replacen("(module", imports, 1))
}

fn define(guest: &mut Guest, metric_type: u32, name: &str) -> Result<u32, u32> {
    let [name, len] = guest.give(name);
    match guest.call("proxy_define_metric", &[metric_type, name, len, OUT]) {
        OK => Ok(guest.number(OUT)),
        status => Err(status),
    }
}

fn get(guest: &mut Guest, metric: u32) -> Result<u64, u32> {
    match guest.call("proxy_get_metric", &[metric, OUT]) {
        OK => Ok(u64::from_le_bytes(guest.bytes(OUT, 8).try_into().unwrap())),
        status => Err(status),
    }
}

fn increment(guest: &mut Guest, metric: u32, offset: i64) -> u32 {
    let offset = offset as u64;
    guest.call(
        "proxy_increment_metric",
        &[metric, (offset >> 32) as u32, offset as u32],
    )
}

fn record(guest: &mut Guest, metric: u32, value: u64) -> u32 {
    guest.call(
        "proxy_record_metric",
        &[metric, (value >> 32) as u32, value as u32],
    )
}

#[test]
fn definitions() {
    let mut guest = guest();
    let counter = define(&mut guest, COUNTER, "requests").unwrap();
    let gauge = define(&mut guest, GAUGE, "open").unwrap();
    let histogram = define(&mut guest, HISTOGRAM, "time").unwrap();
    let types = [(counter, COUNTER), (gauge, GAUGE), (histogram, HISTOGRAM)];
    for (metric, metric_type) in types {
        assert_eq!(metric & 3, metric_type, "the type is in the lowest bits");
        assert_ne!(metric >> 2, 0);
    }
    let long = "n".repeat(2000);
    let table: &[(u32, &str, Result<u32, u32>)] = &[
        (COUNTER, "requests", Ok(counter)),
        (GAUGE, "requests", Err(BAD_ARGUMENT)),
        (3, "x", Err(BAD_ARGUMENT)),
        (u32::MAX, "x", Err(BAD_ARGUMENT)),
        (COUNTER, "", Err(BAD_ARGUMENT)),
        (COUNTER, &long, Err(BAD_ARGUMENT)),
    ];
    for (metric_type, name, expected) in table {
        assert_eq!(
            define(&mut guest, *metric_type, name),
            *expected,
            "{metric_type} {name}"
        );
    }
    for index in 0.. {
        match define(&mut guest, COUNTER, &format!("n{index}")) {
            Ok(_) => assert!(index < 3000, "there is a bound"),
            Err(status) => return assert_eq!(status, INTERNAL_FAILURE),
        }
        guest.set_next(1024);
    }
}

#[test]
fn values() {
    enum Call {
        Increment(i64),
        Record(u64),
    }
    use Call::{Increment, Record};
    // What is done to a new metric, with which status, and its value then.
    let table: &[(u32, &[(Call, u32)], Result<u64, u32>)] = &[
        (COUNTER, &[], Ok(0)),
        (
            COUNTER,
            &[(Increment(2), OK), (Increment(0), OK), (Increment(3), OK)],
            Ok(5),
        ),
        (
            COUNTER,
            &[(Increment(2), OK), (Increment(-1), BAD_ARGUMENT)],
            Ok(2),
        ),
        (COUNTER, &[(Record(2), OK), (Record(3), OK)], Ok(5)),
        (COUNTER, &[(Increment(i64::MAX), OK)], Ok(i64::MAX as u64)),
        (GAUGE, &[(Record(7), OK), (Increment(-3), OK)], Ok(4)),
        (GAUGE, &[(Record(u64::MAX), OK), (Increment(1), OK)], Ok(u64::MAX)),
        (GAUGE, &[(Increment(i64::MIN), OK)], Ok(0)),
        (HISTOGRAM, &[(Record(7), OK)], Err(BAD_ARGUMENT)),
        (HISTOGRAM, &[(Increment(7), BAD_ARGUMENT)], Err(BAD_ARGUMENT)),
    ];
    let mut guest = guest();
    for (index, (metric_type, calls, value)) in table.iter().enumerate() {
        let metric = define(&mut guest, *metric_type, &format!("n{index}")).unwrap();
        for (call, status) in *calls {
            let answer = match call {
                Increment(offset) => increment(&mut guest, metric, *offset),
                Record(value) => record(&mut guest, metric, *value),
            };
            assert_eq!(answer, *status, "{index}");
        }
        assert_eq!(get(&mut guest, metric), *value, "{index}");
    }
}

#[test]
fn what_is_not_there() {
    let mut guest = guest();
    let counter = define(&mut guest, COUNTER, "n").unwrap();
    let wrong_type = counter | 3;
    for metric in [0, counter + 4, wrong_type, counter | GAUGE, u32::MAX] {
        assert_eq!(get(&mut guest, metric), Err(NOT_FOUND), "{metric}");
        assert_eq!(increment(&mut guest, metric, 1), NOT_FOUND, "{metric}");
        assert_eq!(record(&mut guest, metric, 1), NOT_FOUND, "{metric}");
    }
    let places = [counter, u32::MAX];
    assert_eq!(guest.call("proxy_get_metric", &places), INVALID_MEMORY_ACCESS);
}
