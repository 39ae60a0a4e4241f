//! Refusals, deadlines, bounds, and instances that go.

use super::*;

#[test]
fn refusals() {
    let table: &[(&str, &str, &str)] = &[
        (
            "an unknown upstream",
            "(call $call NOBODY GET (i32.const 0))",
            "=2",
        ),
        (
            "one that policy forbids",
            "(call $call OTHER GET (i32.const 0))",
            "=3",
        ),
        (
            "a head without a path",
            "(call $call AUTH BAD (i32.const 0))",
            "=4",
        ),
        (
            "a head outside of the memory",
            "(call $call AUTH (i32.const 131072) (i32.const 0))",
            "=5",
        ),
        (
            "a third one",
            "(call $await (local.get $ctx)) (call $await (local.get $ctx)) (call $await (local.get $ctx))",
            "=10",
        ),
        (
            "close of nothing",
            "(call $say (call $close_call (i32.const 9)))",
            "=4",
        ),
        (
            "resume of nothing",
            "(call $say (call $resume_call (i32.const 9)))",
            "=4",
        ),
        ("status of nothing", "(call $read_status (i32.const 9))", "=4"),
        (
            "resume of what is under way",
            "(call $await (local.get $ctx)) (call $say (call $resume_call (global.get $id)))",
            "=6",
        ),
        (
            "status of what is under way",
            "(call $await (local.get $ctx)) (call $read_status (global.get $id))",
            "=6",
        ),
        (
            "body of what is under way",
            "(call $await (local.get $ctx)) (call $read_body (global.get $id))",
            "=6",
        ),
        (
            "close before it was sent",
            "(call $await (local.get $ctx)) (call $say (call $close_call (global.get $id)))",
            "=0",
        ),
    ];
    for (name, code, expected) in table {
        let code: &'static str = Box::leak(format!("{code} (i32.const 0)").into_boxed_str());
        let mut driver = Driver::with(
            &[&Guest {
                request: code,
                ..WHOLE
            }],
            |config| config.limits.callouts = 2,
        );
        let seen = driver.run("rqh");
        let sent = seen.matches('>').count();
        assert!(seen.starts_with(expected), "{name}: {seen}");
        assert_eq!(driver.bench.host.callouts(), sent, "{name}");
        let kept = code.matches("$await").count().min(2) - code.matches("$close_call (global").count();
        assert_eq!(sent, kept, "{name}: a refused callout is not sent");
    }
}

#[test]
fn many_in_parallel() {
    let mut driver = Driver::new(&Guest {
        request: ASK,
        whole: Some(RESUME),
        ..WHOLE
    });
    for number in 1..=50 {
        assert_eq!(driver.run("rqh"), format!(">{number}"));
    }
    // In an order that is neither that of the calls nor its reverse; each answer belongs to its stream.
    let order: Vec<usize> = (0..50).map(|index| index * 7 % 50 + 1).collect();
    for number in &order {
        driver.run(&format!("{number}h"));
    }
    for number in order {
        assert_eq!(
            driver.run(&format!("{number}e")),
            format!("R{number}:2,0,0 s{number}=rqh!")
        );
    }
    assert_eq!(driver.bench.host.callouts(), 0);
}

#[test]
fn flow_control() {
    let mut driver = Driver::new(&Guest {
        request: "(if (result i32) (global.get $id) (then (drop (call $resume_call (i32.const 1))) (i32.const 0)) \
            (else (call $call AUTH GET (i32.const 0)) (i32.const 0)))",
        body: Some(PAUSE),
        ..STREAMING
    });
    driver.run("rqh");
    assert!(driver.wants(1));
    driver.run("1h");
    assert!(driver.wants(1));
    driver.run("1b:ab");
    assert!(!driver.wants(1), "a paused callout is not read");
    assert_eq!(driver.run("rqh"), "r1 s2=rqh!");
    assert!(driver.wants(1));
    driver.run("1b:cd 1e");
    assert!(!driver.wants(1), "all has come");
    // A whole answer is read on until it has come.
    let mut driver = Driver::new(&Guest {
        request: ASK,
        ..WHOLE
    });
    driver.run("rqh 1h 1b:ab");
    assert!(driver.wants(1));
    driver.run("1e");
    assert!(!driver.wants(1));
}

#[test]
fn deadlines() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "no answer in the time that the plugin gave",
            Guest {
                request: "(call $call AUTH GET (i32.const 1500)) (i32.const 0)",
                whole: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..WHOLE
            },
            "rqh 1h 1b:ab late 1e",
            r#">1 s1=rqh! R1:0,0,0 10"no answer within 1500 ms" x1"#,
        ),
        (
            "or in that of the host",
            Guest {
                request: "(call $call AUTH GET (i32.const 0)) (i32.const 0)",
                headers: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh late",
            r#">1 s1=rqh! H1:0 10"no answer within 7000 ms" x1"#,
        ),
        (
            "a paused answer that is not complete is late too, and told when it is resumed",
            Guest {
                request: "(if (result i32) (global.get $id) (then (drop (call $resume_call (i32.const 1))) (i32.const 0)) \
                    (else (call $call AUTH GET (i32.const 0)) (i32.const 0)))",
                headers: Some(PAUSE),
                body: Some("(call $read_status (local.get $id)) (i32.const 0)"),
                ..STREAMING
            },
            "rqh 1h late rqh",
            r#">1 s1=rqh! H1:2 x1 B1:0! 10"no answer within 7000 ms" s2=rqh!"#,
        ),
        (
            "several at once",
            Guest {
                request: "(call $await (local.get $ctx)) (call $await (local.get $ctx)) (i32.const 0)",
                ..WHOLE
            },
            "rqh 1h 1e late",
            ">1 >2 s1=rqh! R1:2,0,0 R2:0,0,0 x2",
        ),
    ];
    for (name, guest, script, expected) in table {
        let mut driver = Driver::with(&[guest], |config| {
            config.resources.callout_time = Duration::from_secs(7)
        });
        assert_eq!(driver.run(script), *expected, "{name}");
        assert_eq!(driver.bench.host.next_deadline(), None, "{name}");
    }
    let mut driver = Driver::new(&Guest {
        request: ASK,
        whole: Some(PAUSE),
        ..WHOLE
    });
    driver.run("rqh");
    let deadline = driver.bench.host.next_deadline().unwrap();
    assert!(deadline > Instant::now() + Duration::from_secs(20));
    driver
        .bench
        .host
        .handle_deadline(deadline - Duration::from_millis(1));
    assert_eq!(driver.run("1h 1e"), "R1:2,0,0");
    assert_eq!(
        driver.bench.host.next_deadline(),
        None,
        "what is complete is not late, paused or not"
    );
}

#[test]
fn a_plugin_that_tries_again_at_once_keeps_nobody_from_its_turn() {
    // Each callback of a callout that took too long begins another one, which is over by that time as well.
    let mut driver = Driver::new(&Guest {
        request: "(call $call AUTH GET (i32.const 1)) (i32.const 0)",
        whole: Some("(call $call AUTH GET (i32.const 1)) (i32.const 0)"),
        ..WHOLE
    });
    assert_eq!(driver.run("rqh late"), ">1 s1=rqh! R1:0,0,0 x1 >2");
    assert_eq!(driver.run("late"), "R2:0,0,0 x2 >3");
}

#[test]
fn many_that_are_late_are_told_in_turns() {
    let mut driver = Driver::new(&Guest {
        request: "(local $left i32) (local.set $left (i32.const 100))
            (loop $next (call $call AUTH GET (i32.const 1))
                (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (i32.const 0)",
        ..WHOLE
    });
    driver.run("rqh");
    for (told, left) in [(64, 36), (36, 0), (0, 0)] {
        let seen = driver.run("late");
        assert_eq!(
            (seen.matches('R').count(), seen.matches('x').count()),
            (told, told)
        );
        assert_eq!(driver.bench.host.callouts(), left);
        assert_eq!(
            driver.bench.host.next_deadline().is_some(),
            left > 0,
            "{left} are still late"
        );
    }
}

#[test]
fn bounds_of_answers() {
    let mut driver = Driver::with(
        &[&Guest {
            request: ASK,
            whole: Some("(call $read_status (local.get $id)) (i32.const 0)"),
            ..WHOLE
        }],
        |config| config.limits.callout_bytes = 5,
    );
    assert_eq!(
        driver.run("rqh 1h 1b:abc 1b:def 1b:ghi 1e"),
        r#">1 R1:0,0,0 10"the body of the answer is larger than 5 bytes" x1"#
    );
}

#[test]
fn a_chain_in_which_two_plugins_ask() {
    let asks = Guest {
        request: ASK,
        whole: Some(RESUME),
        ..WHOLE
    };
    // Instances of their own: both callouts are the first of theirs.
    let mut driver = Driver::with(&[&asks, &asks], |config| config.vm_id = config.name.clone());
    assert_eq!(driver.run("rqh 1h 1e 2h 2e"), ">1 R1:2,0,0 >2 R1:2,0,0 s1=rqh!");
    // One instance: they do not get each other's answers, nor may they touch them.
    let touch = Guest {
        request: "(call $say (call $close_call (i32.const 1))) (call $say (call $resume_call (i32.const 1))) \
            (call $await (local.get $ctx)) (i32.const 3)",
        whole: Some(RESUME),
        ..WHOLE
    };
    let mut driver = Driver::with(&[&touch, &touch], |_| ());
    assert_eq!(
        driver.run("rqh 1f 2f"),
        "=4 =4 >1 R1:0,0,0 =4 =4 >2 R2:0,0,0 s1=rqh!"
    );
}

#[test]
fn instances_that_go() {
    const TRAP: &str = "(unreachable)";
    let failure = |failure| move |config: &mut PluginConfig| config.failure = failure;
    // A trap in the answer: the stream that waited for it gets the failure policy, and so does every other; all callouts are cancelled.
    let guest = Guest {
        request: ASK,
        whole: Some(TRAP),
        ..WHOLE
    };
    let table = [
        (
            FailurePolicy::Closed,
            "R1:2,0,0 x2 s1=abandoned s1=rsh:503 s1=rsb:Service Unavailable\n! s2=abandoned s2=rsh:503 s2=rsb:Service Unavailable\n!",
        ),
        (FailurePolicy::Open, "R1:2,0,0 x2 s1=rqh! s2=rqh!"),
    ];
    for (policy, expected) in table {
        let mut driver = Driver::with(&[&guest], failure(policy));
        assert_eq!(driver.run("rqh rqh"), ">1 >2");
        assert_eq!(driver.run("1h 1e"), expected, "{policy:?}");
        assert_eq!(
            driver.run("2h 2e"),
            "",
            "no callback for a callout of an instance that is gone"
        );
        assert_eq!(driver.bench.host.callouts(), 0);
        assert_eq!(driver.run("rqh"), ">3", "a fresh instance takes over");
    }
    // A callout that a callback made which then trapped is not sent.
    let mut driver = Driver::new(&Guest {
        request: "(call $await (local.get $ctx)) (unreachable)",
        ..WHOLE
    });
    assert!(!driver.run("rqh").contains('>'));
    // Instances of one stream go with it.
    let mut driver = Driver::with(&[&guest], |config| {
        config.instances = InstanceStrategy::FreshPerStream
    });
    assert_eq!(driver.run("rqh rqh end1"), ">1 >2 x1");
    assert_eq!(driver.run("1h 1e"), "");
    assert!(driver.wants(2) && !driver.wants(1));
    // A plugin that is shut down.
    let mut driver = Driver::new(&Guest {
        request: "(call $await (local.get $ctx)) (i32.const 0)",
        ..WHOLE
    });
    assert_eq!(driver.run("rqh end1 down 1h 1e"), ">1 s1=rqh! x1");
    assert_eq!(driver.bench.host.next_deadline(), None);
}
