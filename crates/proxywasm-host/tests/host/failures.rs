//! Traps, endless loops and memory bombs: the process lives, each stream gets its policy once, a fresh instance takes over.

use crate::common::{Bench, component};
use proxywasm_host::{FailurePolicy, InstanceStrategy, LogLevel, RunState};
use std::time::{Duration, Instant};

const LOOP: &str = "(loop $again (br $again)) (unreachable)";

#[test]
fn in_every_phase_and_under_every_policy() {
    let phases = [
        ("rqh", "rqh rqb:a!", "abandoned rsh:503", "rqh rqb:a!"),
        (
            "rqb",
            "rqh rqb:a rqb:b! rsh!",
            "rqh abandoned rsh:503",
            "rqh rqb:a rqb:b! rsh!",
        ),
        (
            "rqt",
            "rqh rqb:a rqt rsh!",
            "rqh rqb:a abandoned rsh:503",
            "rqh rqb:a rqt rsh!",
        ),
        (
            "rqm",
            "rqh rqm rqb:a! rsh!",
            "rqh abandoned rsh:503",
            "rqh rqm rqb:a! rsh!",
        ),
        (
            "rsh",
            "rqh! rsh rsb:a!",
            "rqh! abandoned rsh:503",
            "rqh! rsh rsb:a!",
        ),
        (
            "rsb",
            "rqh! rsh rsb:a rsb:b!",
            "rqh! rsh reset:PluginFailed",
            "rqh! rsh rsb:a rsb:b!",
        ),
        (
            "rst",
            "rqh! rsh rsb:a rst",
            "rqh! rsh rsb:a reset:PluginFailed",
            "rqh! rsh rsb:a rst",
        ),
        (
            "rsm",
            "rqh! rsh rsm rsb:a!",
            "rqh! rsh reset:PluginFailed",
            "rqh! rsh rsm rsb:a!",
        ),
    ];
    for (phase, script, closed, open) in phases {
        for failure in [FailurePolicy::Closed, FailurePolicy::Open, FailurePolicy::Reload] {
            let guest = component(&[(phase, "(unreachable)")], "");
            let mut bench = Bench::with(&[guest], |config| config.failure = failure);
            let (out, trace) = bench.run(script);
            let expected = if failure == FailurePolicy::Open {
                open
            } else {
                closed
            };
            assert_eq!(
                out.replace(" rsb:Service Unavailable\n!", ""),
                expected,
                "{failure:?} in {phase}"
            );
            assert_eq!(
                trace.matches(phase).count(),
                1,
                "{failure:?} in {phase}: it runs once"
            );
        }
    }
}

#[test]
fn what_was_held_goes_on_without_an_open_plugin() {
    let bodies = [
        ("rqh", "MORE_"),
        (
            "rqb",
            "(if (result i32) (local.get $eos) (then (unreachable)) (else MORE_))",
        ),
    ];
    let mut bench = Bench::with(&[component(&bodies, "")], |config| {
        config.failure = FailurePolicy::Open
    });
    assert_eq!(bench.run("rqh rqb:a rqb:b! rsh!").0, "rqh rqb:a rqb:b! rsh!");
}

/// The callback traps when the stream before was held; a later stream is served by a fresh instance, whose memory knows nothing.
#[test]
fn every_stream_of_the_instance_gets_the_policy_once() {
    // The first two streams pause; the third traps; what comes after is new.
    let count =
        "(global.set $other (i32.add (global.get $other) (i32.const 1))) (call $say (global.get $other))
        (if (i32.eq (global.get $other) (i32.const 3)) (then (unreachable)))
        PAUSE_";
    let healthy = component(&[("rqh", "FORWARD_")], "");
    for failure in [FailurePolicy::Closed, FailurePolicy::Open] {
        let mut bench = Bench::with(&[component(&[("rqh", count)], ""), healthy.clone()], |config| {
            config.failure = failure;
        });
        let streams: Vec<_> = (0..3).map(|_| bench.open()).collect();
        let out: Vec<_> = streams.iter().map(|id| bench.feed(*id, "rqh!")).collect();
        let after: Vec<_> = streams[..2].iter().map(|id| bench.feed(*id, "")).collect();
        let mut woken: Vec<_> = std::iter::from_fn(|| bench.host.next_ready()).collect();
        woken.dedup();
        assert_eq!(
            woken.len(),
            2,
            "the drivers of the others are woken once: {woken:?}"
        );
        let expected = match failure {
            FailurePolicy::Open => "rqh!",
            _ => "abandoned rsh:503 rsb:Service Unavailable\n!",
        };
        assert_eq!(out, ["", "", expected], "{failure:?}");
        assert_eq!(after, [expected, expected], "{failure:?}");
        let later: String = streams.iter().map(|id| bench.feed(*id, "rqb:a!")).collect();
        let expected = if failure == FailurePolicy::Open {
            "rqb:a!rqb:a!rqb:a!"
        } else {
            ""
        };
        assert_eq!(later, expected, "{failure:?}: once");
        bench.trace();
        // They end without the plugin that is gone; the other plugin of the chain lives.
        streams.iter().for_each(|id| bench.host.finish(*id));
        let fresh = bench.open();
        assert_eq!(bench.feed(fresh, "rqh!"), "");
        assert_eq!(bench.trace(), "rqh! =1", "a fresh instance counts from one");
    }
}

#[test]
fn streams_of_other_instances_finish() {
    let sick = Bench::with(&[component(&[("rqh", "(unreachable)")], "")], |_| ()).chain;
    let mut bench = Bench::new(&[component(&[("rqb", "MORE_")], "")]);
    let healthy = bench.open();
    assert_eq!(bench.feed(healthy, "rqh rqb:a"), "rqh");
    let other = bench.host.open(&sick, None);
    assert_eq!(
        bench.feed(other, "rqh!"),
        "abandoned rsh:503 rsb:Service Unavailable\n!"
    );
    assert_eq!(bench.feed(healthy, "rqb:b! rsh!"), "rqb:a rqb:b! rsh!");
}

#[test]
fn an_endless_loop_is_stopped() {
    for phase in ["rqh", "rsh"] {
        let mut bench = Bench::with(&[component(&[(phase, LOOP)], "")], |config| {
            config.resources.callback_time = Duration::from_millis(30);
        });
        let (out, _) = bench.run("rqh! rsh!");
        assert!(
            out.ends_with("abandoned rsh:503 rsb:Service Unavailable\n!"),
            "{out}"
        );
    }
}

#[test]
fn a_memory_bomb_gets_no_more_than_its_bound() {
    // It grows until it is refused, says how many pages it has, and goes on.
    let bomb = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (call $say (memory.size)) FORWARD_";
    let mut bench = Bench::with(&[component(&[("rqh", bomb)], "")], |config| {
        config.resources.memory_bytes = 64 << 16;
    });
    assert_eq!(bench.run("rqh!"), ("rqh!".into(), "rqh! =64".into()));
}

#[test]
fn other_ways_to_die() {
    let table = [
        (
            "stack overflow",
            "(call $deep)",
            "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))",
        ),
        ("out of bounds", "(i32.load (i32.const -1))", ""),
        ("division by zero", "(i32.div_u (i32.const 1) (i32.const 0))", ""),
        (
            "bad indirect call",
            "(call_indirect (result i32) (i32.const 9))",
            "(table 1 funcref)",
        ),
    ];
    for (name, body, extra) in table {
        let mut bench = Bench::new(&[component(&[("rqh", body)], extra)]);
        for _ in 0..2 {
            assert_eq!(
                bench.run("rqh!").0,
                "abandoned rsh:503 rsb:Service Unavailable\n!",
                "{name}"
            );
        }
    }
}

#[test]
fn in_the_first_and_the_last_callback() {
    let create =
        r#"(func (export "proxy_on_context_create") (param i32 i32 i32) (result i32) (unreachable))"#;
    assert_eq!(
        Bench::new(&[component(&[], create)]).run("rqh!").0,
        "abandoned rsh:503 rsb:Service Unavailable\n!"
    );
    let finalize = r#"(func (export "proxy_on_context_finalize") (param i32) (unreachable))"#;
    let mut bench = Bench::new(&[component(&[("rqh", "FORWARD_")], finalize)]);
    for _ in 0..2 {
        assert_eq!(bench.run("rqh! rsh!").0, "rqh! rsh!");
    }
    assert_eq!(bench.host.streams(), 0);
}

#[test]
fn reload_waits_for_its_back_off() {
    let table = [
        (
            Duration::from_secs(3600),
            "",
            "no instance is made within the back-off",
        ),
        (Duration::ZERO, "rqh!", "the back-off is the configured one"),
    ];
    for (back_off, expected, why) in table {
        let guest = component(&[("rqh", "(unreachable)")], "");
        let mut bench = Bench::with(&[guest], |config| {
            config.failure = FailurePolicy::Reload;
            config.reload_back_off = back_off;
        });
        assert_eq!(bench.run("rqh!").1, "rqh!");
        let (out, trace) = bench.run("rqh!");
        assert_eq!(out, "abandoned rsh:503 rsb:Service Unavailable\n!");
        assert_eq!(trace, expected, "{why}");
    }
}

/// It refuses to start at one log level, which is not that of its proof.
#[test]
fn a_start_that_failed_is_not_tried_again_at_once() {
    let guest = r#"(module (import "wasi-log" "get_log_level" (func $level (param i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_2021_04"))
        (func (export "proxy_on_plugin_start") (param i32 i32) (result i32)
            (drop (call $level (i32.const 0)))
            (i32.ne (i32.load8_u (i32.const 0)) (i32.const 4)))
        (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;
    for instances in [InstanceStrategy::Shared, InstanceStrategy::FreshPerStream] {
        let mut bench = Bench::with(&[guest.to_owned()], |config| config.instances = instances);
        let refused = "abandoned rsh:503 rsb:Service Unavailable\n!";
        assert_eq!(bench.run("rqh!").0, "rqh!", "{instances:?}");
        bench.host.shut_all_down();
        bench.host.set_log_level(LogLevel::Error);
        assert_eq!(bench.run("rqh!").0, refused, "{instances:?}");
        bench.host.set_log_level(LogLevel::Trace);
        assert_eq!(bench.run("rqh!").0, refused, "{instances:?}");
        let status = bench.host.status(&bench.chain.plugins()[0], Instant::now());
        let backs_off = matches!(status.state, RunState::BackingOff { failures: 1, .. });
        assert!(backs_off, "{instances:?}: {status:?}");
    }
}

#[test]
fn a_plugin_that_does_not_start() {
    use proxywasm_host::{Engine, EngineSettings, MemorySink, Plugin, PluginConfig, Services, StartError};
    use std::sync::Arc;
    let engine = Engine::new(EngineSettings::default()).unwrap();
    let services = Services::from(Arc::new(MemorySink::default()));
    let start = |body: &str| {
        let extra = format!(r#"(func (export "proxy_on_plugin_start") (param i32 i32) (result i32) {body})"#);
        let code = engine
            .load(&wat::parse_str(component(&[], &extra)).unwrap())
            .unwrap();
        let mut config = PluginConfig::new("sick");
        config.resources.start_time = Duration::from_millis(30);
        Plugin::new(&engine, code, config, &services).unwrap_err()
    };
    assert!(matches!(start("(i32.const 0)"), StartError::Refused { .. }));
    assert!(matches!(start("(unreachable)"), StartError::Trap { .. }));
    let endless = start(LOOP);
    assert!(
        endless.to_string().contains("sick") && endless.to_string().contains("30 ms"),
        "{endless}"
    );
}

#[test]
fn code_that_is_refused() {
    use proxywasm_host::{Engine, EngineSettings};
    let engine = Engine::new(EngineSettings {
        ticker: false,
        ..EngineSettings::default()
    })
    .unwrap();
    const COMPONENT: &str = r#"(func (export "proxy_abi_version_2021_04"))"#;
    const LEGACY: &str = r#"(func (export "proxy_abi_version_0_2_1"))"#;
    const MEMORY: &str = r#"(memory (export "memory") 1)"#;
    // The module; what each of the refusals names.
    let table: &[(&str, String, &[&str])] = &[
        ("accepted", format!("{MEMORY} {COMPONENT}"), &[]),
        ("no marker", MEMORY.to_owned(), &["proxy_abi_version_2021_04"]),
        (
            "no memory, no allocator",
            LEGACY.to_owned(),
            &["memory", "malloc"],
        ),
        (
            "unknown imports, all of them",
            format!(
                r#"(import "wasi-http" "nothing" (func)) (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
                (import "wasi-log" "level" (global i32)) {MEMORY} {COMPONENT}"#
            ),
            &["`wasi-http` `nothing`", "`env` `proxy_log`", "`wasi-log` `level`"],
        ),
        (
            "an import of another type",
            format!(r#"(import "wasi-log" "log" (func (param i64) (result i32))) {MEMORY} {COMPONENT}"#),
            &["`wasi-log` `log`"],
        ),
        (
            "a callback of another type",
            format!(r#"{MEMORY} {COMPONENT} (func (export "proxy_on_http_request_headers") (param i64))"#),
            &["proxy_on_http_request_headers"],
        ),
        (
            "a trap at its start",
            format!("{MEMORY} {COMPONENT} (func $trap unreachable) (start $trap)"),
            &["unreachable"],
        ),
    ];
    for (name, module, expected) in table {
        let refusals = engine.refusals(&wat::parse_str(format!("(module {module})")).unwrap());
        assert_eq!(refusals.len(), expected.len(), "{name}: {refusals:?}");
        for (refusal, word) in refusals.iter().zip(*expected) {
            assert!(refusal.contains(word), "{name}: {refusal}");
        }
    }
    assert_eq!(engine.refusals(b"\0asm garbage").len(), 1);
}

/// A line that a plugin has not ended is logged when its callback is over, also when that ends with a trap, or with `proc_exit`.
#[test]
fn what_it_printed_last() {
    for end in [
        "(unreachable)",
        "(call $exit (i32.const 1)) (unreachable)",
        "(i32.const 0)",
    ] {
        let guest = format!(
            r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "half a line")
            ;; 16: an iovec of `half `, 24: one of `a line`
            (data (i32.const 16) "\00\00\00\00\05\00\00\00\05\00\00\00\06\00\00\00")
            (func (export "proxy_abi_version_2021_04"))
            (func $print (param $piece i32)
                (drop (call $write (i32.const 2) (local.get $piece) (i32.const 1) (i32.const 64))))
            (func (export "_initialize") (call $print (i32.const 24)))
            (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32)
                (call $print (i32.const 16)) (call $print (i32.const 24)) {end}))"#
        );
        let mut bench = Bench::new(&[guest]);
        let (_, trace) = bench.run("rqh!");
        // What `_initialize` printed stands by itself.
        assert_eq!(trace, "a line half a line", "{end}");
    }
}

/// A plugin whose every request traps: the first few get a fresh instance each, then streams get the policy without one.
#[test]
fn a_crash_loop_is_broken() {
    let table = [
        (FailurePolicy::Closed, "abandoned rsh:503"),
        (FailurePolicy::Open, "rqh!"),
    ];
    for (failure, expected) in table {
        let mut bench = Bench::with(&[component(&[("rqh", "(unreachable)")], "")], |config| {
            config.failure = failure;
            config.crash_loop.failures = 3;
            config.crash_loop.stable_after = Duration::from_secs(3600);
            config.reload_back_off = Duration::from_secs(3600);
            config.crash_loop.longest = Duration::from_secs(7200);
        });
        let plugin = bench.chain.plugins()[0].clone();
        let status = |bench: &Bench| bench.host.status(&plugin, Instant::now());
        assert_eq!(status(&bench).state, RunState::Idle);
        let entered: Vec<bool> = (0..6)
            .map(|_| {
                let id = bench.open();
                if status(&bench).instances == 1 {
                    assert!(matches!(status(&bench).state, RunState::Running(_)));
                }
                assert!(bench.feed(id, "rqh!").starts_with(expected), "{failure:?}");
                bench.host.finish(id);
                bench.trace().contains("rqh!")
            })
            .collect();
        assert_eq!(entered, [true, true, true, false, false, false], "{failure:?}");
        let RunState::BackingOff { failures, until } = status(&bench).state else {
            panic!("{:?}", status(&bench));
        };
        assert_eq!((failures, status(&bench).failures), (3, 3));
        assert!(until > Instant::now() + Duration::from_secs(3500));
    }
}

/// Where each stream has an instance of its own, a trap is nobody else's business.
#[test]
fn traps_of_instances_for_one_stream_hold_nobody_back() {
    let mut bench = Bench::with(&[component(&[("rqh", "(unreachable)")], "")], |config| {
        config.instances = InstanceStrategy::FreshPerStream;
        config.crash_loop.failures = 1;
    });
    for _ in 0..10 {
        assert!(bench.run("rqh!").1.contains("rqh!"));
    }
}
