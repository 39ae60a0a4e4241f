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

/// What a module says of its making, or looks like, and what is concluded. The prebuilt plugins are looked at where the others of their tests are.
#[test]
fn what_a_plugin_was_made_with() {
    let exports = |names: &[&str]| -> String {
        names
            .iter()
            .map(|name| format!("(func (export \"{name}\"))"))
            .collect()
    };
    let wasi = |names: &[&str]| -> String {
        let import = |name| format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func))");
        names.iter().map(import).collect()
    };
    let callbacks = [
        "proxy_on_queue_ready",
        "proxy_on_grpc_receive",
        "proxy_on_new_connection",
    ];
    let rows = [
        ("not known", "not known", String::new()),
        (
            "Go (says `Go`)",
            "not known",
            r#"(@producers (language "Go" "go1.27") (processed-by "Go cmd/compile" "go1.27"))"#.to_owned(),
        ),
        (
            "TinyGo (says `TinyGo`)",
            "proxy-wasm-go-sdk for TinyGo (in TinyGo, exports `proxy_on_queue_ready`, exports `proxy_on_new_connection`)",
            exports(&callbacks)
                + r#"(@producers (processed-by "clang" "18") (processed-by "TinyGo" "0.34"))"#,
        ),
        (
            "Rust (says `Rust`)",
            "the crate proxy-wasm 0.1 (in Rust, exports `proxy_abi_version_0_1_0`, exports `proxy_on_queue_ready`, exports `proxy_on_grpc_receive`)",
            exports(&callbacks)
                + &exports(&["proxy_abi_version_0_1_0"])
                + r#"(@producers (language "Rust" "") (processed-by "rustc" "1.95"))"#,
        ),
        (
            "C++ (says `C_plus_plus_17`)",
            "not known",
            r#"(@producers (language "C_plus_plus_17" "") (processed-by "clang" "18"))"#.to_owned(),
        ),
        (
            "C (says `C11`)",
            "not known",
            r#"(@producers (language "C11" ""))"#.to_owned(),
        ),
        (
            "AssemblyScript (exports `__rtti_base`)",
            "@solo-io/proxy-runtime (exports `proxy_on_grpc_trailing_metadata`)",
            exports(&["proxy_on_grpc_trailing_metadata"])
                + r#"(global (export "__rtti_base") i32 (i32.const 0))"#,
        ),
        (
            "AssemblyScript (imports `abort`, has a start section)",
            "not known",
            r#"(import "env" "abort" (func (param i32 i32 i32 i32))) (func $start) (start $start)"#
                .to_owned(),
        ),
        (
            "C++ (Emscripten) (imports `emscripten_notify_memory_growth`)",
            "proxy-wasm-cpp-sdk (in C++ (Emscripten), exports `proxy_validate_configuration`, exports `proxy_on_queue_ready`)",
            r#"(import "env" "emscripten_notify_memory_growth" (func (param i32)))"#.to_owned()
                + &exports(&callbacks)
                + &exports(&["proxy_validate_configuration"]),
        ),
        (
            "TinyGo (exports `malloc`, exports `calloc`, exports `realloc`, imports `fd_write`)",
            "not known",
            wasi(&["fd_write"]) + &exports(&["_start", "malloc", "calloc", "realloc", "free"]),
        ),
        (
            "Go (exports `_initialize`, imports `args_get`, imports `poll_oneoff`, imports `sched_yield`)",
            "proxy-wasm-go-sdk (in Go, exports `proxy_on_queue_ready`, exports `proxy_on_new_connection`)",
            wasi(&["sched_yield", "poll_oneoff", "args_get"])
                + &exports(&callbacks)
                + &exports(&["_initialize"]),
        ),
        (
            "Rust (wasm32-wasip1) (exports `proxy_on_memory_allocate`, exports `proxy_abi_version_0_2_1`, imports WASI)",
            "the crate proxy-wasm 0.2 (in Rust (wasm32-wasip1), exports `proxy_on_queue_ready`, exports `proxy_on_grpc_receive`)",
            wasi(&["random_get"])
                + &exports(&callbacks)
                + &exports(&["proxy_on_memory_allocate", "proxy_abi_version_0_2_1"]),
        ),
        (
            "C or C++ (exports `_initialize`, exports `malloc`, imports WASI)",
            "not known",
            wasi(&["fd_write"]) + &exports(&["_initialize", "malloc"]),
        ),
    ];
    let folder = Folder::new("origin");
    for (toolchain, sdk, fields) in rows {
        let module = folder.file(
            "module.wasm",
            wat::parse_str(format!("(module {fields})")).unwrap(),
        );
        let shown = String::from_utf8(output(&["inspect", text(&module)]).stdout).unwrap();
        for line in [format!("made in:  {toolchain}"), format!("sdk:      {sdk}")] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
    }

    let said = folder.file(
        "module.wasm",
        wat::parse_str(r#"(module (@producers (language "Go" "go1.27")))"#).unwrap(),
    );
    let json = output(&["inspect", "--json", text(&said)]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["origin"]["toolchain"]["name"], "Go");
    assert_eq!(
        json["origin"]["producers"],
        serde_json::json!([{"role": "language", "name": "Go", "version": "go1.27"}])
    );
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
