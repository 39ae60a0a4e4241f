//! Plugins and contexts from their first callback to their last.

use crate::common::{Bench, component};
use proxywasm_host::LogLevel;
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
