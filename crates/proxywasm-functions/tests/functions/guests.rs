//! Guests of both generations that call functions, in a host.

use proxywasm_host::{
    Engine, EngineSettings, FilterChain, FunctionRegistry, Host, MemorySink, Plugin, PluginConfig, Services,
};
use std::sync::Arc;

/// Creates the expression at 64, evaluates it, and logs the value.
const LEGACY: &str = r#"(module
    (import "env" "proxy_call_foreign_function" (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 32) "expr_createexpr_evaluate")
    (data (i32.const 64) "request.method + ' ' + request.headers.x")
    (global $next (mut i32) (i32.const 1024))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param $size i32) (result i32)
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get $size))))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (if (call $call (i32.const 32) (i32.const 11) (i32.const 64) (i32.const 40) (i32.const 16) (i32.const 20)) (then unreachable))
        (if (call $call (i32.const 43) (i32.const 13) (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.const 16) (i32.const 20))
            (then unreachable))
        (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20))))
        (i32.const 0)))"#;

/// The same by wasi-ffi: a number for each name, parameters and results as lists, a list of one being its count, its length and itself.
const COMPONENT: &str = r#"(module
    (import "wasi-ffi" "resolve_custom_function" (func $resolve (param i32 i32 i32) (result i32)))
    (import "wasi-ffi" "call_custom_function" (func $call (param i32 i32 i32 i32) (result i32)))
    (import "wasi-ffi" "get_custom_function_results" (func $fetch (param i32 i32 i32 i32) (result i32)))
    (import "wasi-log" "log" (func $log (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 32) "expr_createexpr_evaluate")
    (data (i32.const 64) "request.method + ' ' + request.headers.x")
    ;; at 128 the names, at 144 the source, at 152 the room for results, at 160 the number, at 168 the value
    (data (i32.const 128) "\20\00\00\00\0b\00\00\00\2b\00\00\00\0d\00\00\00\40\00\00\00\28\00\00\00\00\01\00\00\00\01\00\00\08\01\00\00\04\00\00\00\08\01\00\00")
    (func (export "proxy_abi_version_2021_04"))
    (func $run (param $name i32) (param $argument i32)
        (if (call $resolve (local.get $name) (i32.const 1) (i32.const 0)) (then unreachable))
        (if (call $call (i32.load (i32.const 0)) (local.get $argument) (i32.const 1) (i32.const 4)) (then unreachable))
        (if (call $fetch (i32.load (i32.const 4)) (i32.const 152) (i32.const 1) (i32.const 8)) (then unreachable)))
    (func (export "proxy_on_http_request_headers") (param i32 i32 i32) (result i32)
        (call $run (i32.const 128) (i32.const 144))
        (call $run (i32.const 136) (i32.const 160))
        (i32.store (i32.const 172) (i32.load (i32.const 260)))
        (drop (call $log (i32.const 2) (i32.const 168) (i32.const 1)))
        (i32.const 0)))"#;

#[test]
fn both_generations() {
    for guest in [LEGACY, COMPONENT] {
        let log = Arc::new(MemorySink::default());
        let mut functions = FunctionRegistry::new();
        proxywasm_functions::register_all(&mut functions).unwrap();
        let services = Services {
            functions: Arc::new(functions),
            ..Services::from(Arc::clone(&log))
        };
        let engine = Engine::new(EngineSettings::default()).unwrap();
        let code = engine.load(&wat::parse_str(guest).unwrap()).unwrap();
        let plugin = Plugin::new(&engine, code, PluginConfig::new("caller"), &services).unwrap();
        let chain = FilterChain::new(vec![plugin]);
        let mut host = Host::new(services);
        for method in ["GET", "PUT"] {
            let request = http::Request::builder()
                .method(method)
                .uri("http://h/")
                .header("x", "y");
            let stream = host.open(&chain, None);
            host.request_headers(stream, request.body(()).unwrap().into_parts().0, true);
            host.finish(stream);
        }
        let logged: Vec<_> = log.take().into_iter().map(|(_, message)| message).collect();
        assert_eq!(logged, ["GET y", "PUT y"], "{guest}");
    }
}
