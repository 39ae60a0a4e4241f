//! Closing, sending, refusals, deadlines, bounds, and what goes with an instance.

use super::driver::{Driver, GUEST, Guest, STREAM, UNARY};
use proxywasm_host::*;
use std::time::Duration;

#[test]
fn pauses_closes_and_sending() {
    let table: Vec<(&str, Guest, &str, &str)> = vec![
        (
            "a paused message stays readable, and the next comes when it is resumed",
            Guest {
                message: "(select (i32.const 3) (i32.const 0) (i32.eq (local.get $a) (i32.const 3)))",
                ..STREAM
            }
            .later("(call $read (i32.const 1)) (call $say (call $resume (i32.const 1)))"),
            "rqh 1m:abc 1m:de 1m:f rqh 1e",
            r#">>1 s1=rqh! M1:3 "abc" =0 M1:2 M1:1 r1 s2=rqh! T1:1 C1:0"#,
        ),
        (
            "a resume in the callback that pauses",
            Guest {
                message: "(call $say (call $resume (local.get $own))) (i32.const 3)",
                ..STREAM
            },
            "rqh 1m:abc 1m:de",
            ">>1 s1=rqh! M1:3 =0 M1:2 =0",
        ),
        (
            "close while it is under way",
            STREAM.later("(call $say (call $close_stream (i32.const 1)))"),
            "rqh 1i rqh 1m:abc 1e rqh",
            ">>1 s1=rqh! I1:2 =0 x1 s2=rqh! =4 s3=rqh!",
        ),
        (
            "close of a unary call under way",
            UNARY.later("(call $say (call $close_call (i32.const 1)))"),
            "rqh 1i rqh 1m:abc 1e rqh",
            ">1 s1=rqh! =0 x1 s2=rqh! =4 s3=rqh!",
        ),
        (
            "close in its own callback",
            Guest {
                message: "(call $say (call $close_stream (local.get $own))) (call $read (local.get $own)) (i32.const 3)",
                ..STREAM
            },
            "rqh 1m:abc 1m:de 1e",
            ">>1 s1=rqh! M1:3 =0 =4 x1",
        ),
        (
            "close in its last callback",
            Guest {
                close: "(call $say (call $close_stream (local.get $own))) (i32.const 0)",
                ..STREAM
            },
            "rqh 1e:0",
            ">>1 s1=rqh! C1:0 =0",
        ),
        (
            "messages at once and from callbacks, then the end alone",
            Guest {
                request: "(call $open) (call $send (global.get $id) (i32.const 1) (i32.const 0)) (i32.const 0)",
                message: "(call $send (local.get $own) (i32.const 1) (i32.const 0)) \
                    (call $send (local.get $own) (i32.const 0) (i32.const 1)) \
                    (call $send (local.get $own) (i32.const 1) (i32.const 0)) (i32.const 0)",
                ..GUEST
            },
            "rqh 1m:abc 1m:de 1e",
            "=0 >>1 1<ping s1=rqh! M1:3 =0 =0 =6 1<ping 1<! M1:2 =6 =6 =6 T1:1 C1:0",
        ),
        (
            "the end with the last message; the upstream goes on",
            Guest {
                request: "(call $open) (call $send (global.get $id) (i32.const 1) (i32.const 1)) (i32.const 0)",
                ..GUEST
            },
            "rqh 1i 1m:abc 1e",
            "=0 >>1 1<ping! s1=rqh! I1:2 M1:3 T1:1 C1:0",
        ),
        (
            "nothing is sent on what the upstream has ended",
            Guest {
                trailing: "(call $send (local.get $own) (i32.const 1) (i32.const 0)) (i32.const 0)",
                ..STREAM
            },
            "rqh 1e",
            ">>1 s1=rqh! T1:1 =6 C1:0",
        ),
        (
            "what waits to be sent is bounded until it has left",
            STREAM.later("(call $send (i32.const 1) (i32.const 1) (i32.const 0))"),
            "rqh rqh rqh rqh 1s:4 rqh rqh",
            ">>1 s1=rqh! =0 1<ping s2=rqh! =0 1<ping s3=rqh! =10 s4=rqh! =0 1<ping s5=rqh! =10 s6=rqh!",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[&guest], |config| config.limits.callout_bytes = 100);
        assert_eq!(driver.run(script), expected, "{name}");
    }
}

#[test]
fn refusals() {
    let table: &[(&str, &str, &str)] = &[
        ("an unknown upstream", "(call $open_at (i32.const 32))", "=2"),
        ("one that policy forbids", "(call $open_at (i32.const 24))", "=3"),
        (
            "one outside of the memory",
            "(call $open_at (i32.const 131072))",
            "=5",
        ),
        (
            "a third one",
            "(call $open) (call $call (i32.const 0)) (call $open)",
            "=10",
        ),
        (
            "close of nothing",
            "(call $say (call $close_stream (i32.const 9)))",
            "=4",
        ),
        (
            "close of a call as a stream",
            "(call $call (i32.const 0)) (call $say (call $close_stream (global.get $id)))",
            "=4",
        ),
        (
            "close of a stream as a call",
            "(call $open) (call $say (call $close_call (global.get $id)))",
            "=4",
        ),
        (
            "resume of nothing",
            "(call $say (call $resume (i32.const 9)))",
            "=4",
        ),
        (
            "resume of what is under way",
            "(call $open) (call $say (call $resume (global.get $id)))",
            "=6",
        ),
        (
            "a message on nothing",
            "(call $send (i32.const 9) (i32.const 1) (i32.const 0))",
            "=4",
        ),
        (
            "a message on a call",
            "(call $call (i32.const 0)) (call $send (global.get $id) (i32.const 1) (i32.const 0))",
            "=4",
        ),
        ("status of nothing", "(call $why (i32.const 9))", "=4"),
        (
            "status of what is under way",
            "(call $open) (call $why (global.get $id))",
            "=6",
        ),
        (
            "message of what is under way",
            "(call $open) (call $read (global.get $id))",
            "=6",
        ),
        (
            "close before the host has heard of it",
            "(call $open) (call $say (call $close_stream (global.get $id)))",
            "=0",
        ),
    ];
    for (name, code, expected) in table {
        let guest = Guest {
            request: Box::leak(format!("{code} (i32.const 0)").into_boxed_str()),
            ..GUEST
        };
        let mut driver = Driver::with(&[&guest], |config| config.limits.callouts = 2);
        let seen = driver.run("rqh");
        assert!(seen.starts_with(expected), "{name}: {seen}");
        let begun = code.matches("$open)").count() + code.matches("$call (").count();
        let kept = if *expected == "=0" { 0 } else { begun.min(2) };
        assert_eq!(driver.bench.host.callouts(), kept, "{name}");
        assert_eq!(driver.calls.len(), kept, "{name}: a refused callout is not begun");
    }
}

#[test]
fn deadlines() {
    let why = "(call $why (local.get $own)) (i32.const 0)";
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "no answer in the time that the plugin gave",
            Guest {
                request: "(call $call (i32.const 1500)) (i32.const 0)",
                answer: why,
                ..GUEST
            },
            "rqh 1i 1m:abc late 1e",
            r#">1 s1=rqh! A1:4,0 4"no answer within 1500 ms" x1"#,
        ),
        (
            "or in that of the host",
            Guest { answer: why, ..UNARY },
            "rqh late",
            r#">1 s1=rqh! A1:4,0 4"no answer within 7000 ms" x1"#,
        ),
        (
            "streams have no end of their own",
            STREAM,
            "rqh late 1i 1e:0",
            ">>1 s1=rqh! I1:2 C1:0",
        ),
        (
            "several at once",
            Guest {
                request: "(call $call (i32.const 0)) (call $call (i32.const 0)) (i32.const 0)",
                ..GUEST
            },
            "rqh 1m:a 1e late",
            ">1 >2 s1=rqh! A1:0,1 A2:4,0 x2",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[guest], |config| {
            config.resources.callout_time = Duration::from_secs(7)
        });
        assert_eq!(driver.run(script), *expected, "{name}");
        assert_eq!(driver.bench.host.next_deadline(), None, "{name}");
    }
}

#[test]
fn bounds_of_messages() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "the largest",
            STREAM,
            "rqh 1m:abcde 1e:0",
            ">>1 s1=rqh! M1:5 C1:0",
        ),
        (
            "a byte more",
            STREAM,
            "rqh 1m:abcdef 1m:g 1e:0",
            ">>1 s1=rqh! C1:8 x1",
        ),
        (
            "of a unary call",
            UNARY,
            "rqh 1m:abcdef 1e:0",
            ">1 s1=rqh! A1:8,0 x1",
        ),
        (
            "two for a unary call",
            UNARY,
            "rqh 1m:a 1m:b 1e:0",
            ">1 s1=rqh! A1:13,0 x1",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[guest], |config| config.limits.callout_bytes = 5);
        assert_eq!(driver.run(script), *expected, "{name}");
        assert_eq!(driver.bench.host.callouts(), 0, "{name}");
    }
}

#[test]
fn instances_that_go() {
    // A trap in each callback: all callouts of the instance are cancelled, and a fresh one takes over.
    let trap = "(unreachable)";
    let table: &[(Guest, &str, &str)] = &[
        (
            Guest {
                answer: trap,
                ..UNARY
            },
            "1m:a 1e",
            "A1:0,1",
        ),
        (
            Guest {
                initial: trap,
                ..STREAM
            },
            "1i",
            "I1:2",
        ),
        (
            Guest {
                message: trap,
                ..STREAM
            },
            "1m:abc",
            "M1:3",
        ),
        (
            Guest {
                trailing: trap,
                ..STREAM
            },
            "1e",
            "T1:1",
        ),
        (
            Guest {
                close: trap,
                ..STREAM
            },
            "1e:3",
            "C1:3",
        ),
    ];
    for (guest, script, told) in table {
        let mut driver = Driver::new(guest);
        let begun = driver.run("rqh rqh");
        let cancelled = match script.contains('e') {
            true => "x2",
            false => "x1 x2",
        };
        assert!(begun.contains("2 s2=rqh!"), "{begun}");
        let seen = driver.run(script);
        assert!(seen.starts_with(&format!("{told} {cancelled}")), "{told}: {seen}");
        assert_eq!(driver.run("2i 2m:abc 2e"), "", "{told}: nothing more is told");
        assert_eq!(driver.bench.host.callouts(), 0);
        assert!(driver.run("rqh").contains('3'), "a fresh instance takes over");
    }
    // What a callback asked for that then trapped does not happen.
    let mut driver = Driver::new(&Guest {
        request: "(call $open) (call $send (global.get $id) (i32.const 1) (i32.const 0)) (unreachable)",
        ..GUEST
    });
    assert!(!driver.run("rqh").contains('>'));
    // Instances of one stream go with it.
    let mut driver = Driver::with(&[&STREAM], |config| {
        config.instances = InstanceStrategy::FreshPerStream
    });
    assert_eq!(driver.run("rqh rqh end1"), ">>1 s1=rqh! >>2 s2=rqh! x1");
    assert_eq!(driver.run("1i"), "");
    assert!(driver.wants(2) && !driver.wants(1));
    // A plugin that is shut down.
    let mut driver = Driver::new(&STREAM);
    assert_eq!(driver.run("rqh end1 down 1i 1e"), ">>1 s1=rqh! x1");
}

#[test]
fn plugins_of_one_instance_are_apart() {
    let touch = Guest {
        request: "(call $say (call $close_stream (i32.const 1))) (call $say (call $resume (i32.const 1))) \
            (call $send (i32.const 1) (i32.const 1) (i32.const 0)) (call $why (i32.const 1)) (call $read (i32.const 1)) \
            (call $open) (i32.const 0)",
        ..GUEST
    };
    let mut driver = Driver::with(&[&touch, &touch], |_| ());
    assert_eq!(
        driver.run("rqh 1e:0 2e:0"),
        "=4 =4 =4 =4 =4 =3 =3 =3 =3 =3 >>1 >>2 s1=rqh! C1:0 C2:0"
    );
}
