//! Ticks: the one timer of a plugin.

use crate::support::{Guest, passing_on};
use std::time::{Duration, Instant};
use wasi_timer::TimerCallbacks;
use wasmtime::AsContextMut;

const OK: u32 = 0;

/// A guest that counts its ticks and remembers for whom the last one was.
const COUNTING: &str = r#"
    (global $ticks (export "ticks") (mut i32) (i32.const 0))
    (global $root (export "root") (mut i32) (i32.const 0))
    (func (export "proxy_on_tick") (param $root_id i32)
        (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
        (global.set $root (local.get $root_id)))"#;

fn set_period(guest: &mut Guest, period: u32, now: Instant) {
    assert_eq!(guest.call("proxy_set_tick_period_milliseconds", &[period]), OK);
    guest.store.data_mut().timers.arm(now);
}

fn tick(guest: &mut Guest, now: Instant) {
    for timer in guest.store.data_mut().timers.take_due(now) {
        assert!(guest.store.data_mut().timers.begin(timer));
        guest
            .callbacks
            .on_timer_ready(guest.store.as_context_mut(), timer)
            .unwrap();
        guest.store.data_mut().timers.end(timer, now);
    }
}

#[test]
fn periods() {
    // At which time which period is set, and when the next tick is due then.
    let table: &[(u64, u32, Option<u64>)] = &[
        (0, 0, None),
        (0, 10, Some(10)),
        (4, 10, Some(14)),
        (5, 100, Some(105)),
        (6, 1, Some(7)),
        (7, 0, None),
        (8, 0, None),
        (9, u32::MAX, Some(9 + u64::from(u32::MAX))),
    ];
    let mut guest = Guest::from_wat(&passing_on(COUNTING));
    let start = Instant::now();
    for (now, period, due) in table {
        set_period(&mut guest, *period, start + Duration::from_millis(*now));
        let due = due.map(|due| start + Duration::from_millis(due));
        assert_eq!(
            guest.store.data_mut().timers.next_due(),
            due,
            "at {now}: {period}"
        );
    }
}

#[test]
fn ticks_are_of_the_plugin_whatever_called_for_them() {
    let mut guest = Guest::from_wat(&passing_on(COUNTING));
    assert_eq!(guest.store.data_mut().common.scope.context_id, guest.context_id);
    let start = Instant::now();
    set_period(&mut guest, 10, start);
    for (now, ticks) in [(9, 0), (10, 1), (55, 2), (59, 2), (60, 3)] {
        tick(&mut guest, start + Duration::from_millis(now));
        assert_eq!(guest.global("ticks"), ticks, "at {now}");
    }
    assert_eq!(guest.global("root"), guest.plugin_id);
    assert_eq!(guest.store.data_mut().common.scope.context_id, guest.plugin_id);
}

#[test]
fn the_callback_may_be_missing() {
    let mut guest = Guest::from_wat(&passing_on(""));
    let start = Instant::now();
    set_period(&mut guest, 1, start);
    tick(&mut guest, start + Duration::from_millis(1));
}

#[test]
fn a_plugin_without_room_for_timers() {
    let mut settings = crate::support::settings("no timers");
    settings.limits.handles = 0;
    let mut guest = Guest::new(&wat::parse_str(passing_on("")).unwrap(), settings);
    let internal_failure = 10;
    assert_eq!(
        guest.call("proxy_set_tick_period_milliseconds", &[1]),
        internal_failure
    );
    assert_eq!(guest.call("proxy_set_tick_period_milliseconds", &[0]), OK);
}
