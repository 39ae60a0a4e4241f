//! Where requests go, and what they become.

use super::named;
use proxywasm_tests::harness::configured;
use std::collections::BTreeMap;

#[test]
fn matches_rewrites_redirects_and_answers() {
    let [first, second] = [named("first"), named("second")];
    let proxy = configured(&format!(
        "
workers: 2
listeners:
  - address: 127.0.0.1:0
    virtual_hosts:
      - hosts: [a.test]
        routes:
          - match: {{ path: /exact }}
            upstream: first
          - match: {{ path_prefix: /api, methods: [POST] }}
            upstream: second
            rewrite: {{ path_prefix: /v2, host: 'internal:8080' }}
          - match: {{ path_prefix: /api }}
            upstream: first
            rewrite: {{ path_prefix: / }}
          - match: {{ path_regex: '/users/\\d+', headers: [{{ name: x-beta, exact: 'yes' }}] }}
            upstream: second
            rewrite: {{ path_regex: {{ pattern: '^/users/(\\d+)', replacement: '/u/$1' }} }}
          - match: {{ path: /full, query: [{{ name: v, exact: '2' }}] }}
            upstream: first
            rewrite: {{ path: /whole }}
          - match: {{ path_prefix: /edit }}
            upstream: first
            request_headers: {{ set: {{ x-edit: one }}, add: {{ x-edit: two }}, remove: [x-drop] }}
            response_headers: {{ remove: [x-secret], add: {{ x-added: 'yes' }} }}
          - match: {{ path_prefix: /old }}
            redirect: {{ path_prefix: /new }}
          - match: {{ path: /secure }}
            redirect: {{ scheme: https, status: 301 }}
          - match: {{ path: /away }}
            redirect: {{ scheme: https, host: 'other.test:8443', path: /x, status: 302, strip_query: true }}
          - match: {{ path: /teapot }}
            respond: {{ status: 418, body: short and stout, headers: {{ x-pot: tea }} }}
          - match: {{ path: /gone }}
            respond: {{ status: 410 }}
      - hosts: ['*.b.test']
        routes: [{{ upstream: second }}]
      - hosts: ['*']
        routes: [{{ match: {{ path: /any }}, upstream: first }}]
upstreams:
  - {{ name: first, url: 'http://{}' }}
  - {{ name: second, url: 'http://{}' }}
",
        first.address(),
        second.address()
    ));
    // What is asked; status, body, and headers.
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        u16,
        &'a str,
        &'a [(&'a str, Option<&'a str>)],
    );
    let table: &[Row<'_>] = &[
        (
            "GET /exact?x=1",
            "a.test",
            &[],
            200,
            "first",
            &[("x-target", Some("/exact?x=1"))],
        ),
        (
            "GET /exact",
            "A.TEST:99",
            &[],
            200,
            "first",
            &[("x-host", Some("A.TEST:99"))],
        ),
        (
            "POST /api/x?y",
            "a.test",
            &[("content-length", "0")],
            200,
            "second",
            &[("x-target", Some("/v2/x?y")), ("x-host", Some("internal:8080"))],
        ),
        (
            "GET /api/x",
            "a.test",
            &[],
            200,
            "first",
            &[("x-target", Some("/x")), ("x-host", Some("a.test"))],
        ),
        (
            "GET /api",
            "a.test",
            &[],
            200,
            "first",
            &[("x-target", Some("/"))],
        ),
        (
            "GET /apix",
            "a.test",
            &[],
            404,
            "there is no route for this request\n",
            &[],
        ),
        (
            "GET /users/17",
            "a.test",
            &[("x-beta", "yes")],
            200,
            "second",
            &[("x-target", Some("/u/17"))],
        ),
        (
            "GET /users/17",
            "a.test",
            &[],
            404,
            "there is no route for this request\n",
            &[],
        ),
        (
            "GET /full?v=2",
            "a.test",
            &[],
            200,
            "first",
            &[("x-target", Some("/whole?v=2"))],
        ),
        (
            "GET /full?v=3",
            "a.test",
            &[],
            404,
            "there is no route for this request\n",
            &[],
        ),
        (
            "GET /edit",
            "a.test",
            &[("x-edit", "client")],
            200,
            "first",
            &[
                ("x-got", Some("one,two")),
                ("x-secret", None),
                ("x-added", Some("yes")),
            ],
        ),
        (
            "GET /old/a?b",
            "a.test",
            &[],
            308,
            "",
            &[("location", Some("/new/a?b"))],
        ),
        (
            "GET /secure?x",
            "a.test:8080",
            &[],
            301,
            "",
            &[("location", Some("https://a.test/secure?x"))],
        ),
        (
            "GET /away?x",
            "a.test",
            &[],
            302,
            "",
            &[("location", Some("https://other.test:8443/x"))],
        ),
        (
            "GET /teapot",
            "a.test",
            &[],
            418,
            "short and stout",
            &[
                ("x-pot", Some("tea")),
                ("content-type", Some("text/plain; charset=utf-8")),
                ("content-length", Some("15")),
            ],
        ),
        (
            "HEAD /teapot",
            "a.test",
            &[],
            418,
            "",
            &[("content-length", Some("15"))],
        ),
        ("GET /gone", "a.test", &[], 410, "", &[("content-type", None)]),
        ("GET /", "x.b.test", &[], 200, "second", &[]),
        ("GET /any", "b.test", &[], 200, "first", &[]),
        (
            "GET /other",
            "b.test",
            &[],
            404,
            "there is no route for this request\n",
            &[],
        ),
        // However a path is written, it is the same path.
        (
            "GET /x/../%65xact",
            "a.test",
            &[],
            200,
            "first",
            &[("x-target", Some("/exact"))],
        ),
        (
            "GET //api//x/./",
            "a.test",
            &[],
            200,
            "first",
            &[("x-target", Some("/x/"))],
        ),
        (
            "GET /edit/../old",
            "a.test",
            &[],
            308,
            "",
            &[("location", Some("/new"))],
        ),
        (
            "GET /edit%2F..%2Fold",
            "a.test",
            &[],
            400,
            "the path has an escaped slash or a backslash\n",
            &[],
        ),
    ];
    let mut client = proxy.client();
    for (request, host, headers, status, body, expected) in table {
        let headers = [&[("host", *host)], *headers].concat();
        let response = client.request(request, &headers);
        assert_eq!(
            (response.status(), response.text().as_str()),
            (*status, *body),
            "{request} {host}"
        );
        for (name, value) in *expected {
            assert_eq!(
                response.header(name).as_deref(),
                *value,
                "{request} {host}: {name}"
            );
        }
    }
}

#[test]
fn splits_are_exact() {
    let [first, second] = [named("first"), named("second")];
    let proxy = configured(&format!(
        "
workers: 2
listeners:
  - address: 127.0.0.1:0
    routes:
      - split: [{{ upstream: first, weight: 7 }}, {{ upstream: second, weight: 3 }}]
upstreams:
  - {{ name: first, url: 'http://{}' }}
  - {{ name: second, url: 'http://{}' }}
",
        first.address(),
        second.address()
    ));
    let mut counts = BTreeMap::new();
    // On connections that come to both workers.
    for _ in 0..10 {
        let mut client = proxy.client();
        for _ in 0..20 {
            *counts.entry(client.request("GET /", &[]).text()).or_insert(0) += 1;
        }
    }
    let expected = BTreeMap::from([("first".to_owned(), 140), ("second".to_owned(), 60)]);
    assert_eq!(counts, expected);
}

#[test]
fn a_slow_upstream_is_given_up() {
    let never = proxywasm_tests::harness::Origin::raw(|mut reader, seen| {
        use std::io::Read;
        let request = proxywasm_tests::harness::Message::read_head(&mut reader);
        let _ = seen.send(request.unwrap().unwrap());
        // Until the proxy lets go.
        let _ = reader.read(&mut [0]);
    });
    let proxy = configured(&format!(
        "
listeners:
  - address: 127.0.0.1:0
    routes: [{{ upstream: never, timeout: 100ms }}]
upstreams: [{{ name: never, url: 'http://{}' }}]
",
        never.address()
    ));
    let response = proxy.client().request("GET /", &[]);
    assert_eq!(
        (response.status(), response.text().as_str()),
        (504, "the upstream did not respond in time\n")
    );
}

#[test]
fn answers_to_requests_with_bodies() {
    let proxy = configured(
        "
listeners:
  - address: 127.0.0.1:0
    routes: [{ respond: { status: 403, body: 'no' } }]
  - address: 127.0.0.1:0
    routes: [{ respond: { status: 403, body: 'no' }, plugins: [headers] }]
plugins: [{ name: headers, file: headers_component.wasm }]
",
    );
    for (index, plugin) in [None, Some("headers")].into_iter().enumerate() {
        let mut client = proxywasm_tests::harness::Client::connect(proxy.addresses()[index]);
        // More than sockets hold: the client can only read the answer if the proxy takes the body, or lets go of it.
        let response = client.request_with_body("POST /", &[], &vec![b'x'; 300_000]);
        assert_eq!((response.status(), response.text().as_str()), (403, "no"));
        assert_eq!(response.header("x-plugin").as_deref(), plugin);
    }
}
