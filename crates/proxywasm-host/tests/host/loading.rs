//! Modules of the older ABIs that are refused before anything of them runs, and what the host says of them.

use proxywasm_host::{Engine, EngineSettings};

/// A module with an import of a type, of ABI 0.2.0.
fn importing(name: &str, ty: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module (import "env" "{name}" {ty}) (memory (export "memory") 1)
            (func (export "malloc") (param i32) (result i32) (i32.const 0))
            (func (export "proxy_abi_version_0_2_0")))"#
    );
    wat::parse_str(wat).unwrap()
}

#[test]
fn imports() {
    const STATUS: &str = "(result i32)";
    let words = |count: usize, result: &str| format!("(func (param {}) {result})", "i32 ".repeat(count));
    // The function, the type by which it is imported, and what is said of it; nothing where the module loads.
    let table: &[(&str, String, &[&str])] = &[
        ("proxy_grpc_call", words(12, STATUS), &[]),
        ("proxy_grpc_call", words(10, STATUS), &[]),
        ("proxy_dispatch_grpc_call", words(10, STATUS), &[]),
        ("proxy_resolve_shared_queue", words(3, STATUS), &[]),
        ("proxy_continue_request", words(0, STATUS), &[]),
        ("proxy_continue_request", words(0, ""), &[]),
        ("proxy_resume_http_request", words(0, STATUS), &[]),
        ("proxy_send_http_response", words(8, STATUS), &[]),
        (
            "proxy_grpc_call",
            words(11, STATUS),
            &[
                "imports `env` `proxy_grpc_call` as (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
                "but the host has it as (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
                " or (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))",
            ],
        ),
        (
            "proxy_log",
            "(func (param i32 i32) (result i32))".to_owned(),
            &["(param i32 i32) (result i32)", "(param i32 i32 i32) (result i32)"],
        ),
        (
            "proxy_dispatch_grpc_call",
            words(12, STATUS),
            &["`proxy_dispatch_grpc_call` as", "but the host has it as"],
        ),
        (
            "proxy_get_buffer",
            words(5, STATUS),
            &[
                "`proxy_get_buffer`, which is a hostcall of the draft ABI of MOSN, which has the marker of ABI 0.2.0",
            ],
        ),
        (
            "proxy_create_timer",
            words(3, STATUS),
            &["`proxy_create_timer`, which is a hostcall of the draft ABI of MOSN"],
        ),
        (
            "envoy_resolve_dns",
            words(3, STATUS),
            &["`envoy_resolve_dns`, which is no hostcall of its ABI but one of Envoy alone"],
        ),
        (
            "proxy_nonsense",
            words(0, ""),
            &["`proxy_nonsense`, which is no hostcall of its ABI"],
        ),
        (
            "proxy_log",
            "(global i32)".to_owned(),
            &["imports `env` `proxy_log` as a global of type i32, but the host has it as"],
        ),
    ];
    let engine = Engine::new(EngineSettings::default()).unwrap();
    for (name, ty, said) in table {
        let module = importing(name, ty);
        let text = match engine.load(&module) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text.is_empty(), said.is_empty(), "{name} {ty}: {text}");
        for part in *said {
            assert!(text.contains(part), "{name} {ty}: {text}");
        }
        assert_eq!(engine.refusals(&module).len(), usize::from(!said.is_empty()));
    }
}
