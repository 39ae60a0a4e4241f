//! Profiles. The clock ticks where a plugin logs, so that each sample is where it is expected.

use crate::common::{component, request, response};
use proxywasm_host::*;
use std::sync::Arc;
use std::time::Duration;

/// Ticks at each message.
struct Ticking(Engine);

impl LogSink for Ticking {
    fn write(&self, _: &Record<'_>) {
        self.0.tick();
    }
}

/// A host and a chain of plugins with the same code and other names.
struct Profiled {
    engine: Engine,
    host: Host,
    chain: FilterChain,
}

impl Profiled {
    fn new(guest: &str, names: &[&str], instances: InstanceStrategy) -> Self {
        let engine = Engine::new(EngineSettings {
            ticker: false,
            ..EngineSettings::default()
        });
        let engine = engine.unwrap();
        let services = Services::from(Arc::new(Ticking(engine.clone())));
        let code = engine.load(&wat::parse_str(guest).unwrap()).unwrap();
        let plugins = names.iter().map(|name| {
            let mut config = PluginConfig {
                instances,
                ..PluginConfig::new(*name)
            };
            // The clock is no clock here.
            config.resources.callback_time = Duration::MAX;
            Plugin::new(&engine, Arc::clone(&code), config, &services).unwrap()
        });
        Self {
            chain: FilterChain::new(plugins.collect()),
            host: Host::new(services),
            engine,
        }
    }

    fn plugin(&self, place: usize) -> Plugin {
        self.chain.plugins()[place].clone()
    }

    fn request(&mut self) {
        let id = self.host.open(&self.chain, None);
        self.host.request_headers(id, request(), true);
        self.host.response_headers(id, response(), true);
        self.host.finish(id);
    }
}

/// The stacks of a profile, as tools for flame graphs have them. The exports of the test's plugins have no names; their numbers say
/// nothing here.
fn folded(profile: &Profile) -> Vec<String> {
    let shown = |name: &str| match name.strip_prefix("function ") {
        Some(number) if number.parse::<u32>().is_ok() => "(export)".to_owned(),
        _ => name.to_owned(),
    };
    let stacks = profile.stacks.iter();
    let mut lines: Vec<_> = stacks
        .map(|stack| {
            let frames: Vec<_> = stack.frames.iter().map(|name| shown(name)).collect();
            format!("{} {}", frames.join(";"), stack.samples)
        })
        .collect();
    lines.sort();
    lines
}

/// Logs at the begin of its callbacks, three times more in `work`, and where an instance starts.
fn worker() -> String {
    let work = r#"
        (func $work (param $rounds i32)
            (loop $again
                (call $print (i32.const 130))
                (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
                (br_if $again (local.get $rounds))))
        (func $nothing)
        (func (export "_initialize") (call $print (i32.const 130)) (call $nothing))
        (func (export "proxy_on_plugin_start") (param i32 i32) (result i32)
            (call $print (i32.const 130)) (call $nothing) (i32.const 1))"#;
    component(
        &[
            ("rqh", "(call $work (i32.const 3)) FORWARD_"),
            ("rsh", "FORWARD_"),
        ],
        work,
    )
}

#[test]
fn ticks_within_callbacks_are_samples() {
    let started = ["on_plugin_start;(export);nothing", "start;(export);nothing"];
    for (instances, starts) in [
        (InstanceStrategy::Shared, 1),
        (InstanceStrategy::FreshPerStream, 2),
    ] {
        let mut profiled = Profiled::new(&worker(), &["it"], instances);
        let profiling = profiled.plugin(0).profile().unwrap();
        for _ in 0..2 {
            profiled.request();
            // Nobody runs.
            (0..5).for_each(|_| profiled.engine.tick());
        }
        let profile = profiling.finish();
        let mut expected = vec![
            // The last message is after the last round: no function of the plugin is seen by then.
            "on_http_request_headers 2".to_owned(),
            "on_http_request_headers;(export);work 6".to_owned(),
            "on_http_response_headers 2".to_owned(),
        ];
        expected.extend(started.map(|stack| format!("{stack} {starts}")));
        assert_eq!(folded(&profile), expected, "{instances:?}");
        assert_eq!(profile.samples(), 10 + 2 * starts);
        assert_eq!(profile.stacks[0].samples, 6, "the most frequent first");
        assert!(profile.period <= profile.duration);
    }
}

#[test]
fn only_the_plugin_that_was_asked_for() {
    // They share an instance.
    let mut profiled = Profiled::new(&worker(), &["one", "other"], InstanceStrategy::Shared);
    profiled.request();
    let profiling = profiled.plugin(1).profile().unwrap();
    profiled.request();
    let profile = profiling.finish();
    let expected = [
        "on_http_request_headers 1",
        "on_http_request_headers;(export);work 3",
        "on_http_response_headers 1",
    ];
    assert_eq!(folded(&profile), expected);
}

#[test]
fn one_at_a_time_and_nothing_is_left_of_it() {
    let mut profiled = Profiled::new(&worker(), &["it"], InstanceStrategy::Shared);
    let plugin = profiled.plugin(0);
    let profiling = plugin.profile().unwrap();
    profiled.request();
    assert_eq!(plugin.clone().profile().unwrap_err(), AlreadyProfiled);
    // Whoever wanted it has gone.
    drop(profiling);
    profiled.request();
    let profiling = plugin.profile().unwrap();
    let profile = profiling.finish();
    assert_eq!((profile.samples(), profile.stacks.len()), (0, 0));
    let profiling = plugin.profile().unwrap();
    profiled.request();
    assert_eq!(profiling.finish().samples(), 5);
}

/// A plugin decides how many stacks there are and how deep they are; what is kept of them is bounded.
#[test]
fn hostile_stacks() {
    // Each round of the loop takes another way through `a` and `b`, and one is deep.
    let ways = r#"
        (func $leaf)
        (func $step (param $way i32) (param $depth i32)
            (if (i32.eqz (local.get $depth))
                (then (call $print (i32.const 130)) (call $leaf))
                (else (if (i32.and (local.get $way) (i32.const 1))
                    (then (call $a (i32.shr_u (local.get $way) (i32.const 1)) (i32.sub (local.get $depth) (i32.const 1))))
                    (else (call $b (i32.shr_u (local.get $way) (i32.const 1)) (i32.sub (local.get $depth) (i32.const 1))))))))
        (func $a (param i32 i32) (call $step (local.get 0) (local.get 1)))
        (func $b (param i32 i32) (call $step (local.get 0) (local.get 1)))
        (func $all (param $way i32)
            (call $step (i32.const 0) (i32.const 200))
            (loop $again
                (call $step (local.get $way) (i32.const 13))
                (local.set $way (i32.sub (local.get $way) (i32.const 1)))
                (br_if $again (local.get $way))))"#;
    let guest = component(&[("rqh", "(call $all (i32.const 5000)) FORWARD_")], ways);
    let mut profiled = Profiled::new(&guest, &["it"], InstanceStrategy::Shared);
    let profiling = profiled.plugin(0).profile().unwrap();
    profiled.request();
    let profile = profiling.finish();
    // With that of the message at the begin.
    assert_eq!(profile.samples(), 5002);
    assert_eq!(profile.stacks.len(), 4097);
    let begins = |with: &str| {
        let found = profile.stacks.iter().find(|stack| &*stack.frames[1] == with);
        found.unwrap_or_else(|| panic!("no stack begins with {with}"))
    };
    let others = begins("(other stacks)");
    assert_eq!((others.samples, others.frames.len()), (5002 - 4096, 2));
    let deep = begins("(outer functions)");
    assert_eq!((deep.samples, deep.frames.len()), (1, 2 + 128));
    assert_eq!(&*deep.frames[2 + 127], "leaf");
}
