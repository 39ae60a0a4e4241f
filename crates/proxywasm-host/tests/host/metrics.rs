//! Metrics: each status of each hostcall, and who shares what.

use crate::common::{Bench, component};
use proxywasm_host::*;
use std::sync::Arc;

/// A plugin that does something when request headers come. `$create` (a type, a name, a place for the id), `$get` (an id, a place for the
/// value), `$set`, `$add`, `$delete` are the hostcalls, the others are shorter: `$counter` (a name) returns an id. N, M and EMPTY are
/// names, COUNTER, GAUGE and HISTOGRAM are types.
fn guest(request: &str) -> String {
    let extra = r#"(data (i32.const 600) "\80\02\00\00\01\00\00\00\81\02\00\00\03\00\00\00\80\02\00\00\00\00\00\00") (data (i32.const 640) "nm.x")
        (func $new (param $type i32) (param $name i32) (result i32)
            (if (call $create (local.get $type) (local.get $name) (i32.const 1) (i32.const 512)) (then unreachable))
            (i32.load (i32.const 512)))
        (func $counter (param $name i32) (result i32) (call $new (i32.const 0) (local.get $name)))
        (func $value (param $id i32)
            (if (call $get (local.get $id) (i32.const 520)) (then unreachable))
            (call $say (i32.wrap_i64 (i64.load (i32.const 520)))))"#;
    let imports = r#"(module
        (import "wasi-metrics" "create_metric" (func $create (param i32 i32 i32 i32) (result i32)))
        (import "wasi-metrics" "get_metric_value" (func $get (param i32 i32) (result i32)))
        (import "wasi-metrics" "set_metric_value" (func $set (param i32 i64) (result i32)))
        (import "wasi-metrics" "increment_metric_value" (func $add (param i32 i64) (result i32)))
        (import "wasi-metrics" "delete_metric" (func $delete (param i32) (result i32)))"#;
    let request = request
        .replace("EMPTY", "(i32.const 616)")
        .replace("COUNTER", "(i32.const 0)")
        .replace("GAUGE", "(i32.const 1)")
        .replace("HISTOGRAM", "(i32.const 2)")
        .replace("[N]", "(i32.const 600)")
        .replace("[M]", "(i32.const 608)");
    component(&[("rqh", &request)], extra).replacen("(module", imports, 1)
}

/// Counts requests under the name `n`, and logs how many there are.
const COUNTS: &str =
    "(drop (call $add (call $counter [N]) (i64.const 1))) (call $value (call $counter [N])) FORWARD_";

/// A worker: a host with plugins, which shares services with others.
struct Worker(Bench);

impl Worker {
    fn new(services: &Services, guests: &[String], change: impl Fn(&mut PluginConfig)) -> Self {
        let mut bench = Bench::with(guests, |_| ());
        let plugins = guests.iter().enumerate().map(|(index, guest)| {
            let code = bench.engine.load(&wat::parse_str(guest).unwrap()).unwrap();
            let mut config = PluginConfig::new(format!("p{index}"));
            change(&mut config);
            Plugin::new(&bench.engine, code, config, services).unwrap()
        });
        bench.chain = FilterChain::new(plugins.collect());
        bench.host = Host::new(Services {
            log: Arc::clone(&bench.log) as _,
            ..services.clone()
        });
        Self(bench)
    }

    fn request(&mut self) -> String {
        self.0.run("rqh!").1
    }
}

fn services() -> Services {
    Services::new(Arc::new(MemorySink::default()))
}

#[test]
fn statuses() {
    let table = [
        (
            "nothing of the kind",
            "(call $create (i32.const 3) [N] (i32.const 1) (i32.const 512))",
            "=4",
        ),
        (
            "no name",
            "(call $create COUNTER EMPTY (i32.const 1) (i32.const 512))",
            "=4",
        ),
        (
            "no regions",
            "(call $create COUNTER [N] (i32.const 0) (i32.const 512))",
            "=4",
        ),
        (
            "regions are one name",
            "(call $create COUNTER [N] (i32.const 2) (i32.const 512))",
            "=0",
        ),
        (
            "nowhere for the id",
            "(call $create COUNTER [N] (i32.const 1) (i32.const -4))",
            "=5",
        ),
        (
            "no name there",
            "(call $create COUNTER (i32.const -8) (i32.const 1) (i32.const 512))",
            "=5",
        ),
        (
            "another type",
            "(drop (call $counter [N])) (call $create GAUGE [N] (i32.const 1) (i32.const 512))",
            "=3",
        ),
        (
            "again",
            "(drop (call $counter [N])) (call $create COUNTER [N] (i32.const 1) (i32.const 512))",
            "=0",
        ),
        (
            "too many",
            "(drop (call $counter [N])) (call $create COUNTER [M] (i32.const 1) (i32.const 512))",
            "=10",
        ),
        ("get: unknown", "(call $get (i32.const 9) (i32.const 520))", "=4"),
        (
            "get: nowhere",
            "(call $get (call $counter [N]) (i32.const -4))",
            "=5",
        ),
        (
            "get: a histogram",
            "(call $get (call $new HISTOGRAM [N]) (i32.const 520))",
            "=6",
        ),
        ("get", "(call $get (call $new GAUGE [N]) (i32.const 520))", "=0"),
        ("set: unknown", "(call $set (i32.const 9) (i64.const 1))", "=4"),
        (
            "set: a counter",
            "(call $set (call $counter [N]) (i64.const 1))",
            "=6",
        ),
        (
            "set: a gauge",
            "(call $set (call $new GAUGE [N]) (i64.const -1))",
            "=0",
        ),
        (
            "set: a histogram",
            "(call $set (call $new HISTOGRAM [N]) (i64.const -1))",
            "=0",
        ),
        ("add: unknown", "(call $add (i32.const 9) (i64.const 1))", "=4"),
        (
            "add: less to a counter",
            "(call $add (call $counter [N]) (i64.const -1))",
            "=4",
        ),
        (
            "add: a counter",
            "(call $add (call $counter [N]) (i64.const 0))",
            "=0",
        ),
        (
            "add: less to a gauge",
            "(call $add (call $new GAUGE [N]) (i64.const -1))",
            "=0",
        ),
        (
            "add: a histogram",
            "(call $add (call $new HISTOGRAM [N]) (i64.const 1))",
            "=6",
        ),
        ("delete: unknown", "(call $delete (i32.const 9))", "=4"),
        ("delete", "(call $delete (call $counter [N]))", "=0"),
        (
            "delete: twice",
            "(drop (call $delete (call $counter [N]))) (call $delete (i32.const 1))",
            "=4",
        ),
    ];
    for (name, call, expected) in table {
        let guest = guest(&format!("(call $say {}) FORWARD_", block(call)));
        let mut worker = Worker::new(&services(), &[guest], |config| config.limits.handles = 1);
        assert_eq!(worker.request(), format!("rqh! {expected}"), "{name}");
    }
}

/// Calls one after the other, of which the last one has a result, as one expression.
fn block(calls: &str) -> String {
    format!("(block (result i32) {calls})")
}

#[test]
fn what_failed_leaves_no_metric() {
    let services = services();
    let call = "(drop (call $create COUNTER [N] (i32.const 1) (i32.const -4))) FORWARD_";
    Worker::new(&services, &[guest(call)], |_| ()).request();
    assert_eq!(services.metrics.render(), "");
}

#[test]
fn metrics_of_another_plugin() {
    // Both plugins are in one instance, and each gets the status for the metric of the other.
    let calls = "(local.set $eos (i32.sub (i32.const 3) (call $counter [N])))
        (call $say (call $get (local.get $eos) (i32.const 520)))
        (call $say (call $set (local.get $eos) (i64.const 1)))
        (call $say (call $add (local.get $eos) (i64.const 1)))
        (call $say (call $delete (local.get $eos))) FORWARD_";
    let guest = guest(calls);
    let mut worker = Worker::new(&services(), &[guest.clone(), guest], |_| ());
    worker.request();
    assert_eq!(worker.request(), "rqh! =3 =3 =3 =3 rqh! =3 =3 =3 =3");
}

#[test]
fn before_a_plugin_runs_there_is_nobody_to_create_one_for() {
    let initialize = r#"(func (export "_initialize")
        (i32.store (i32.const 516) (call $create (i32.const 0) (i32.const 600) (i32.const 1) (i32.const 512))))
        (func $counter"#;
    let text =
        guest("(call $say (i32.load (i32.const 516))) FORWARD_").replacen("(func $counter", initialize, 1);
    assert_eq!(Worker::new(&services(), &[text], |_| ()).request(), "rqh! =6");
}

#[test]
fn workers_share_a_figure_and_plugins_do_not() {
    let services = services();
    let guests = [guest(COUNTS), guest(COUNTS)];
    let mut workers = [(); 2].map(|()| Worker::new(&services, &guests, |_| ()));
    assert_eq!(
        services.metrics.render(),
        "",
        "plugins that are only proved leave nothing"
    );
    for (worker, expected) in [(0, 1), (1, 2), (1, 3), (0, 4)] {
        assert_eq!(
            workers[worker].request(),
            format!("rqh! ={expected} rqh! ={expected}")
        );
    }
    let page = services.metrics.render();
    for line in ["plugin_p0_n 4", "plugin_p1_n 4"] {
        assert!(page.lines().any(|found| found == line), "{page}");
    }
}

#[test]
fn scopes() {
    let services = services();
    let guests = [guest(COUNTS), guest(COUNTS)];
    let mut worker = Worker::new(&services, &guests, |config| {
        config.metric_scope = Some("both".to_owned())
    });
    assert_eq!(worker.request(), "rqh! =1 rqh! =2");
    assert!(services.metrics.render().ends_with("\nplugin_both_n 2\n"));
}

#[test]
fn a_fresh_instance_goes_on_counting() {
    let services = services();
    let traps = "(if (i32.eq (i32.load (i32.const 520)) (i32.const 2)) (then unreachable)) FORWARD_";
    let guests = [guest(&COUNTS.replace("FORWARD_", traps))];
    let mut worker = Worker::new(&services, &guests, |config| config.failure = FailurePolicy::Open);
    for expected in 1..5 {
        assert_eq!(worker.request(), format!("rqh! ={expected}"));
    }
    worker.0.host.shut_all_down();
    assert!(
        services.metrics.render().ends_with("\nplugin_p0_n 4\n"),
        "also when the plugin has gone"
    );
}

#[test]
fn what_was_deleted_is_gone_for_all_workers() {
    let services = services();
    let deletes = "(call $say (call $delete (call $counter [N]))) FORWARD_";
    let mut counting = Worker::new(&services, &[guest(COUNTS)], |_| ());
    let mut deleting = Worker::new(&services, &[guest(deletes)], |_| ());
    assert_eq!(counting.request(), "rqh! =1");
    assert_eq!(deleting.request(), "rqh! =0");
    assert_eq!(services.metrics.render(), "");
    assert_eq!(counting.request(), "rqh! =1", "who creates it again begins at 0");
}

#[test]
fn a_hostile_plugin_is_bounded() {
    // Creates metrics of ever new names until it is refused, and logs when that was.
    let request = "(loop $more
            (i64.store (i32.const 640) (i64.add (i64.load (i32.const 640)) (i64.const 1)))
            (i32.store (i32.const 604) (i32.const 8))
            (br_if $more (i32.and (i32.eqz (call $create HISTOGRAM [N] (i32.const 1) (i32.const 512)))
                (i32.lt_u (i32.load (i32.const 512)) (i32.const 10000)))))
        (call $say (i32.load (i32.const 512))) FORWARD_";
    let services = services();
    let mut worker = Worker::new(&services, &[guest(request)], |config| {
        config.limits.handles = 1_000_000;
        config.resources.callback_time = std::time::Duration::from_secs(60);
    });
    assert_eq!(worker.request(), "rqh! =2048");
    assert_eq!(services.metrics.metrics().len(), 2048);
}

#[test]
fn metrics_of_the_older_abis() {
    let guest = r#"(module
        (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
        (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "requests.total")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (i32.eqz (call $define (i32.const 0) (i32.const 64) (i32.const 14) (i32.const 0))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $increment (i32.load (i32.const 0)) (i64.const 2)))
            (call $record (i32.load (i32.const 0)) (i64.const 3))))"#;
    let services = services();
    for _ in 0..2 {
        Worker::new(&services, &[guest.to_owned()], |_| ()).request();
    }
    assert!(
        services
            .metrics
            .render()
            .ends_with("\nplugin_p0_requests_total 10\n")
    );
}
