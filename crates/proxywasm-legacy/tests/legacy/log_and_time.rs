//! The log and the clock.

use crate::support::{Guest, passing_on};
use std::time::{SystemTime, UNIX_EPOCH};
use wasi_common::LogLevel;

const OK: u32 = 0;
const BAD_ARGUMENT: u32 = 2;

#[test]
fn log() {
    // The level of the log is debug.
    let table = [
        (0, OK, None),
        (1, OK, Some(LogLevel::Debug)),
        (2, OK, Some(LogLevel::Info)),
        (3, OK, Some(LogLevel::Warn)),
        (4, OK, Some(LogLevel::Error)),
        (5, OK, Some(LogLevel::Critical)),
        (6, BAD_ARGUMENT, None),
        (u32::MAX, BAD_ARGUMENT, None),
    ];
    let mut guest = Guest::from_wat(&passing_on(""));
    let [message, len] = guest.give("hello\n");
    for (level, status, logged) in table {
        assert_eq!(guest.call("proxy_log", &[level, message, len]), status, "{level}");
        let logged: Vec<_> = logged
            .map(|level| (level, "hello".to_owned()))
            .into_iter()
            .collect();
        assert_eq!(guest.sink.take(), logged, "{level}");
    }
}

#[test]
fn level() {
    let levels = [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
        LogLevel::Critical,
    ];
    let mut guest = Guest::from_wat(&passing_on(""));
    for (number, level) in (0..).zip(levels) {
        guest.store.data_mut().log.set_level(level);
        assert_eq!(guest.call("proxy_get_log_level", &[16]), OK);
        assert_eq!(guest.number(16), number, "{level:?}");
    }
}

#[test]
fn time() {
    let mut guest = Guest::from_wat(&passing_on(""));
    assert_eq!(guest.call("proxy_get_current_time_nanoseconds", &[16]), OK);
    let time = u64::from_le_bytes(guest.bytes(16, 8).try_into().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert!(time.abs_diff(now) < 60_000_000_000, "{time} {now}");
}
