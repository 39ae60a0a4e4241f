//! What there is to know without serving.

use super::{Folder, output, text};

#[test]
fn inspect() {
    let folder = Folder::new("inspect");
    let plugin = folder.plugin();
    let shown = output(&["inspect", text(&plugin)]);
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "abi:      ABI 0.2.1",
        "markers:  proxy_abi_version_0_2_1",
        "memory:   64 KiB, may grow to 1024 KiB",
        "  env proxy_log (func (param i32 i32 i32) (result i32))",
        "  proxy_on_request_headers (func (param i32 i32 i32) (result i32))",
        "accepted: yes; its configuration may still keep it from starting",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }

    let json = output(&["inspect", "--json", text(&plugin)]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["abi"], "ABI 0.2.1");
    assert_eq!(json["memories"][0]["initial_bytes"], 65536);
    assert_eq!(json["imports"][0]["name"], "proxy_log");
    assert_eq!(json["refused"], serde_json::json!([]));

    // What is there to no effect is told.
    let idle = [(
        r#"(module
                (memory (export "memory") 1) (func (export "proxy_abi_version_2021_04"))
                (func (export "proxy_on_http_request_metadata") (param i32 i32) (result i32) (i32.const 0)))"#,
        "proxy_on_http_request_metadata is never called",
    )];
    for (idle, note) in idle {
        let idle = folder.file("idle.wasm", wat::parse_str(idle).unwrap());
        let shown = String::from_utf8(output(&["inspect", text(&idle)]).stdout).unwrap();
        assert!(shown.contains(&format!("note:     {note}")), "{shown}");
    }

    let refused = [
        (r#"(module (memory (export "memory") 1))"#, "so it is no plugin"),
        (
            r#"(module (import "env" "no_such_call" (func)) (memory (export "memory") 1)
                (func (export "malloc") (param i32) (result i32) (i32.const 0)) (func (export "proxy_abi_version_0_2_1")))"#,
            "the module imports `env` `no_such_call`",
        ),
        (
            r#"(module (func (export "proxy_abi_version_2021_04")))"#,
            "exports no memory",
        ),
    ];
    for (wat, reason) in refused {
        let plugin = folder.file("refused.wasm", wat::parse_str(wat).unwrap());
        let shown = output(&["inspect", text(&plugin)]);
        assert_eq!(shown.status.code(), Some(1));
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(
            shown.contains("accepted: no\n") && shown.contains(reason),
            "{shown}"
        );
    }
}

#[test]
fn without_arguments_it_tells_what_it_can() {
    let help = output(&[]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("Usage: proxywasm") && help.contains("proxywasm run --plugin plugin.wasm"),
        "{help}"
    );
}
