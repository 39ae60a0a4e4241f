//! All of them in one chain.

use super::{named, origin, service};
use proxywasm_host::InstanceStrategy;
use proxywasm_tests::guests::SDKS;
use proxywasm_tests::harness::proxy;

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
