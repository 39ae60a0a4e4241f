//! What a host does not implement is an error of each call, and nothing worse. Away from wasm no hostcall is implemented.

use std::time::Duration;

use proxywasm_sdk::{
    Counter, Function, Gauge, GrpcMethod, Histogram, HttpRequest, Level, Queue, Status, Store, Timer,
    enabled, info,
};

#[test]
fn calls_that_the_host_does_not_implement_fail() {
    let second = Duration::from_secs(1);
    let method = GrpcMethod::new("upstream", "package.Service", "Method").metadata("key", "value");
    let rows: &[(&str, Option<Status>)] = &[
        ("store", Store::open("name").err()),
        ("new store", Store::open_or_create("name").err()),
        ("queue", Queue::open("name").err()),
        ("new queue", Queue::open_or_create("name").err()),
        ("timer", Timer::every(second).err()),
        ("one-off timer", Timer::once(second).err()),
        ("counter", Counter::new("name").err()),
        ("gauge", Gauge::new("name").err()),
        ("histogram", Histogram::new("name").err()),
        ("function", Function::resolve("name").err()),
        (
            "call of a function",
            Function::of_number(1).call(&["parameter"]).err(),
        ),
        (
            "HTTP call",
            HttpRequest::new("upstream", "POST", "/")
                .body("body")
                .trailer("key", "value")
                .timeout(second)
                .dispatch()
                .err(),
        ),
        ("gRPC call", method.call("message").err()),
        ("gRPC stream", method.open().err()),
    ];
    for (call, status) in rows {
        assert_eq!(*status, Some(Status::UNIMPLEMENTED), "{call}");
    }
}

#[test]
fn lines_go_to_a_host_that_does_not_tell_its_level() {
    assert!(enabled(Level::Trace));
    info!("a line that {} nowhere", "goes");
}
