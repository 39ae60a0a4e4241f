use super::*;
use std::sync::Arc;
use wasi_common::{AbiPolicy, CallScope, PluginSettings};

/// Two plugins in one instance, the first of which is executing, with at most three timers each.
fn two_plugins() -> Common {
    let mut common = Common::default();
    for name in ["first", "second"] {
        let mut settings = PluginSettings::new(name, AbiPolicy::COMPONENT);
        settings.limits.handles = 3;
        common.contexts.add_plugin(Arc::new(settings));
    }
    common.scope = CallScope::new(1, 1, "on_plugin_start");
    common
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Calls what is due at `now`; each callback takes `busy`. Returns the ids that were called.
fn fire(timers: &mut Timers, now: Instant, busy: Duration) -> Vec<u32> {
    let mut called = Vec::new();
    for key in timers.take_due(now) {
        if timers.begin(key) {
            called.push(key.timer_id);
            timers.end(key, now + busy);
        }
    }
    called
}

#[test]
fn what_is_refused() {
    let mut common = two_plugins();
    let mut timers = Timers::default();
    assert_eq!(timers.create(&common, ms(0), false), Err(Status::BadArgument));
    for id in 1..=3 {
        assert_eq!(timers.create(&common, ms(0), true), Ok(id));
    }
    assert_eq!(timers.create(&common, ms(1), false), Err(Status::Unavailable));
    common.scope = CallScope::new(2, 2, "on_plugin_start");
    assert_eq!(
        timers.create(&common, ms(1), false),
        Ok(4),
        "a limit is for each plugin"
    );
    assert_eq!(timers.delete(&common, 1), Err(Status::NotAllowed));
    assert_eq!(timers.delete(&common, 99), Err(Status::BadArgument));
    assert_eq!(timers.delete(&common, 4), Ok(()));
    assert_eq!(timers.delete(&common, 4), Err(Status::BadArgument));
    common.scope = CallScope::default();
    assert_eq!(
        timers.create(&common, ms(1), false),
        Err(Status::InvalidOperation)
    );
}

#[test]
fn a_periodic_timer_keeps_its_schedule() {
    // Period 10: at which time the host comes round, how long the callback takes, whether it is called, when it is due next.
    let table: &[(u64, u64, bool, u64)] = &[
        (9, 0, false, 10),
        (10, 0, true, 20),
        (23, 0, true, 30),
        (75, 0, true, 80),
        (80, 10, true, 100),
        (100, 25, true, 130),
        (129, 0, false, 130),
    ];
    let common = two_plugins();
    let mut timers = Timers::default();
    let start = Instant::now();
    let timer = timers.create(&common, ms(10), false).unwrap();
    assert_eq!(timers.next_due(), None, "it does not run while its callback does");
    timers.arm(start);
    for (now, busy, called, next) in table {
        let expected = if *called { vec![timer] } else { vec![] };
        assert_eq!(
            fire(&mut timers, start + ms(*now), ms(*busy)),
            expected,
            "at {now}"
        );
        assert_eq!(timers.next_due(), Some(start + ms(*next)), "after {now}");
    }
}

#[test]
fn a_one_off_timer_ends_with_its_callback() {
    let common = two_plugins();
    let mut timers = Timers::default();
    let start = Instant::now();
    let timer = timers.create(&common, ms(0), true).unwrap();
    assert!(timers.has_changed());
    timers.arm(start);
    assert!(!timers.has_changed());
    let due = timers.take_due(start);
    assert_eq!(
        due,
        [TimerKey {
            timer_id: timer,
            plugin_id: 1
        }]
    );
    assert!(timers.begin(due[0]));
    assert!(!timers.begin(due[0]), "once");
    let other = timers.create(&common, ms(0), true).unwrap();
    assert_ne!(other, timer, "the id is still its own");
    timers.end(due[0], start);
    assert_eq!(timers.delete(&common, timer), Err(Status::BadArgument));
    timers.arm(start);
    assert_eq!(
        fire(&mut timers, start, ms(0)),
        [other],
        "with the next round, not with this one"
    );
    assert_eq!(timers.next_due(), None);
}

#[test]
fn some_of_those_that_are_due() {
    let common = two_plugins();
    let mut timers = Timers::default();
    let start = Instant::now();
    let ids = [0; 3].map(|_| timers.create(&common, ms(0), true).unwrap());
    timers.arm(start);
    let mut taken = Vec::new();
    // How many are taken at most, how many were taken so far.
    for (limit, expected) in [(0, 0), (1, 1), (5, 3), (1, 3)] {
        taken.extend(timers.take_some_due(start, limit));
        assert_eq!(taken.len(), expected, "{limit}");
        assert_eq!(timers.next_due(), (expected < 3).then_some(start), "{limit}");
    }
    assert_eq!(taken.iter().map(|key| key.timer_id).collect::<Vec<_>>(), ids);
}

#[test]
fn deletion_at_any_time() {
    let common = two_plugins();
    let start = Instant::now();
    for oneoff in [false, true] {
        for phase in ["new", "running", "due", "calling"] {
            let mut timers = Timers::default();
            let timer = timers.create(&common, ms(1), oneoff).unwrap();
            let mut due = Vec::new();
            if phase != "new" {
                timers.arm(start);
            }
            if matches!(phase, "due" | "calling") {
                due = timers.take_due(start + ms(1));
                assert_eq!(due.len(), 1);
            }
            if phase == "calling" {
                assert!(timers.begin(due[0]));
            }
            assert_eq!(timers.delete(&common, timer), Ok(()), "{phase}");
            assert!(timers.has_changed(), "{phase}");
            timers.arm(start);
            for key in due {
                assert!(!timers.begin(key), "{phase}");
                timers.end(key, start + ms(1));
            }
            assert_eq!(timers.next_due(), None, "{phase}");
        }
    }
}

#[test]
fn many_timers_in_their_order() {
    let common = two_plugins();
    let mut timers = Timers::default();
    let start = Instant::now();
    for period in [30, 10, 10] {
        timers.create(&common, ms(period), false).unwrap();
    }
    timers.arm(start);
    let rounds = [
        (10, vec![2, 3]),
        (20, vec![2, 3]),
        (35, vec![1, 2, 3]),
        (60, vec![2, 3, 1]),
    ];
    for (now, expected) in rounds {
        assert_eq!(fire(&mut timers, start + ms(now), ms(0)), expected, "at {now}");
    }
}

#[test]
fn a_plugin_that_goes_takes_its_timers_along() {
    let mut common = two_plugins();
    let mut timers = Timers::default();
    let start = Instant::now();
    timers.create(&common, ms(1), false).unwrap();
    timers.create(&common, ms(2), false).unwrap();
    common.scope = CallScope::new(2, 2, "on_plugin_start");
    let other = timers.create(&common, ms(3), false).unwrap();
    timers.arm(start);
    common.scope = CallScope::new(1, 1, "on_timer_ready");
    timers.create(&common, ms(1), true).unwrap();
    let due = timers.take_due(start + ms(1));
    timers.remove_plugin(1);
    assert!(timers.has_changed() && !timers.begin(due[0]));
    timers.arm(start);
    assert_eq!(fire(&mut timers, start + ms(9), ms(0)), [other]);
}

#[test]
fn times_beyond_the_clock_never_come() {
    let common = two_plugins();
    let mut timers = Timers::default();
    let timer = timers.create(&common, Duration::MAX, false).unwrap();
    timers.arm(Instant::now());
    assert_eq!(timers.next_due(), None);
    assert_eq!(timers.delete(&common, timer), Ok(()));
}
