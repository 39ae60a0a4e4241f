//! Updates that come to nothing.

use crate::{ONE, RELOAD, counter, has_figure, status};
use proxywasm_tests::harness::{Client, ConfigFolder, capture_log};
use serde_json::{Value, json};
use std::net::TcpListener;

#[test]
fn everything_stays_as_it_was() {
    let log = capture_log();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let with = |from: &str, to: &str| ONE.replace(from, to);
    let table = [
        (with("plugins: [p] }]", "plugins: [p] ]"), 422, "proxy.yaml:"),
        (
            with("workers", "wrokers"),
            422,
            "proxy.yaml:2:1: unknown field `wrokers`",
        ),
        (
            with("plugins: [p]", "plugins: [p], upstream: u"),
            422,
            "proxy.yaml:3:63: no upstream is called `u`",
        ),
        (
            with("plugins: [p]", "plugins: [r]"),
            422,
            "proxy.yaml:3:49: no plugin is called `r`; defined are `p`",
        ),
        (
            with("p.wasm", "missing.wasm"),
            422,
            "proxy.yaml:4:28: cannot read the plugin ",
        ),
        (with("p.wasm", "proxy.yaml"), 422, "the code does not compile"),
        (
            with("p.wasm", "refuses.wasm"),
            422,
            "proxy.yaml:4:19: plugin `p` does not accept its configuration",
        ),
        (
            with("p.wasm", "traps.wasm"),
            422,
            "proxy.yaml:4:19: plugin `p` failed while it started",
        ),
        (
            with(
                "plugins: [p] }",
                &format!("plugins: [p] }}, {{ address: '{taken}' }}"),
            ),
            409,
            "cannot listen on ",
        ),
        (
            with(
                "plugins: [p]",
                "plugins: [p], protocol: tcp, upstream: 'tcp://127.0.0.1:1'",
            ),
            422,
            "`protocol` of the listener 127.0.0.1:0 cannot change at run time",
        ),
        (
            with("workers", "redis: { url: 'redis://127.0.0.1:1' }\nworkers"),
            422,
            "`redis` has changed, which needs a restart",
        ),
    ];
    let start = |body: &str| {
        format!(
            r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
            (func (export "proxy_on_plugin_start") (param i32 i32) (result i32) {body}))"#
        )
    };
    let admin = "admin: { address: '127.0.0.1:0' }\n";
    let folder = ConfigFolder::new(&format!("{ONE}{admin}"));
    folder.put_wat("p.wasm", &counter(210));
    folder.put_wat("refuses.wasm", &start("(i32.const 0)"));
    folder.put_wat("traps.wasm", &start("(unreachable)"));
    let proxy = folder.start_quietly();
    let mut client = proxy.client();
    let mut expected = 210;
    for (text, code, message) in table {
        proxy.folder().write(&format!("{text}{admin}"));
        let admin = proxy.admin_address().unwrap();
        let answer = Client::connect(admin).request("POST /reload", &RELOAD);
        let why = answer.text();
        assert_eq!(answer.status(), code, "{text}: {why}");
        assert!(
            why.starts_with("everything stays as it was: ") && why.contains(message),
            "{text}: {why}"
        );
        log.wait_for(&format!(
            "reload: everything stays as it was: {}",
            first_line(&why)
        ));
        expected += 1;
        assert_eq!(status(&mut client), expected, "the same instance: {text}");
        let failure = proxy.runner().snapshot().last_failure.unwrap();
        assert!(failure.reason.contains(message), "{failure:?}");
        let (_, shown) = proxy.ask("GET /status", "");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            (&shown["failed_update"]["reason"], &shown["generation"]),
            (&json!(failure.reason), &json!(1))
        );
    }
    let refused = format!(
        "proxywasm_config_reloads_total{{result=\"refused\"}} {}",
        expected - 210
    );
    for figure in [&refused, "proxywasm_config_last_reload_successful 0"] {
        assert!(has_figure(&proxy, figure), "{figure}");
    }
    assert_eq!(proxy.generation(), 1);
    // What is in order again is nothing new.
    assert_eq!(proxy.update(&format!("{ONE}{admin}")), [""; 0]);
    for figure in [
        "proxywasm_config_generation 1",
        "proxywasm_config_reloads_total{result=\"unchanged\"} 1",
        "proxywasm_config_last_reload_successful 1",
    ] {
        assert!(has_figure(&proxy, figure), "{figure}");
    }
}

/// The first line of a reason.
fn first_line(answer: &str) -> &str {
    let reason = answer.trim_start_matches("everything stays as it was: ");
    reason.lines().next().unwrap_or_default()
}
