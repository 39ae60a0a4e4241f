//! Plugins of upstreams: requests pass them last, when it is decided where they go, and responses first. Messages of every shape pass them in
//! `proxy_messages.rs`.

use super::named;
use proxywasm_tests::guests::{BODY_COMPONENT, PROBE_LEGACY};
use proxywasm_tests::harness::{Client, ConfigFolder, Message, Origin, UpdatedProxy, chunked};
use std::io::Write;
use std::net::TcpListener;

/// Adds a letter to `x-edit` of requests and to `x-order` of responses; `V` adds the name of the upstream to responses, and `T` traps at a
/// body of a request.
fn letter(letter: char) -> String {
    let traps = match letter {
        'T' => r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (unreachable))"#,
        _ => "",
    };
    let (import, value) = match letter {
        'V' => (
            r#"(import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))"#,
            "(drop (call $property (i32.const 40) (i32.const 12) (i32.const 64) (i32.const 68)))",
        ),
        _ => (
            "",
            "(i32.store (i32.const 64) (i32.const 32)) (i32.store (i32.const 68) (i32.const 1))",
        ),
    };
    format!(
        r#"(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  {import}
  (memory (export "memory") 1)
  (data (i32.const 0) "x-edit")
  (data (i32.const 16) "x-order")
  (data (i32.const 32) "{letter}")
  (data (i32.const 40) "cluster_name")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $add (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 32) (i32.const 1)))
    (i32.const 0))
  {traps}
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    {value}
    (drop (call $add (i32.const 2) (i32.const 16) (i32.const 7) (i32.load (i32.const 64)) (i32.load (i32.const 68))))
    (i32.const 0)))"#
    )
}

/// The plugins that there are, each called by its letter, and those of the samples.
const PLUGINS: &str = "
plugins:
  - { name: L, file: L.wasm }
  - { name: R, file: R.wasm }
  - { name: U, file: U.wasm }
  - { name: V, file: V.wasm }
  - { name: T, file: T.wasm }
  - { name: open, file: T.wasm, failure: open }
  - { name: probe, file: probe.wasm }
  - { name: body, file: body.wasm }
";

/// A proxy with these plugins.
fn started(text: &str) -> UpdatedProxy {
    let folder = ConfigFolder::new(&format!("{text}{PLUGINS}"));
    for one in "LRUVT".chars() {
        folder.put_wat(&format!("{one}.wasm"), &letter(one));
    }
    folder.put_guest("probe.wasm", PROBE_LEGACY);
    folder.put_guest("body.wasm", BODY_COMPONENT);
    folder.start_quietly()
}

/// A proxy before an upstream that has these plugins, with those of its listener.
fn before(upstream: &str, of_listener: &str, of_upstream: &str) -> UpdatedProxy {
    started(&format!(
        "
listeners:
  - {{ address: 127.0.0.1:0, plugins: [{of_listener}], upstream: it }}
upstreams:
  - name: it
    plugins: [{of_upstream}]
    {upstream}"
    ))
}

/// What the upstream got of the letters, and what the client did.
fn orders(response: &Message) -> [String; 2] {
    ["x-got", "x-order"].map(|name| response.header(name).unwrap_or_default())
}

#[test]
fn they_come_after_the_route_and_before_its_response() {
    let [first, second] = [named("first"), named("second")];
    let proxy = started(&format!(
        "
listeners:
  - address: 127.0.0.1:0
    plugins: [L]
    routes:
      - match: {{ path_prefix: /own }}
        plugins: [R]
        upstream: first
        request_headers: {{ add: {{ x-edit: edit }} }}
        response_headers: {{ add: {{ x-order: edit }} }}
      - {{ match: {{ path_prefix: /bare }}, plugins: [], upstream: first }}
      - {{ match: {{ path_prefix: /second }}, upstream: second }}
      - {{ match: {{ path_prefix: /respond }}, respond: {{ status: 200 }} }}
      - {{ split: [{{ upstream: first, weight: 1 }}, {{ upstream: second, weight: 1 }}] }}
upstreams:
  - {{ name: first, url: 'http://{}', plugins: [U, V] }}
  - {{ name: second, url: 'http://{}' }}",
        first.address(),
        second.address(),
    ));
    let table = [
        ("/own", "first", "R,edit,U,V", "first,U,edit,R"),
        ("/bare", "first", "U,V", "first,U"),
        ("/second", "second", "L", "L"),
        ("/respond", "", "", "L"),
        ("/split", "first", "L,U,V", "first,U,L"),
        ("/split", "second", "L", "L"),
    ];
    let mut client = proxy.client();
    for (path, upstream, request, response) in table {
        let answer = client.request(&format!("GET {path}"), &[]);
        assert_eq!(answer.text(), upstream, "{path}");
        assert_eq!(orders(&answer), [request, response], "{path}");
    }
}

#[test]
fn they_see_what_becomes_of_a_request_once() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let there = named("there");
    let closing = Origin::raw(|mut reader, _| drop(Message::read_head(&mut reader)));
    // Its servers; what the client gets.
    let table = [
        // What is sent again is below them.
        (
            format!(
                "endpoints: [{{ url: 'http://{gone}' }}, {{ url: 'http://{}' }}]",
                there.address()
            ),
            200,
            "L,U",
        ),
        (format!("url: 'http://{gone}'"), 502, ""),
        (format!("url: 'http://{}'", closing.address()), 502, ""),
    ];
    for (servers, status, request) in table {
        for of_listener in ["L", ""] {
            let proxy = before(&servers, of_listener, "U");
            let mut client = proxy.client();
            for _ in 0..4 {
                let answer = client.request("GET /", &[]);
                assert_eq!(answer.status(), status, "{servers}");
                let request = request.trim_start_matches(if of_listener.is_empty() { "L," } else { "" });
                let response = if of_listener.is_empty() { "U" } else { "U,L" };
                assert_eq!(orders(&answer), [request, response], "{servers}");
            }
        }
    }
}

#[test]
fn they_can_answer_fail_and_rewrite() {
    let origin = Origin::start(|request: &Message| {
        let body = format!(
            "{} {}",
            request.header("x-edit").unwrap_or_default(),
            request.text()
        );
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
    });
    let url = format!("url: 'http://{}'", origin.address());
    // The plugins of the upstream, and a header for them; then the status, the body, and what the response passed.
    let table: &[(&str, (&str, &str), u16, &str, &str)] = &[
        (
            "probe",
            (
                "x-probe",
                "send_local_response 403 none 'no' none -1; return pause",
            ),
            403,
            "no",
            "L",
        ),
        (
            "probe",
            (
                "x-probe",
                "@response_headers; send_local_response 404 none 'not that' none -1; return pause",
            ),
            404,
            "not that",
            "L",
        ),
        (
            "probe",
            ("x-probe", "close_stream 0; return pause"),
            502,
            "no response can be had from the upstream\n",
            "L",
        ),
        ("T", ("x", "y"), 503, "", "L"),
        ("open", ("x", "y"), 200, "L,T body", "L"),
        ("body", ("x-body", "wrap"), 200, "<L <body>>", "L"),
    ];
    for (chain, header, status, body, passed) in table {
        for sent_at_once in [true, false] {
            let proxy = before(&url, "L", chain);
            let mut client = proxy.client();
            let answer = post(&mut client, *header, sent_at_once);
            assert_eq!(answer.status(), *status, "{chain} {header:?}: {answer:?}");
            if !body.is_empty() {
                assert_eq!(answer.text(), *body, "{chain} {header:?}");
            }
            assert_eq!(orders(&answer)[1], *passed, "{chain} {header:?}");
            // The proxy, and the instance that was replaced, serve on.
            assert_eq!(
                proxy.client().request("GET /", &[]).status(),
                200,
                "{chain} {header:?}"
            );
        }
    }
}

/// A request with a body in one piece or several.
fn post(client: &mut Client, header: (&str, &str), at_once: bool) -> Message {
    if at_once {
        return client.request_with_body("POST /", &[header], b"body");
    }
    let (name, value) = header;
    let head = format!("POST / HTTP/1.1\r\nhost: h\r\n{name}: {value}\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send(head).send(chunked(&[b"bo", b"dy"], &[]));
    client.receive(false)
}

#[test]
fn a_client_that_breaks_off_is_told_so() {
    let origin = named("it");
    let url = format!("url: 'http://{}'", origin.address());
    for of_listener in ["L", ""] {
        let proxy = before(&url, of_listener, "U");
        let mut client = proxy.client();
        client
            .send("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nno size\r\n");
        assert_eq!(client.receive(false).status(), 400, "{of_listener}");
        assert_eq!(proxy.client().request("GET /", &[]).status(), 200);
    }
}

#[test]
fn they_are_updated_like_others() {
    let origin = named("it");
    let proxy = before(&format!("url: 'http://{}'", origin.address()), "", "U");
    let mut client = proxy.client();
    assert_eq!(orders(&client.request("GET /", &[])), ["U", "U"]);
    proxy.folder().put_wat("U.wasm", &letter('W'));
    assert_eq!(
        proxy.reload(),
        ["plugin U: other code", "upstream it: other settings"]
    );
    assert_eq!(orders(&client.request("GET /", &[])), ["W", "W"]);
}

/// The plugins of the listener are entered while those of the upstream read the request, whose response is under way already.
#[test]
fn the_listeners_plugins_end_a_stream_from_within() {
    let origin = Origin::raw(|mut reader, _| {
        let Ok(Some(mut request)) = Message::read_head(&mut reader) else {
            return;
        };
        let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
        if request.start.starts_with("POST") {
            reader.get_mut().write_all(begun.as_bytes()).unwrap();
            request.read_body(&mut reader);
        } else {
            let whole = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            reader.get_mut().write_all(whole.as_bytes()).unwrap();
        }
    });
    let url = format!("url: 'http://{}'", origin.address());
    for of_upstream in ["", "U", "probe"] {
        for script in ["close_stream 0", "trap"] {
            let proxy = before(&url, "probe", of_upstream);
            let mut client = proxy.client();
            let head = format!(
                "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nx-case: it\r\nx-probe: @request_body#2; {script}\r\n\r\n"
            );
            client.send(head).send("3\r\none\r\n");
            let answer = client.receive_head();
            assert_eq!(answer.status(), 200, "{of_upstream} {script}");
            assert_eq!(
                client.receive_bytes(10),
                b"5\r\nhello\r\n",
                "{of_upstream} {script}"
            );
            client.try_send("3\r\ntwo\r\n");
            assert!(client.is_closed(), "{of_upstream} {script}");
            assert_eq!(
                proxy.client().request("GET /", &[]).status(),
                200,
                "{of_upstream} {script}"
            );
        }
    }
}
