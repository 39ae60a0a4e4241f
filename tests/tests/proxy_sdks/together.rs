//! Several streams in one instance, and all plugins in one chain.

use super::{config, named, origin, service, service_with_gate};
use proxywasm_host::InstanceStrategy;
use proxywasm_tests::guests::SDKS;
use proxywasm_tests::harness::proxy;
use std::sync::{Arc, Barrier};
use std::thread;

/// What comes for a stream finds that stream, also where others have come and gone meanwhile.
#[test]
fn streams_of_one_instance_do_not_mix() {
    for guest in SDKS {
        let gate = Arc::new(Barrier::new(2));
        let (origin, service) = (origin(), service_with_gate(Arc::clone(&gate)));
        let proxy = proxy()
            .upstream_of_calls("service", service.address())
            .guest_with(guest, config(guest, 0))
            .upstream(origin.address())
            .start();
        let mut waiting = proxy.client();
        let waits = thread::spawn(move || {
            let headers = [("x-call", "/gate"), ("x-value", "1"), ("x-body", "replace")];
            waiting.request_with_body("POST /echo-waits", &headers, b"first")
        });
        service.received();
        let mut client = proxy.client();
        for seen in ["2", "3"] {
            let response = client.request("POST /passes", &[("x-call", "/at-once")]);
            assert_eq!(response.text(), "Hello", "{guest}");
            assert_eq!(response.header("x-seen").as_deref(), Some(seen), "{guest}");
            let request = origin.received();
            assert_eq!(
                request.header("x-call-body").as_deref(),
                Some("for /at-once"),
                "{guest}"
            );
            assert_eq!(request.header("x-values").as_deref(), Some("0"), "{guest}");
        }
        gate.wait();
        let response = waits.join().unwrap();
        assert_eq!(response.text(), "7 bytes: <FIRST>", "{guest}");
        let request = origin.received();
        assert_eq!(request.start, "POST /echo-waits HTTP/1.1");
        assert_eq!(
            request.header("x-call-body").as_deref(),
            Some("for /gate"),
            "{guest}"
        );
        assert_eq!(request.header("x-values").as_deref(), Some("1"), "{guest}");
        proxy.shut_down();
    }
}

#[test]
fn plugins_of_all_sdks_in_one_chain() {
    for instances in [InstanceStrategy::Shared, InstanceStrategy::FreshPerStream] {
        let (origin, service) = (origin(), service());
        let mut builder = proxy()
            .upstream_of_calls("service", service.address())
            .upstream(origin.address());
        for guest in SDKS {
            let mut config = named(guest, guest, 0);
            config.instances = instances;
            builder = builder.guest_with(guest, config);
        }
        let proxy = builder.start();
        let mut client = proxy.client();

        let headers = [("x-call", "/allowed"), ("x-body", "replace"), ("x-value", "1")];
        let response = client.request_with_body("POST /echo", &headers, b"some body");
        let request = origin.received();
        // Each callout holds the request until it is answered; then each body is changed by one after the other.
        assert_eq!(request.text(), "<<<<<SOME BODY>>>>>");
        assert_eq!(request.header("x-sdk"), Some(SDKS.join(",")));
        assert_eq!(request.header("x-call-body").as_deref(), Some("for /allowed"));
        let lengths = [19, 29, 39, 49, 59].map(|length| format!("{length} bytes: "));
        let mut expected: Vec<&str> = lengths.iter().rev().map(String::as_str).collect();
        expected.push("<<<<<SOME BODY>>>>>");
        assert_eq!(response.text(), expected.concat());
        let reversed: Vec<&str> = SDKS.into_iter().rev().collect();
        assert_eq!(response.header("x-sdk"), Some(reversed.join(",")));

        // One that answers is seen by those before it, and by itself.
        let response = client.request("GET /", &[("x-local", "403")]);
        assert_eq!(
            (response.status(), response.header("x-sdk").as_deref()),
            (403, Some(SDKS[0]))
        );
    }
}
