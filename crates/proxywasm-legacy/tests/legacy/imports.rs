//! Which names and types of hostcalls a module can import.

use crate::support::{Guest, HOSTCALLS, RETURN, passing_on};
use proxywasm_legacy::{ALIASES, Hostcall, OVERLOADS, Support, support};
use wasi_common::Direction;
use wasi_common::stream::Flow;
use wasmtime::Engine;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;

/// A guest that also imports `name` with this many parameters, and exports it as `other`.
fn importing(name: &str, parameters: usize, has_result: bool) -> Guest {
    let types = "i32 ".repeat(parameters);
    let result = if has_result { "(result i32)" } else { "" };
    let arguments: String = (0..parameters)
        .map(|index| format!("(local.get {index}) "))
        .collect();
    let export = format!(r#"(func (export "other") (param {types}) {result} (call $other {arguments}))"#);
    let wat = passing_on(&export);
    let own = format!(r#"(import "env" "{name}" "#);
    let wat: String = wat
        .lines()
        .filter(|line| !line.contains(&own))
        .filter(|line| !line.contains(&format!(r#"(export "{name}")"#)))
        .map(|line| format!("{line}\n"))
        .collect();
    let import = format!(
        r#"(module (import "env" "{name}" (func $again (param {types}) {result}))
        (import "env" "{name}" (func $other (param {types}) {result}))"#
    );
    Guest::from_wat(&wat.replacen("(module", &import, 1))
}

#[test]
fn names() {
    for (name, _) in HOSTCALLS {
        assert_eq!(support(name), Support::Offered, "{name}");
    }
    for other in [
        Hostcall::IncrementMetric,
        Hostcall::RecordMetric,
        Hostcall::Abort,
        Hostcall::NotifyMemoryGrowth,
        Hostcall::PthreadEqual,
    ] {
        assert_eq!(support(other.name()), Support::Offered);
    }
    assert_eq!(Hostcall::ALL.len(), HOSTCALLS.len() + 5);
    for (alias, _) in ALIASES {
        assert_eq!(support(alias), Support::Offered, "{alias}");
    }
    let table = [
        ("proxy_open_grpc_stream", Support::Offered, ""),
        ("proxy_get_buffer", Support::MosnDraft, "draft ABI of MOSN"),
        ("proxy_create_timer", Support::MosnDraft, "draft ABI of MOSN"),
        ("envoy_resolve_dns", Support::Envoy, "one of Envoy alone"),
        ("proxy_get_header", Support::Unknown, "is no hostcall of its ABI"),
    ];
    for (name, expected, reason) in table {
        assert_eq!(support(name), expected, "{name}");
        assert!(expected.refusal().unwrap_or_default().contains(reason), "{name}");
    }
}

/// Each other name has the type of its hostcall, and each other type is one that no alias and no hostcall of that name has.
#[test]
fn tables() {
    let engine = Engine::default();
    let parameters = |name| {
        HOSTCALLS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, count)| *count)
    };
    for (alias, hostcall) in ALIASES {
        let count = parameters(hostcall.name()).unwrap();
        importing(alias, count, true);
        assert!(parameters(alias).is_none(), "{alias}");
    }
    for overload in OVERLOADS {
        importing(overload.name, overload.parameters, overload.has_result);
        let ty = overload.ty(&engine);
        let found = (ty.params().len(), ty.results().len() == 1);
        assert_eq!(found, (overload.parameters, overload.has_result));
        let usual = parameters(overload.name).map(|count| (count, true));
        assert_ne!(usual, Some(found), "{}", overload.name);
    }
}

/// What goes on, by which name and type.
#[test]
fn going_on() {
    let (request, response) = (Direction::Request, Direction::Response);
    let table = [
        ("proxy_continue_request", true, request),
        ("proxy_continue_request", false, request),
        ("proxy_resume_http_request", true, request),
        ("proxy_continue_response", true, response),
        ("proxy_continue_response", false, response),
        ("proxy_resume_http_response", true, response),
    ];
    for (name, has_result, direction) in table {
        let mut guest = importing(name, 0, has_result);
        for direction in [request, response] {
            guest.lane(direction).flow = Flow::Held;
        }
        assert_eq!(guest.call("other", &[]), OK, "{name}");
        let other = match direction {
            Direction::Request => response,
            Direction::Response => request,
        };
        let flows = [direction, other].map(|direction| guest.lane(direction).flow);
        assert_eq!(flows, [Flow::Resuming, Flow::Held], "{name} {has_result}");
        assert_eq!(guest.store.data_mut().http.take_effects().len(), 1, "{name}");
    }
}

#[test]
fn the_route_cache() {
    for has_result in [true, false] {
        let mut guest = importing("proxy_clear_route_cache", 0, has_result);
        assert_eq!(guest.call("other", &[]), OK);
        assert!(!guest.store.data().http.has_effects());
    }
}

#[test]
fn queues_of_the_own_vm() {
    let mut guest = importing("proxy_resolve_shared_queue", 3, true);
    let [name, len] = guest.give("q");
    assert_eq!(guest.call("other", &[name, len, RETURN[0]]), NOT_FOUND);
    assert_eq!(
        guest.call("proxy_register_shared_queue", &[name, len, RETURN[0]]),
        OK
    );
    let queue = guest.number(RETURN[0]);
    assert_eq!(guest.call("other", &[name, len, RETURN[1]]), OK);
    assert_eq!(guest.number(RETURN[1]), queue);
}

/// gRPC without metadata, by each name.
#[test]
fn grpc_without_metadata() {
    const PARSE_FAILURE: u32 = 4;
    for (name, parameters) in [
        ("proxy_grpc_call", 10),
        ("proxy_dispatch_grpc_call", 10),
        ("proxy_grpc_stream", 7),
        ("proxy_open_grpc_stream", 7),
    ] {
        let mut guest = importing(name, parameters, true);
        let (upstream, unknown) = (guest.give("x"), guest.give("y"));
        let (service, method, message) = (guest.give("s"), guest.give("m"), guest.give("abc"));
        for (upstream, status) in [(upstream, OK), (unknown, PARSE_FAILURE)] {
            let mut arguments = [upstream, service, method].concat();
            if parameters == 10 {
                arguments.extend([message[0], message[1], 1000]);
            }
            arguments.push(RETURN[0]);
            assert_eq!(guest.call("other", &arguments), status, "{name}");
            assert_eq!(guest.number(RETURN[0]) > 0, status == OK, "{name}");
        }
    }
}
