//! Plugins and contexts from their first callback to their last.

use crate::common::{Bench, component};
use proxywasm_host::{InstanceStrategy, LogLevel, RunState};
use std::time::{Duration, Instant};

const LIFECYCLE: &str = r#"
    (import "wasi-context" "plugin_shutdown" (func $finished (param i32) (result i32)))"#;

/// A plugin that logs the ids it is given: `=1xx` for a plugin's start, and so on.
fn lifecycle(shutdown: &str, extra: &str) -> String {
    let callbacks = format!(
        r#"
        (func (export "proxy_on_plugin_start") (param $p i32) (param $size i32) (result i32)
            (call $say (i32.add (i32.const 100) (local.get $p))) (call $say (local.get $size)) (i32.const 1))
        (func (export "proxy_on_plugin_shutdown") (param $p i32) (result i32)
            (call $say (i32.add (i32.const 200) (local.get $p))) {shutdown})
        (func (export "proxy_on_context_create") (param $ctx i32) (param $p i32) (param $type i32) (result i32)
            (call $say (i32.add (i32.const 300) (local.get $ctx))) (call $say (local.get $p)) (call $say (local.get $type)) (i32.const 0))
        (func (export "proxy_on_context_finalize") (param $ctx i32)
            (call $say (i32.add (i32.const 400) (local.get $ctx))))
        (func (export "proxy_on_log_level_update") (param $level i32)
            (call $say (i32.add (i32.const 500) (local.get $level)))) {extra}"#
    );
    // Imports come before everything else in a module.
    let text = component(
        &[("rqh", "(drop (call $finished (i32.const 1))) FORWARD_")],
        &callbacks,
    );
    text.replacen("(module", &format!("(module {LIFECYCLE}"), 1)
}

#[test]
fn a_whole_life() {
    let mut bench = Bench::with(&[lifecycle("(i32.const 1)", "")], |config| {
        config.configuration = "12345".into()
    });
    let first = bench.open();
    let second = bench.open();
    assert_eq!(
        bench.trace(),
        "=101 =5 =302 =1 =0 =303 =1 =0",
        "start with the size; contexts of type http"
    );
    bench.host.finish(first);
    let third = bench.open();
    assert_eq!(bench.trace(), "=402 =304 =1 =0", "an id is not used again");
    bench.host.finish(second);
    bench.host.finish(third);
    bench.trace();
    bench.host.set_log_level(LogLevel::Debug);
    bench.host.set_log_level(LogLevel::Debug);
    assert_eq!(bench.trace(), "=501", "told once");
    bench.host.shut_all_down();
    assert_eq!(bench.trace(), "=201");
    assert!(!bench.host.is_ending());
    bench.host.shut_all_down();
    assert_eq!(bench.trace(), "", "once");
}

#[test]
fn a_shutdown_that_is_put_off() {
    let mut bench = Bench::new(&[lifecycle("(i32.const 0)", "")]);
    let id = bench.open();
    bench.feed(id, "rqh!");
    bench.host.finish(id);
    bench.host.shut_all_down();
    assert!(bench.host.is_ending());
    // The plugin finishes in a callback of a stream.
    let id = bench.open();
    bench.feed(id, "rqh!");
    assert!(!bench.host.is_ending());
    bench.host.finish(id);
}

#[test]
fn a_shutdown_that_never_comes_is_not_waited_for() {
    let mut bench = Bench::new(&[lifecycle("(i32.const 0)", "")]);
    let id = bench.open();
    bench.host.finish(id);
    bench.host.shut_all_down();
    let deadline = bench.host.next_deadline().unwrap();
    assert!(deadline > Instant::now() + Duration::from_secs(25));
    bench.host.handle_deadline(deadline - Duration::from_secs(1));
    assert!(bench.host.is_ending());
    bench.host.handle_deadline(deadline);
    assert!(!bench.host.is_ending());
    assert_eq!(bench.host.next_deadline(), None);
}

#[test]
fn a_plugin_can_choose_its_ids() {
    let create = |id: &str| {
        format!(
            r#"(func (export "proxy_on_context_create") (param $ctx i32) (param i32 i32) (result i32) {id})
            (func (export "proxy_on_context_finalize") (param $ctx i32) (call $say (local.get $ctx)))"#
        )
    };
    let body = "(call $say (local.get $ctx)) FORWARD_";
    let chosen = component(
        &[("rqh", body)],
        &create("(i32.add (local.get $ctx) (i32.const 1000))"),
    );
    let mut bench = Bench::new(&[chosen]);
    assert_eq!(bench.run("rqh!").1, "rqh! =1002 =1002");
    assert_eq!(bench.run("rqh!").1, "rqh! =1003 =1003");
    // An id that is in use refuses the stream, the process goes on.
    let taken = component(&[("rqh", body)], &create("(i32.const 77)"));
    let mut bench = Bench::new(&[taken]);
    let first = bench.open();
    assert_eq!(bench.feed(first, "rqh!"), "rqh!");
    let second = bench.open();
    assert_eq!(bench.feed(second, "rqh!"), "abandoned rsh:500!");
    bench.host.finish(second);
    bench.host.finish(first);
    assert_eq!(bench.trace(), "rqh! =77 =3 =77");
}

#[test]
fn a_retired_plugin_ends_with_its_last_stream() {
    for instances in [InstanceStrategy::Shared, InstanceStrategy::FreshPerStream] {
        let mut bench = Bench::with(&[lifecycle("(i32.const 1)", "")], |config| {
            config.instances = instances;
        });
        let plugin = bench.chain.plugins()[0].clone();
        let (first, second) = (bench.open(), bench.open());
        bench.trace();
        let late = Instant::now() + Duration::from_secs(3600);
        bench.host.retire(&plugin, late);
        bench.host.retire(&plugin, late);
        assert_eq!(bench.host.next_deadline(), Some(late));
        let status = bench.host.status(&plugin, Instant::now());
        assert_eq!((status.state, status.streams), (RunState::Ending, 2));
        bench.host.finish(first);
        assert!(!bench.trace().contains("=201"), "{instances:?}");
        assert_eq!(bench.feed(second, "rqh!"), "rqh!");
        bench.host.finish(second);
        // Instances for one stream end with it, and are not asked.
        let asked = instances == InstanceStrategy::Shared;
        assert_eq!(bench.trace().contains("=201"), asked, "{instances:?}");
        let status = bench.host.status(&plugin, Instant::now());
        assert_eq!((status.state, status.instances), (RunState::Idle, 0));
        // A connection that is about to close brings one more.
        let straggler = bench.open();
        bench.host.finish(straggler);
        assert_eq!(bench.host.status(&plugin, Instant::now()).instances, 0);
        let deadline = bench.host.next_deadline().unwrap();
        assert!(deadline < late);
        bench.host.handle_deadline(deadline);
        assert_eq!(bench.host.next_deadline(), None, "it is forgotten");
    }
}

#[test]
fn a_retired_plugin_without_streams_ends_at_once() {
    let mut bench = Bench::new(&[lifecycle("(i32.const 1)", "")]);
    let plugin = bench.chain.plugins()[0].clone();
    bench.host.keep_running(&plugin);
    assert_eq!(bench.trace(), "=101 =0");
    bench.host.retire(&plugin, Instant::now());
    assert_eq!(bench.trace(), "=201");
}

#[test]
fn a_released_plugin_lives_on_for_its_streams() {
    let mut bench = Bench::new(&[lifecycle("(i32.const 1)", "")]);
    let plugin = bench.chain.plugins()[0].clone();
    bench.host.keep_running(&plugin);
    bench.host.release_background(&plugin);
    let id = bench.open();
    assert_eq!(bench.trace(), "=101 =0 =302 =1 =0", "in the same instance");
    bench.host.finish(id);
}

/// The one that is held is answered, the one that was answered is reset; one whose driver does nothing is not waited for.
#[test]
fn streams_of_a_retired_plugin_that_take_too_long() {
    let guest = component(&[("rqh", "PAUSE_")], "");
    let mut bench = Bench::new(&[guest, lifecycle("(i32.const 1)", "")]);
    let plugins = bench.chain.plugins().to_vec();
    let (held, lost) = (bench.open(), bench.open());
    bench.feed(held, "rqh!");
    bench.trace();
    let late = Instant::now() + Duration::from_secs(60);
    bench.host.retire(&plugins[0], late);
    bench.host.handle_deadline(late - Duration::from_secs(1));
    assert_eq!(bench.feed(held, ""), "");
    bench.host.handle_deadline(late);
    assert_eq!(
        bench.feed(held, ""),
        "abandoned rsh:503 rsb:Service Unavailable\n!"
    );
    bench.host.finish(held);
    assert_eq!(bench.host.status(&plugins[0], late).instances, 1);
    bench.host.handle_deadline(late + Duration::from_secs(10));
    assert_eq!(bench.host.status(&plugins[0], late).instances, 0);
    assert_eq!(bench.host.status(&plugins[1], late).instances, 1, "of another");
    bench.host.finish(lost);
    assert_eq!(bench.host.streams(), 0);
}

#[test]
fn plugins_of_different_versions_share_no_instance() {
    use proxywasm_host::{FilterChain, Plugin, PluginConfig, Services};
    let mut bench = Bench::new(&[lifecycle("(i32.const 1)", "")]);
    let old = bench.chain.plugins()[0].clone();
    let config = PluginConfig {
        version: 2,
        ..old.config().clone()
    };
    let services = Services::from(std::sync::Arc::clone(&bench.log));
    let new = Plugin::new(&bench.engine, old.code().clone(), config, &services).unwrap();
    bench.trace();
    let first = bench.open();
    bench.chain = FilterChain::new(vec![new.clone()]);
    let second = bench.open();
    assert_eq!(bench.trace(), "=101 =0 =302 =1 =0 =101 =0 =302 =1 =0");
    bench.host.retire(&old, Instant::now() + Duration::from_secs(60));
    bench.host.finish(first);
    assert_eq!(bench.trace(), "=402 =201");
    bench.host.finish(second);
    assert_eq!(bench.host.status(&new, Instant::now()).instances, 1);
}
