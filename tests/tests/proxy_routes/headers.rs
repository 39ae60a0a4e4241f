//! Headers by which upstreams learn of the client.

use proxywasm_tests::harness::{Origin, configured};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[test]
fn what_upstreams_learn_of_clients() {
    let came = [
        ("x-request-id", "given"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "other.test"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    let local = Some("127.0.0.1");
    // What the configuration says, what comes, and the headers that the upstream gets.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], [(&'a str, Option<&'a str>); 6]);
    let table: &[Row<'_>] = &[
        (
            "",
            &[],
            [
                ("x-forwarded-for", local),
                ("x-forwarded-proto", Some("http")),
                ("x-forwarded-host", Some("example.test")),
                ("via", None),
                ("x-hop", None),
                ("connection", None),
            ],
        ),
        (
            "",
            &came,
            [
                ("x-request-id", Some("given")),
                ("x-forwarded-for", local),
                ("x-forwarded-proto", Some("http")),
                ("x-forwarded-host", Some("example.test")),
                ("x-hop", None),
                ("connection", None),
            ],
        ),
        (
            "headers: { forwarded: append, via: edge }",
            &came,
            [
                ("x-request-id", Some("given")),
                ("x-forwarded-for", Some("192.0.2.1, 127.0.0.1")),
                ("x-forwarded-proto", Some("https")),
                ("x-forwarded-host", Some("other.test")),
                ("via", Some("1.1 edge")),
                ("x-hop", None),
            ],
        ),
        (
            "headers: { forwarded: off, request_id: false }",
            &[],
            [
                ("x-request-id", None),
                ("x-forwarded-for", None),
                ("x-forwarded-proto", None),
                ("x-forwarded-host", None),
                ("via", None),
                ("x-hop", None),
            ],
        ),
    ];
    for (headers, came, expected) in table {
        for plugins in ["", "forward"] {
            let origin = Origin::fixed(OK);
            let proxy = configured(&format!(
                "
listeners:
  - address: 127.0.0.1:0
    upstream: http://{}
    plugins: [{plugins}]
    {headers}
plugins: [{{ name: forward, file: headers_component.wasm }}]
",
                origin.address()
            ));
            assert_eq!(proxy.client().request("GET /", came).status(), 200);
            let request = origin.received();
            for (name, value) in expected {
                assert_eq!(
                    request.header(name).as_deref(),
                    *value,
                    "{headers} {came:?}: {name}"
                );
            }
        }
    }
}

#[test]
fn ids_are_made_for_each_request() {
    let origin = Origin::fixed(OK);
    let proxy = proxywasm_tests::harness::proxy()
        .upstream(origin.address())
        .start();
    let mut client = proxy.client();
    let mut ids = Vec::new();
    for _ in 0..3 {
        client.request("GET /", &[]);
        ids.push(origin.received().header("x-request-id").unwrap());
    }
    ids.dedup();
    assert_eq!(ids.iter().map(String::len).collect::<Vec<_>>(), [36; 3]);
}
