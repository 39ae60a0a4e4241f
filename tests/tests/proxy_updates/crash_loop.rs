//! A plugin that fails with each request.

use crate::{plugins, status};
use proxywasm_host::RunState;
use proxywasm_tests::harness::{ConfigFolder, capture_log};
use serde_json::json;
use std::time::Instant;

/// Traps with each request.
const TRAPS: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
    (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32) (unreachable)))"#;

#[test]
fn it_is_not_started_again_and_again() {
    let log = capture_log();
    for (failure, expected) in [("closed", 503), ("open", 200), ("reload", 503)] {
        let name = format!("crashes_{failure}");
        let folder = ConfigFolder::new(&format!(
            "
workers: 1
admin: {{ address: '127.0.0.1:0' }}
listeners: [{{ address: '127.0.0.1:0', plugins: [{name}] }}]
plugins:
  - name: {name}
    file: p.wasm
    failure: {failure}
    reload_back_off: 1h
    crash_loop: {{ failures: 3, stable_after: 1h, longest_back_off: 2h }}
"
        ));
        folder.put_wat("p.wasm", TRAPS);
        let proxy = folder.start_quietly();
        let mut client = proxy.client();
        for _ in 0..10 {
            assert_eq!(status(&mut client), expected, "{failure}");
        }
        let of_plugin = format!("plugin=\"{name}\"");
        let lines = log.lines();
        let count = |what: &str| {
            let lines = lines.iter();
            lines
                .filter(|line| line.contains(&of_plugin) && line.contains(what))
                .count()
        };
        let failures = if failure == "reload" { 1 } else { 3 };
        assert_eq!(count("its instances fail again and again"), 1, "{failure}");
        let snapshot = proxy.runner().snapshot();
        let state = snapshot.plugins[0].workers[0].unwrap();
        let RunState::BackingOff {
            failures: told,
            until,
        } = state.state
        else {
            panic!("{state:?}");
        };
        assert_eq!((told as usize, state.failures as usize), (failures, failures));
        assert!(until > Instant::now());
        let shown = plugins(&proxy);
        assert_eq!(
            (
                &shown[0]["state"],
                &shown[0]["failures_in_a_row"],
                &shown[0]["generation"]
            ),
            (&json!("waiting"), &json!(failures), &json!(1)),
            "{shown:#}"
        );
        assert!(shown[0]["next_start_in"].as_f64().unwrap() > 0.0, "{shown:#}");
        let last = &shown[0]["last_failure"];
        assert_eq!(last["callback"], "on_http_request_headers");
        assert!(
            last["reason"].as_str().unwrap().starts_with("wasm trap: "),
            "{last:#}"
        );
        // Other code is another plugin.
        let well = TRAPS.replace("(unreachable)", "(i32.const 0)");
        proxy.folder().put_wat("p.wasm", &well);
        proxy.reload();
        assert_eq!(status(&mut client), 200, "{failure}");
        let shown = plugins(&proxy);
        assert_eq!(
            (
                &shown[0]["state"],
                &shown[0]["failures_in_a_row"],
                &shown[0]["generation"]
            ),
            (&json!("running"), &json!(0), &json!(2)),
            "{shown:#}"
        );
    }
}
