//! Timers: plugins that set them, and a clock that the test turns.

use crate::common::{Bench, component};
use proxywasm_host::*;
use std::time::{Duration, Instant};

/// A plugin that does something when it starts, when request headers come (ctx is the stream), and when a timer fires, of which it logs
/// the id. `$every` and `$once` (a period) create a timer and return its id, `$delete` (a timer) returns a status.
fn guest(start: &str, request: &str, timer: &str) -> String {
    let extra = format!(
        r#"(func $create (param $period i32) (param $once i32) (result i32)
            (if (call $create_timer (local.get $period) (local.get $once) (i32.const 512)) (then unreachable))
            (i32.load (i32.const 512)))
        (func $every (param $period i32) (result i32) (call $create (local.get $period) (i32.const 0)))
        (func $once (param $period i32) (result i32) (call $create (local.get $period) (i32.const 1)))
        (func (export "proxy_on_plugin_start") (param i32 i32) (result i32) {start} (i32.const 1))
        (func (export "proxy_on_timer_ready") (param $timer i32) (call $say (local.get $timer)) {timer})"#
    );
    let text = component(&[("rqh", request)], &extra);
    let imports = r#"(module
        (import "wasi-timer" "create_timer" (func $create_timer (param i32 i32 i32) (result i32)))
        (import "wasi-timer" "delete_timer" (func $delete (param i32) (result i32)))"#;
    text.replacen("(module", imports, 1)
}

/// Starts the plugins of a bench, and forgets what they logged meanwhile.
fn started(guests: &[String]) -> Bench {
    let mut bench = Bench::new(guests);
    bench.run("rqh!");
    bench
}

/// What plugins log when their next timer is due, or so much later.
fn wait(bench: &mut Bench, later: Duration) -> String {
    let deadline = bench.host.next_deadline().expect("a timer runs");
    bench.host.handle_deadline(deadline + later);
    bench.trace()
}

const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn statuses() {
    let table = [
        (
            "period 0, not one-off",
            "(call $create_timer (i32.const 0) (i32.const 0) (i32.const 512))",
            "=4",
        ),
        (
            "nowhere for the id",
            "(call $create_timer (i32.const 1) (i32.const 0) (i32.const -4))",
            "=5",
        ),
        (
            "any number is true",
            "(call $create_timer (i32.const 0) (i32.const 7) (i32.const 512))",
            "=0",
        ),
        ("unknown", "(call $delete (i32.const 99))", "=4"),
        ("0", "(call $delete (i32.const 0))", "=4"),
        (
            "twice",
            "(call $delete (call $every (i32.const 9))) (drop) (call $delete (i32.const 1))",
            "=4",
        ),
        ("known", "(call $delete (call $every (i32.const 9)))", "=0"),
        (
            "too many",
            "(drop (call $every (i32.const 9))) (drop (call $once (i32.const 0)))
            (call $create_timer (i32.const 1) (i32.const 0) (i32.const 512))",
            "=10",
        ),
    ];
    for (name, call, expected) in table {
        let guest = guest("", &format!("{call} (call $say) FORWARD_"), "");
        let mut bench = Bench::with(&[guest], |config| config.limits.handles = 2);
        assert_eq!(bench.run("rqh!").1, format!("rqh! {expected}"), "{name}");
    }
}

#[test]
fn what_failed_leaves_no_timer() {
    let call = "(drop (call $create_timer (i32.const 1) (i32.const 1) (i32.const -4))) FORWARD_";
    let bench = started(&[guest("", call, "")]);
    assert_eq!(bench.host.next_deadline(), None);
}

#[test]
fn before_a_plugin_runs_there_is_nobody_to_create_one_for() {
    let text = guest("", "(call $say (i32.load (i32.const 516))) FORWARD_", "");
    let initialize = r#"(func (export "_initialize")
        (i32.store (i32.const 516) (call $create_timer (i32.const 1) (i32.const 0) (i32.const 512))))
        (func (export "proxy_on_plugin_start")"#;
    let text = text.replacen("(func (export \"proxy_on_plugin_start\")", initialize, 1);
    assert_eq!(Bench::new(&[text]).run("rqh!").1, "rqh! =6");
}

#[test]
fn other_plugins_have_other_timers() {
    // Both plugins are in one instance. Each has a timer, and tries to delete both.
    let start = "(drop (call $every (i32.const 50)))";
    let both = "(call $say (call $delete (i32.const 1))) (call $say (call $delete (i32.const 2))) FORWARD_";
    let deletes = guest(start, both, "");
    assert_eq!(
        Bench::new(&[deletes.clone(), deletes]).run("rqh!").1,
        "rqh! =0 =3 rqh! =4 =0"
    );

    let keeps = guest(start, "FORWARD_", "");
    let mut bench = started(&[keeps.clone(), keeps]);
    assert_eq!(wait(&mut bench, Duration::from_secs(1)), "=1 =2");
    let first = bench.chain.plugins()[0].clone();
    bench.host.shut_down(&first);
    assert_eq!(
        wait(&mut bench, Duration::from_secs(2)),
        "=2",
        "a plugin that goes takes its timers along"
    );
}

#[test]
fn periods_that_passed_are_made_up_by_one_callback() {
    let mut bench = started(&[guest("(drop (call $every (i32.const 100)))", "FORWARD_", "")]);
    let first = bench.host.next_deadline().unwrap();
    bench.host.handle_deadline(first - Duration::from_millis(1));
    assert_eq!(bench.trace(), "", "not before its time");
    for (late, next) in [(0, 100), (750, 800), (1000, 1100)] {
        bench.host.handle_deadline(first + Duration::from_millis(late));
        assert_eq!(bench.trace(), "=1", "{late} ms late");
        assert_eq!(
            bench.host.next_deadline(),
            Some(first + Duration::from_millis(next)),
            "{late} ms late"
        );
        bench.host.handle_deadline(first + Duration::from_millis(late));
        assert_eq!(bench.trace(), "", "{late} ms late, once");
    }
}

#[test]
fn a_one_off_timer_ends_with_its_callback() {
    let delete = "(call $say (call $delete (i32.const 1)))";
    // What its callback does and logs, and what a later callback gets for its id.
    let table = [
        ("its id is valid in its callback", delete, "=1 =0"),
        (
            "and not used again",
            "(call $say (call $once (i32.const 60000)))",
            "=1 =2",
        ),
        ("it may be forgotten", "", "=1"),
    ];
    for (name, timer, expected) in table {
        let request = format!("{delete} FORWARD_");
        let mut bench = Bench::new(&[guest("(drop (call $once (i32.const 0)))", &request, timer)]);
        let id = bench.open();
        assert!(
            bench.host.next_deadline().unwrap() <= Instant::now(),
            "as soon as the callback has returned"
        );
        assert_eq!(wait(&mut bench, AT_ONCE), expected, "{name}");
        bench.feed(id, "rqh!");
        assert_eq!(bench.trace(), "rqh! =4", "{name}");
        bench.host.finish(id);
    }
}

#[test]
fn a_plugin_that_goes_on_creating_timers_lets_others_have_their_turn() {
    let endless = guest(
        "(drop (call $once (i32.const 0)))",
        "FORWARD_",
        "(drop (call $once (i32.const 0)))",
    );
    let other = guest("(drop (call $once (i32.const 0)))", "PAUSE_", "");
    let mut bench = started(&[endless, other]);
    for expected in ["=1 =1", "=2", "=3"] {
        assert_eq!(wait(&mut bench, Duration::from_secs(1)), expected);
    }
}

#[test]
fn a_plugin_with_many_timers_lets_others_have_their_turn() {
    // A hundred timers of the first plugin are due before the one of the second.
    let many = "(local $left i32) (local.set $left (i32.const 100))
        (loop $next (drop (call $once (i32.const 0)))
            (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))";
    let other = "(drop (call $once (i32.const 0)))";
    let mut bench = started(&[guest(many, "FORWARD_", ""), guest(other, "FORWARD_", "")]);
    let ids = |range: std::ops::RangeInclusive<u32>| range.map(|id| format!("={id}"));
    let turns = [
        ids(1..=64).chain(ids(1..=1)).collect::<Vec<_>>(),
        ids(65..=100).collect(),
    ];
    for turn in turns {
        assert_eq!(wait(&mut bench, Duration::from_secs(1)), turn.join(" "));
    }
    assert_eq!(bench.host.next_deadline(), None);
}

#[test]
fn a_timer_that_was_due_at_the_same_time_can_be_deleted() {
    let start = "(drop (call $every (i32.const 50))) (drop (call $every (i32.const 50)))";
    let timer = "(drop (call $delete (i32.sub (i32.const 3) (local.get $timer))))";
    let mut bench = started(&[guest(start, "FORWARD_", timer)]);
    assert_eq!(wait(&mut bench, Duration::from_secs(1)), "=1");
}

#[test]
fn a_timer_resumes_a_stream() {
    let request = "(global.set $other (local.get $ctx)) (drop (call $once (i32.const 20))) PAUSE_";
    let timer = "(drop (call $resume_request (global.get $other)))";
    let mut bench = Bench::new(&[guest("", request, timer)]);
    let id = bench.open();
    assert_eq!(bench.feed(id, "rqh!"), "");
    assert_eq!(wait(&mut bench, AT_ONCE), "rqh! =1");
    assert_eq!(bench.host.next_ready(), Some(id));
    assert_eq!(bench.outputs(id), ["rqh!"]);
    bench.host.finish(id);
}

#[test]
fn the_timers_of_an_instance_that_failed_are_gone() {
    let start = "(drop (call $every (i32.const 50)))";
    for (failure, expected) in [
        (
            FailurePolicy::Closed,
            "abandoned rsh:503 rsb:Service Unavailable\n!",
        ),
        (FailurePolicy::Open, "rqh!"),
    ] {
        let mut bench = Bench::with(&[guest(start, "PAUSE_", "unreachable")], |config| {
            config.failure = failure
        });
        let id = bench.open();
        assert_eq!(bench.feed(id, "rqh!"), "");
        assert_eq!(wait(&mut bench, AT_ONCE), "rqh! =1");
        assert_eq!(bench.host.next_deadline(), None);
        assert_eq!(bench.host.next_ready(), Some(id));
        assert_eq!(bench.outputs(id).join(" "), expected);
        bench.host.finish(id);
        // A fresh instance has its own.
        let id = bench.open();
        assert!(bench.host.next_deadline().is_some());
        bench.host.finish(id);
    }
}

#[test]
fn timers_go_with_their_plugin() {
    let mut bench = started(&[guest("(drop (call $every (i32.const 50)))", "FORWARD_", "")]);
    bench.host.shut_all_down();
    assert_eq!(bench.host.next_deadline(), None);

    // And with the instance of a stream.
    let guest = guest("(drop (call $every (i32.const 50)))", "FORWARD_", "");
    let mut bench = Bench::with(&[guest], |config| {
        config.instances = InstanceStrategy::FreshPerStream
    });
    let streams = [bench.open(), bench.open()];
    assert_eq!(wait(&mut bench, Duration::from_secs(1)), "=1 =1");
    bench.host.finish(streams[0]);
    assert_eq!(wait(&mut bench, Duration::from_secs(1)), "=1");
    bench.host.finish(streams[1]);
    assert_eq!(bench.host.next_deadline(), None);
}

#[test]
fn ticks_of_the_older_abis() {
    let guest = r#"(module
        (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "tick")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.eqz (call $tick (i32.const 1000))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $tick (i32.const 0)))
        (func (export "proxy_on_tick") (param i32) (drop (call $log (i32.const 2) (i32.const 64) (i32.const 4)))))"#;
    let mut bench = Bench::new(&[guest.to_owned()]);
    let id = bench.open();
    assert_eq!(wait(&mut bench, AT_ONCE), "tick");
    assert_eq!(wait(&mut bench, Duration::from_secs(60)), "tick");
    bench.feed(id, "rqh!");
    assert_eq!(bench.host.next_deadline(), None, "0 stops it");
    bench.host.finish(id);
}
