//! Several plugins: order, bypass, shared and separate instances.

use crate::common::{Bench, component};
use proxywasm_host::{FilterChain, InstanceStrategy, Part, Phase, PhaseSet, Plugin, PluginConfig};
use std::sync::Arc;

/// A plugin that logs its own digit before its callbacks' names.
fn numbered(number: u32, bodies: &[(&str, &str)]) -> String {
    let bodies: Vec<_> = bodies
        .iter()
        .map(|(phase, body)| (*phase, format!("(call $say (i32.const {number})) {body}")))
        .collect();
    let bodies: Vec<_> = bodies
        .iter()
        .map(|(phase, body)| (*phase, body.as_str()))
        .collect();
    component(&bodies, "")
}

#[test]
fn requests_in_order_and_responses_in_reverse() {
    let forward = [
        ("rqh", "FORWARD_"),
        ("rqb", "FORWARD_"),
        ("rsh", "FORWARD_"),
        ("rsb", "FORWARD_"),
    ];
    let guests: Vec<_> = (1..=3).map(|number| numbered(number, &forward)).collect();
    let (out, trace) = Bench::new(&guests).run("rqh rqb:a! rsh rsb:b!");
    assert_eq!(out, "rqh rqb:a! rsh rsb:b!");
    assert_eq!(
        trace,
        "rqh =1 rqh =2 rqh =3 rqb1! =1 rqb1! =2 rqb1! =3 rsh =3 rsh =2 rsh =1 rsb1! =3 rsb1! =2 rsb1! =1"
    );
}

#[test]
fn each_filter_holds_for_itself() {
    // The first collects the whole body, the second gets it in one piece, the third ends the stream.
    let guests = [
        component(&[("rqb", "FULL_")], ""),
        component(&[("rqb", "FORWARD_")], ""),
        component(&[("rqb", "END_")], ""),
    ];
    let (out, trace) = Bench::new(&guests).run("rqh rqb:ab rqb:cd rqb:e!");
    assert_eq!(out, "rqh rqb:ab rqb:cd rqb:e!");
    assert_eq!(trace, "rqb2 rqb5! rqb5! rqb5!");
}

#[test]
fn callbacks_that_are_switched_off() {
    let guest = component(&[("rqh", "FORWARD_"), ("rqb", "PAUSE_"), ("rsh", "CLOSE_")], "");
    let mut bench = Bench::with(&[guest], |config| {
        config.callbacks_off = Phase::ALL
            .into_iter()
            .filter(|phase| phase.part == Part::Body || phase.name() == "response_headers")
            .collect();
    });
    assert_eq!(
        bench.run("rqh rqb:a! rsh!"),
        ("rqh rqb:a! rsh!".into(), "rqh".into())
    );
    assert_eq!(PhaseSet::NONE, PhaseSet::default());
}

/// Counts streams in its memory, so that the log tells which instance served one.
const COUNTING: &str = "(global.set $other (i32.add (global.get $other) (i32.const 1))) (call $say (global.get $other)) FORWARD_";

#[test]
fn plugins_that_behave_alike_share_an_instance() {
    let guest = component(&[("rqh", COUNTING)], "");
    let mut bench = Bench::new(std::slice::from_ref(&guest));
    let code = Arc::clone(bench.chain.plugins()[0].code());
    let services = proxywasm_host::Services::from(Arc::clone(&bench.log));
    let plugin = |change: fn(&mut PluginConfig)| {
        let mut config = PluginConfig::new("other");
        config.log_level = proxywasm_host::LogLevel::Trace;
        change(&mut config);
        Plugin::new(&bench.engine, Arc::clone(&code), config, &services).unwrap()
    };
    let same = FilterChain::new(vec![plugin(|config| config.configuration = "another".into())]);
    let apart = FilterChain::new(vec![plugin(|config| config.vm_id = "apart".into())]);
    bench.log.take();
    let first = bench.chain.clone();
    let mut counts = Vec::new();
    for chain in [&first, &same, &apart, &first] {
        let id = bench.host.open(chain, None);
        bench.feed(id, "rqh!");
        bench.host.finish(id);
        counts.push(bench.trace());
    }
    assert_eq!(counts, ["rqh! =1", "rqh! =2", "rqh! =1", "rqh! =3"]);
}

#[test]
fn a_fresh_instance_for_each_stream() {
    let guest = component(&[("rqh", COUNTING)], "");
    let mut bench = Bench::with(&[guest], |config| {
        config.instances = InstanceStrategy::FreshPerStream
    });
    for _ in 0..3 {
        assert_eq!(bench.run("rqh! rsh!"), ("rqh! rsh!".into(), "rqh! =1".into()));
    }
    let (one, two) = (bench.open(), bench.open());
    bench.feed(one, "rqh!");
    bench.feed(two, "rqh!");
    assert_eq!(bench.trace(), "rqh! =1 rqh! =1");
    bench.host.finish(one);
    bench.host.finish(two);
    assert_eq!(bench.host.streams(), 0);
}

#[test]
fn hostcalls_that_are_not_allowed() {
    let body = "(call $say (call $close_request (local.get $ctx))) FORWARD_";
    let mut bench = Bench::with(&[component(&[("rqh", body)], "")], |config| {
        config.allowed_hostcalls = Some(["log".to_owned()].into());
    });
    assert_eq!(
        bench.run("rqh!"),
        ("rqh!".into(), "rqh! =3".into()),
        "not_allowed, and nothing happens"
    );
}

#[test]
fn callbacks_that_are_not_allowed() {
    let trap = component(&[("rqh", "(unreachable)"), ("rsh", "FORWARD_")], "");
    // One with a type that it cannot have is not there either.
    let odd = component(
        &[("rsh", "FORWARD_")],
        r#"(func (export "proxy_on_timer_ready") (param i64))"#,
    );
    let mut bench = Bench::with(&[trap, odd], |config| {
        config.allowed_callbacks = Some(["proxy_on_http_response_headers".to_owned()].into());
    });
    assert_eq!(bench.run("rqh! rsh!"), ("rqh! rsh!".into(), "rsh! rsh!".into()));
}

#[test]
fn fresh_instances_that_fail_leave_nothing_behind() {
    // Beside an instance that lives: neither may touch the other's place.
    let lives = component(&[("rqh", COUNTING)], "");
    let mut bench = Bench::with(&[lives, component(&[("rqh", "(unreachable)")], "")], |config| {
        if config.name == "p1" {
            config.instances = InstanceStrategy::FreshPerStream;
        }
    });
    for round in 1..=3 {
        let (out, trace) = bench.run("rqh!");
        assert_eq!(out, "abandoned rsh:503 rsb:Service Unavailable\n!");
        assert_eq!(
            trace,
            format!("rqh! ={round} rqh!"),
            "the first plugin keeps its instance"
        );
    }
    let (first, second) = (bench.open(), bench.open());
    bench.feed(first, "rqh!");
    bench.feed(second, "rqh!");
    bench.host.finish(first);
    bench.host.finish(second);
    assert_eq!(bench.host.streams(), 0);
}
