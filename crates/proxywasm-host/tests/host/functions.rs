//! Functions of the embedder, and its calls into plugins: each status of each hostcall.

use crate::common::{Bench, component};
use proxywasm_host::*;
use std::sync::Arc;
use wasi_common::Status;

/// A plugin that does something when request headers come, and in a custom callback ($id, $size). `$resolve`, `$call`, `$sizes`, `$fetch`
/// and `$results` are the hostcalls. `$function` (a name) returns the number of a function, `$done` (a function) the id of its results
/// for the parameters `ab` and `c`. TWICE, FAIL, FORBIDDEN, MISSING and PARAMETERS are iovec arrays, the last one of two.
fn guest(request: &str, callback: &str) -> String {
    let mut data = Vec::new();
    let mut texts = Vec::new();
    for text in ["twice", "fail", "forbidden", "missing", "ab", "c"] {
        data.extend((2048 + texts.len() as u32).to_le_bytes());
        data.extend((text.len() as u32).to_le_bytes());
        texts.extend(text.bytes());
    }
    let escaped = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect::<String>()
    };
    let extra = format!(
        r#"(data (i32.const 1024) "{}") (data (i32.const 2048) "{}")
        (data (i32.const 1080) "\00\10\00\00\40\00\00\00")  ;; 64 bytes of room at 4096
        (func $function (param $name i32) (result i32)
            (if (call $resolve (local.get $name) (i32.const 1) (i32.const 512)) (then unreachable))
            (i32.load (i32.const 512)))
        (func $done (param $function i32) (result i32)
            (if (call $call (local.get $function) (i32.const 1056) (i32.const 2) (i32.const 516)) (then unreachable))
            (i32.load (i32.const 516)))
        {}"#,
        escaped(&data),
        escaped(&texts),
        match callback {
            "" => String::new(),
            body => format!(
                r#"(func (export "proxy_on_custom_callback") (param $id i32) (param $size i32) (result i32) {body})"#
            ),
        },
    );
    let imports = r#"(module
        (import "wasi-ffi" "resolve_custom_function" (func $resolve (param i32 i32 i32) (result i32)))
        (import "wasi-ffi" "call_custom_function" (func $call (param i32 i32 i32 i32) (result i32)))
        (import "wasi-ffi" "get_custom_function_results_sizes" (func $sizes (param i32 i32 i32) (result i32)))
        (import "wasi-ffi" "get_custom_function_results" (func $fetch (param i32 i32 i32 i32) (result i32)))
        (import "wasi-ffi" "set_custom_callback_results" (func $results (param i32 i32 i32) (result i32)))"#;
    let names = [
        ("TWICE", 1024),
        ("FAIL", 1032),
        ("FORBIDDEN", 1040),
        ("MISSING", 1048),
        ("PARAMETERS", 1056),
        ("ROOM", 1080),
    ];
    let text = component(&[("rqh", request)], &extra).replacen("(module", imports, 1);
    names.iter().fold(text, |text, (name, address)| {
        text.replace(&format!("[{name}]"), &format!("(i32.const {address})"))
    })
}

/// `twice` returns each parameter two times; `fail` fails as its first parameter says by its length; `forbidden` is not for plugins.
fn functions() -> FunctionRegistry {
    let mut functions = FunctionRegistry::new();
    let twice = |call: &mut CallContext<'_>, parameters: &[&[u8]]| {
        assert_eq!(call.plugin.name, "p0");
        assert_eq!(call.callback, "on_http_request_headers");
        let both = parameters
            .iter()
            .flat_map(|one| [one.to_vec().into(), one.to_vec().into()]);
        Ok(both.collect())
    };
    functions.register("twice", twice).unwrap();
    let fail = |_: &mut CallContext<'_>, parameters: &[&[u8]]| {
        let why = "a test wants it".to_owned();
        Err(match parameters.len() {
            0 => FunctionError::Failed(why),
            1 => FunctionError::BadArgument(why),
            2 => FunctionError::NotFound(why),
            3 => FunctionError::NotAllowed(why),
            _ => FunctionError::Unavailable(why),
        })
    };
    functions.register("fail", fail).unwrap();
    functions.register_as(77, "forbidden", |_, _| Ok(vec![])).unwrap();
    functions
}

fn bench(guests: &[String], change: impl Fn(&mut PluginConfig)) -> Bench {
    let mut bench = Bench::new(&[]);
    let services = Services {
        functions: Arc::new(functions()),
        ..Services::from(Arc::clone(&bench.log))
    };
    let plugins = guests.iter().enumerate().map(|(index, guest)| {
        let code = bench.engine.load(&wat::parse_str(guest).unwrap()).unwrap();
        let mut config = PluginConfig::new(format!("p{index}"));
        config.permissions.functions = Allowed::from_iter(["twice", "fail", "missing"]);
        config.limits.handles = 1;
        change(&mut config);
        Plugin::new(&bench.engine, code, config, &services).unwrap()
    });
    bench.chain = FilterChain::new(plugins.collect());
    bench.host = Host::new(services);
    bench
}

/// Calls one after the other, of which the last one has a result, as one expression.
fn block(calls: &str) -> String {
    format!("(block (result i32) {calls})")
}

#[test]
fn statuses() {
    let fails = |parameters: u32| {
        format!("(call $call (call $function [FAIL]) [TWICE] (i32.const {parameters}) (i32.const 516))")
    };
    let table = [
        (
            "resolve",
            "(call $resolve [TWICE] (i32.const 1) (i32.const 512))",
            0,
        ),
        (
            "resolve: no such",
            "(call $resolve [MISSING] (i32.const 1) (i32.const 512))",
            2,
        ),
        (
            "resolve: forbidden",
            "(call $resolve [FORBIDDEN] (i32.const 1) (i32.const 512))",
            3,
        ),
        (
            "resolve: no name there",
            "(call $resolve (i32.const -8) (i32.const 1) (i32.const 512))",
            5,
        ),
        (
            "resolve: nowhere",
            "(call $resolve [TWICE] (i32.const 1) (i32.const -4))",
            5,
        ),
        (
            "call: unknown",
            "(call $call (i32.const 9) [TWICE] (i32.const 1) (i32.const 516))",
            4,
        ),
        (
            "call: forbidden",
            "(call $call (i32.const 77) [TWICE] (i32.const 1) (i32.const 516))",
            3,
        ),
        (
            "call: nothing there",
            "(call $call (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 516))",
            5,
        ),
        (
            "call: nowhere",
            "(call $call (i32.const 1) [TWICE] (i32.const 1) (i32.const -4))",
            5,
        ),
        ("call: it fails", &fails(0), 9),
        ("call: it refuses", &fails(1), 4),
        ("call: it finds nothing", &fails(2), 2),
        ("call: it forbids", &fails(3), 3),
        ("call: it cannot now", &fails(4), 10),
        (
            "call: too many results",
            "(drop (call $done (i32.const 1))) (call $call (i32.const 1) [TWICE] (i32.const 1) (i32.const 516))",
            10,
        ),
        (
            "sizes",
            "(call $sizes (call $done (i32.const 1)) (i32.const 520) (i32.const 524))",
            0,
        ),
        (
            "sizes: unknown",
            "(call $sizes (i32.const 9) (i32.const 520) (i32.const 524))",
            4,
        ),
        (
            "sizes: nowhere",
            "(call $sizes (call $done (i32.const 1)) (i32.const -4) (i32.const 524))",
            5,
        ),
        (
            "sizes: nowhere",
            "(call $sizes (call $done (i32.const 1)) (i32.const 520) (i32.const -4))",
            5,
        ),
        (
            "fetch",
            "(call $fetch (call $done (i32.const 1)) [ROOM] (i32.const 1) (i32.const 524))",
            0,
        ),
        (
            "fetch: unknown",
            "(call $fetch (i32.const 9) [ROOM] (i32.const 1) (i32.const 524))",
            4,
        ),
        (
            "fetch: no room",
            "(call $fetch (call $done (i32.const 1)) [ROOM] (i32.const 0) (i32.const 524))",
            8,
        ),
        (
            "fetch: nowhere",
            "(call $fetch (call $done (i32.const 1)) [ROOM] (i32.const 1) (i32.const -4))",
            5,
        ),
        (
            "fetch: twice",
            "(drop (call $fetch (call $done (i32.const 1)) [ROOM] (i32.const 1) (i32.const 524)))
            (call $fetch (i32.const 1) [ROOM] (i32.const 1) (i32.const 524))",
            4,
        ),
        (
            "results: no callback runs",
            "(call $results (i32.const 0) [TWICE] (i32.const 1))",
            4,
        ),
    ];
    for (name, call, expected) in table {
        let mut bench = bench(
            &[guest(&format!("(call $say {}) FORWARD_", block(call)), "")],
            |_| (),
        );
        assert_eq!(bench.run("rqh!").1, format!("rqh! ={expected}"), "{name}");
    }
}

#[test]
fn several_results() {
    // Parameters `ab` and `c`: four results. What did not fit is kept.
    let request = "(global.set $other (call $done (i32.const 1)))
        (drop (call $sizes (global.get $other) (i32.const 520) (i32.const 524)))
        (call $say (i32.load (i32.const 520)))
        (call $say (i32.load (i32.const 524)))
        (call $say (call $fetch (global.get $other) [TWICE] (i32.const 1) (i32.const 528)))
        (call $say (i32.load (i32.const 528)))
        (call $say (call $fetch (global.get $other) [ROOM] (i32.const 1) (i32.const 528)))
        (call $say (i32.load (i32.const 528)))
        ;; the lengths of the second and the third result, and the last two
        (call $say (i32.load (i32.const 4104)))
        (call $say (i32.load (i32.const 4108)))
        (call $say (i32.load16_u (i32.const 4120))) FORWARD_";
    let mut bench = bench(&[guest(request, "")], |_| ());
    assert_eq!(
        bench.run("rqh!").1,
        format!("rqh! =4 =26 =8 =26 =0 =26 =2 =1 ={}", u16::from_le_bytes(*b"cc"))
    );
}

#[test]
fn results_that_are_not_fetched_end_with_the_callback() {
    let request = "(if (i32.eqz (global.get $other)) (then (global.set $other (call $done (i32.const 1)))))
        (call $say (call $sizes (global.get $other) (i32.const 520) (i32.const 524))) FORWARD_";
    let mut bench = bench(&[guest(request, "")], |_| ());
    assert_eq!(bench.run("rqh!").1, "rqh! =0");
    assert_eq!(bench.run("rqh!").1, "rqh! =4");
}

/// Logs the callback and the size of its parameters, reads them to 4096, and returns them as a result.
const ECHO: &str = "(i32.store (i32.const 1084) (i32.const 64))
    (call $say (local.get $id)) (call $say (local.get $size))
    (call $say (call $get_buffer (local.get $id) (i32.const 7) (i32.const 0) (i32.const -1)
        (i32.const 1080) (i32.const 1) (i32.const 528)))
    (i32.store (i32.const 1084) (i32.load (i32.const 528)))
    (drop (call $results (local.get $id) [FAIL] (i32.const 1)))
    (call $results (local.get $id) [ROOM] (i32.const 1))";

#[test]
fn custom_callbacks() {
    let mut bench = bench(&[guest("FORWARD_", ECHO)], |_| ());
    let plugin = bench.chain.plugins()[0].clone();
    let table: &[(u32, &[&[u8]], &[u8], &str)] = &[
        (5, &[], b"\0\0\0\0", "=5 =4 =0"),
        (0, &[b"a", b""], b"\x02\0\0\0\x01\0\0\0\0\0\0\0a", "=0 =13 =0"),
        (
            u32::MAX,
            &[b"abc"],
            b"\x01\0\0\0\x03\0\0\0abc",
            "=4294967295 =11 =0",
        ),
    ];
    for (callback_id, parameters, expected, logged) in table {
        let results = bench.host.custom_callback(&plugin, *callback_id, parameters);
        assert_eq!(results.unwrap(), [*expected], "{callback_id}");
        assert_eq!(bench.trace(), *logged);
    }
}

#[test]
fn what_a_custom_callback_may_do() {
    let ok = "(i32.const 0)";
    let refused = |status| Err(CustomCallbackError::Refused(CallbackError::Refused(status)));
    let table = [
        ("no results", ok.to_owned(), Ok(vec![])),
        ("two results", "(call $results (local.get $id) [PARAMETERS] (i32.const 2))".into(), Ok(vec!["ab", "c"])),
        (
            "results in place of earlier ones",
            "(drop (call $results (local.get $id) [PARAMETERS] (i32.const 2))) (call $results (local.get $id) [TWICE] (i32.const 1))".into(),
            Ok(vec!["twice"]),
        ),
        (
            "results of another callback",
            "(call $results (i32.const 8) [PARAMETERS] (i32.const 2))".into(),
            refused(Status::BadArgument),
        ),
        (
            "results nowhere",
            "(call $results (local.get $id) (i32.const -8) (i32.const 2))".into(),
            refused(Status::InvalidMemoryAccess),
        ),
        (
            "results that are too large",
            "(i32.store (i32.const 1084) (i32.const 5000)) (call $results (local.get $id) [ROOM] (i32.const 1))".into(),
            refused(Status::Unavailable),
        ),
        (
            "a refusal",
            "(drop (call $results (local.get $id) [PARAMETERS] (i32.const 2))) (i32.const 2)".into(),
            refused(Status::NotFound),
        ),
        (
            "no status",
            "(i32.const 99)".into(),
            Err(CustomCallbackError::Refused(CallbackError::UnknownStatus(99))),
        ),
        ("a trap", "unreachable".into(), Err(CustomCallbackError::Failed)),
        (
            "no such callback",
            String::new(),
            Err(CustomCallbackError::Refused(CallbackError::NotExported)),
        ),
    ];
    for (name, body, expected) in table {
        let mut bench = bench(&[guest("FORWARD_", &body)], |config| {
            config.limits.argument_bytes = 4096
        });
        let plugin = bench.chain.plugins()[0].clone();
        // The second time by a fresh instance, if the first one failed.
        for _ in 0..2 {
            let results = bench.host.custom_callback(&plugin, 9, &[b"x"]);
            let expected = expected
                .clone()
                .map(|results| results.into_iter().map(bytes::Bytes::from).collect());
            assert_eq!(results, expected, "{name}");
        }
    }
}

#[test]
fn a_custom_callback_resumes_a_stream() {
    let request = "(global.set $other (local.get $ctx)) PAUSE_";
    let callback = "(call $resume_request (global.get $other))";
    let mut bench = bench(&[guest(request, callback)], |_| ());
    let plugin = bench.chain.plugins()[0].clone();
    let id = bench.open();
    assert_eq!(bench.feed(id, "rqh!"), "");
    assert_eq!(bench.host.custom_callback(&plugin, 1, &[]), Ok(vec![]));
    assert_eq!(bench.host.next_ready(), Some(id));
    assert_eq!(bench.outputs(id), ["rqh!"]);
    bench.host.finish(id);
}

#[test]
fn plugins_with_an_instance_for_each_stream_take_no_custom_callbacks() {
    let guests = [guest("FORWARD_", "(i32.const 0)")];
    let mut bench = bench(&guests, |config| {
        config.instances = InstanceStrategy::FreshPerStream
    });
    let plugin = bench.chain.plugins()[0].clone();
    let called = bench.host.custom_callback(&plugin, 1, &[]);
    assert_eq!(called, Err(CustomCallbackError::NoSharedInstance));
}

#[test]
fn functions_and_callbacks_of_the_older_abis() {
    let guest = r#"(module
        (import "env" "proxy_call_foreign_function" (func $call (param i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "joinab,c")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func $said (drop (call $log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (call $call (i32.const 64) (i32.const 4) (i32.const 68) (i32.const 4) (i32.const 0) (i32.const 4)) (then unreachable))
            (call $said) (i32.const 0))
        (func (export "proxy_on_foreign_function") (param $root i32) (param $id i32) (param $size i32)
            (if (call $get (i32.const 8) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)) (then unreachable))
            (call $said)))"#;
    // Places of results at 0 are none; the guest above wants them at 16 and 20.
    let guest = guest
        .replace(
            "(i32.load (i32.const 0)) (i32.load (i32.const 4))",
            "(i32.load (i32.const 16)) (i32.load (i32.const 20))",
        )
        .replace(
            "(i32.const 0) (i32.const 4)) (then",
            "(i32.const 16) (i32.const 20)) (then",
        );
    let mut functions = FunctionRegistry::new();
    let join = |_: &mut CallContext<'_>, parameters: &[&[u8]]| {
        let parts = parameters.concat();
        Ok(parts
            .split(|byte| *byte == b',')
            .map(|part| part.to_vec().into())
            .collect())
    };
    functions.register("join", join).unwrap();
    let mut bench = Bench::new(&[]);
    let services = Services {
        functions: Arc::new(functions),
        ..Services::from(Arc::clone(&bench.log))
    };
    let code = bench.engine.load(&wat::parse_str(guest).unwrap()).unwrap();
    let plugin = Plugin::new(&bench.engine, code, PluginConfig::new("old"), &services).unwrap();
    bench.chain = FilterChain::new(vec![plugin.clone()]);
    bench.host = Host::new(services);
    assert_eq!(bench.run("rqh!").1, "abc");
    assert_eq!(bench.host.custom_callback(&plugin, 3, &[b"x", b"yz"]), Ok(vec![]));
    assert_eq!(bench.trace(), "xyz");
}
