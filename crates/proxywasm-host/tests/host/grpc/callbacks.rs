//! What plugins are told, and what their actions do.

use super::driver::{Driver, GUEST, Guest, PAUSE, STREAM, UNARY};
use proxywasm_host::*;
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn answers() {
    let table: &[(&str, Guest, &str, &str)] = &[
        (
            "a unary call has one callback",
            Guest {
                answer: "(call $read (local.get $own)) (call $why (local.get $own)) (i32.const 0)",
                ..UNARY
            },
            "rqh 1i 1m:abc 1e 1e",
            r#">1 s1=rqh! A1:0,3 "abc" 0"""#,
        ),
        (
            "also where it fails",
            Guest {
                answer: "(call $read (local.get $own)) (call $why (local.get $own)) (i32.const 0)",
                ..UNARY
            },
            "rqh 1i 1m:abc 1e:7",
            r#">1 s1=rqh! A1:7,0 "" 7"why""#,
        ),
        (
            "it lets the request go on that waits for it",
            Guest {
                request: "(call $call (i32.const 0)) (call $keep (local.get $ctx)) (i32.const 3)",
                answer: "(call $say (call $resume_request (call $kept (local.get $own)))) (i32.const 0)",
                ..GUEST
            },
            "rqh 1m:abc 1e",
            ">1 A1:0,3 =0 s1=rqh!",
        ),
        (
            "the order of a stream",
            Guest {
                message: "(call $read (local.get $own)) (i32.const 0)",
                close: "(call $read (local.get $own)) (call $why (local.get $own)) (i32.const 0)",
                ..STREAM
            },
            "rqh 1i 1m:abc 1m: 1e 1m:late",
            r#">>1 s1=rqh! I1:2 M1:3 "abc" M1:0 "" T1:1 C1:0 =6 0"""#,
        ),
        (
            "a stream that fails at once",
            Guest {
                close: "(call $why (local.get $own)) (i32.const 0)",
                ..STREAM
            },
            "rqh 1e:14 1i",
            r#">>1 s1=rqh! C1:14 14"why""#,
        ),
        (
            "a stream outlives the request that opened it",
            STREAM,
            "rqh end1 1i 1m:abc 1e",
            ">>1 s1=rqh! I1:2 M1:3 T1:1 C1:0",
        ),
        (
            "a call from within the callback of another",
            Guest {
                answer: "(if (i32.eq (local.get $own) (i32.const 1)) (then (call $call (i32.const 0)))) (i32.const 0)",
                ..UNARY
            },
            "rqh 1m:a 1e 2m:b 2e",
            ">1 s1=rqh! A1:0,1 >2 A2:0,1",
        ),
    ];
    for (name, guest, script, expected) in table {
        assert_eq!(Driver::new(guest).run(script), *expected, "{name}");
    }
    // A module without any of the callbacks.
    let text = UNARY.text().replace("proxy_on_grpc", "nothing");
    let mut driver = Driver::new(&UNARY);
    let code = driver.bench.engine.load(&wat::parse_str(text).unwrap()).unwrap();
    let services = Services {
        upstreams: Arc::new(BTreeSet::from(["auth".to_owned()])),
        ..Services::from(Arc::clone(&driver.bench.log))
    };
    let plugin = Plugin::new(&driver.bench.engine, code, PluginConfig::new("silent"), &services).unwrap();
    driver.bench.chain = FilterChain::new(vec![plugin]);
    assert_eq!(driver.run("rqh 1m:abc 1e"), ">1 s1=rqh!");
    assert_eq!(driver.bench.host.callouts(), 0);
}

#[test]
fn each_action_in_each_callback() {
    const WHOLE: &str = "1i 1m:abc 1e";
    let callbacks: [(&str, fn(&mut Guest) -> &mut &'static str); 4] = [
        ("I1:2", |guest| &mut guest.initial),
        ("M1:3", |guest| &mut guest.message),
        ("T1:1", |guest| &mut guest.trailing),
        ("C1:0", |guest| &mut guest.close),
    ];
    let told = ["I1:2", "M1:3", "T1:1", "C1:0"];
    for (index, (callback, body)) in callbacks.iter().enumerate() {
        for action in [0, 1, 2, 3, 4, 5, 6, 77] {
            let mut guest = STREAM;
            *body(&mut guest) = Box::leak(format!("(i32.const {action})").into_boxed_str());
            let mut driver = Driver::new(&guest.later("(call $say (call $resume (i32.const 1)))"));
            driver.run("rqh");
            let seen = driver.run(WHOLE);
            let ends = index >= 2;
            let expected = match action {
                0 => told.join(" "),
                3 => told[..=index].join(" "),
                // What the upstream has ended is not cancelled.
                _ if ends => told[..=index].join(" "),
                _ => format!("{} x1", told[..=index].join(" ")),
            };
            assert_eq!(seen, expected, "{action} in {callback}");
            // What a pause holds comes when it ends; the last callback's keeps the callout, and no other action does.
            let resumed = driver.run("rqh");
            let expected = match (action, index) {
                (3, 3) => "=0 s2=rqh!".to_owned(),
                (3, _) => format!("=0 {} s2=rqh!", told[index + 1..].join(" ")),
                _ => "=4 s2=rqh!".to_owned(),
            };
            assert_eq!(resumed, expected, "{action} in {callback}");
            assert_eq!(driver.bench.host.callouts(), 0);
        }
    }
    for action in [0, 1, 2, 3, 4, 5, 6, 77] {
        let guest = Guest {
            answer: Box::leak(format!("(i32.const {action})").into_boxed_str()),
            ..UNARY
        };
        let mut driver = Driver::new(&guest.later(
            "(call $read (i32.const 1)) (call $say (call $resume (i32.const 1))) (call $say (call $close_call (i32.const 1)))",
        ));
        assert_eq!(driver.run("rqh 1m:abc 1e"), ">1 s1=rqh! A1:0,3", "{action}");
        let expected = match action {
            3 => r#""abc" =4 =0 s2=rqh!"#,
            _ => "=4 =4 =4 s2=rqh!",
        };
        assert_eq!(driver.run("rqh"), expected, "{action}");
    }
}

#[test]
fn flow_control() {
    let guest = Guest {
        message: PAUSE,
        ..STREAM
    };
    let mut driver = Driver::new(&guest.later("(drop (call $resume (i32.const 1)))"));
    driver.run("rqh");
    assert!(driver.wants(1));
    driver.run("1i");
    assert!(driver.wants(1));
    driver.run("1m:abc");
    assert!(!driver.wants(1), "a paused stream is not read");
    assert_eq!(driver.run("rqh"), "r1 s2=rqh!");
    assert!(driver.wants(1));
    driver.run("1m:de 1e");
    assert!(!driver.wants(1), "all has come");
    // A unary answer is read on until it has come.
    let mut driver = Driver::new(&UNARY);
    driver.run("rqh 1i 1m:abc");
    assert!(driver.wants(1));
    driver.run("1e");
    assert!(!driver.wants(1));
}

#[test]
fn many_streams() {
    let mut driver = Driver::new(&Guest {
        request: "(call $open) (call $keep (local.get $ctx)) (i32.const 3)",
        message: "(call $send (local.get $own) (i32.const 1) (i32.const 0)) (i32.const 0)",
        close: "(drop (call $resume_request (call $kept (local.get $own)))) (i32.const 0)",
        ..GUEST
    });
    for number in 1..=50 {
        assert_eq!(driver.run("rqh"), format!(">>{number}"));
    }
    // In an order that is neither that of the streams nor its reverse, and intermixed.
    let order: Vec<usize> = (0..50).map(|index| index * 7 % 50 + 1).collect();
    for number in &order {
        assert_eq!(driver.run(&format!("{number}i")), format!("I{number}:2"));
    }
    for number in order.iter().rev() {
        let text = "m".repeat(*number);
        assert_eq!(
            driver.run(&format!("{number}m:{text}")),
            format!("M{number}:{number} =0 {number}<ping")
        );
    }
    for number in order {
        assert_eq!(
            driver.run(&format!("{number}e:0")),
            format!("C{number}:0 s{number}=rqh!")
        );
    }
    assert_eq!(driver.bench.host.callouts(), 0);
}
