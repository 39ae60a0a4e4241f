//! Routes and plugins: what is decided before them, and what after.

use super::named;
use proxywasm_tests::harness::{Proxy, configured};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A plugin that moves each request below `/go` elsewhere, and tells in `x-edit` which route it had before; the response tells the name of the
/// upstream, how many servers that has, and to how many the request was sent.
const MOVER: &str = r#"(module
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "route_name")
  (data (i32.const 16) "x-edit")
  (data (i32.const 32) ":path")
  (data (i32.const 48) "/a/../second/moved")
  (data (i32.const 80) ":authority")
  (data (i32.const 96) "moved.test")
  (data (i32.const 200) "cluster_name")
  (data (i32.const 216) "x-cluster")
  (data (i32.const 232) "upstream\00num_endpoints")
  (data (i32.const 256) "x-endpoints")
  (data (i32.const 272) "upstream\00request_attempt_count")
  (data (i32.const 312) "x-attempts")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $property (i32.const 0) (i32.const 10) (i32.const 128) (i32.const 132)))
      (then (drop (call $replace (i32.const 0) (i32.const 16) (i32.const 6)
        (i32.load (i32.const 128)) (i32.load (i32.const 132))))))
    (drop (call $replace (i32.const 0) (i32.const 32) (i32.const 5) (i32.const 48) (i32.const 18)))
    (drop (call $replace (i32.const 0) (i32.const 80) (i32.const 10) (i32.const 96) (i32.const 10)))
    (i32.const 0))
  (func $digit (param $path i32) (param $path_len i32) (param $name i32) (param $name_len i32)
    (if (i32.eqz (call $property (local.get $path) (local.get $path_len) (i32.const 128) (i32.const 132)))
      (then
        (i32.store8 (i32.const 140) (i32.add (i32.const 48) (i32.load8_u (i32.load (i32.const 128)))))
        (drop (call $replace (i32.const 2) (local.get $name) (local.get $name_len) (i32.const 140) (i32.const 1))))))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $property (i32.const 200) (i32.const 12) (i32.const 128) (i32.const 132)))
      (then (drop (call $replace (i32.const 2) (i32.const 216) (i32.const 9)
        (i32.load (i32.const 128)) (i32.load (i32.const 132))))))
    (call $digit (i32.const 232) (i32.const 22) (i32.const 256) (i32.const 11))
    (call $digit (i32.const 272) (i32.const 30) (i32.const 312) (i32.const 10))
    (i32.const 0)))"#;

/// A file of the plugin that no other test uses.
fn mover(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("proxywasm-{test}-{}.wasm", std::process::id()));
    fs::write(&path, wat::parse_str(MOVER).unwrap()).unwrap();
    path
}

fn proxy_with(first: SocketAddr, second: SocketAddr, test: &str) -> Proxy {
    let mover = mover(test);
    let proxy = configured(&format!(
        "
listeners:
  - address: 127.0.0.1:0
    plugins: [headers]
    virtual_hosts:
      - hosts: [example.test]
        routes:
          - {{ name: go, match: {{ path_prefix: /go }}, upstream: first, plugins: [mover] }}
          - {{ name: bare, match: {{ path_prefix: /bare }}, upstream: first, plugins: [] }}
          - {{ name: plain, upstream: first }}
      - hosts: [moved.test]
        routes:
          - {{ name: second, match: {{ path_prefix: /second }}, upstream: second, plugins: [] }}
          - {{ name: trap, upstream: first }}
upstreams:
  - {{ name: first, url: 'http://{first}' }}
  - {{ name: second, url: 'http://{second}' }}
plugins:
  - {{ name: headers, file: headers_component.wasm }}
  - {{ name: mover, file: {} }}
",
        mover.display()
    ));
    fs::remove_file(mover).unwrap();
    proxy
}

#[test]
fn plugins_are_chosen_before_and_upstreams_after() {
    let [first, second] = [named("first"), named("second")];
    let proxy = proxy_with(first.address(), second.address(), "chosen");
    // A path; which upstream answers, what it gets, and whether the listener's plugin took part.
    let table = [
        ("/", "first", "/", "", true),
        ("/bare/x", "first", "/bare/x", "", false),
        // By the path that the plugin made, written in one way; its plugins are those of the route it had before.
        ("/go", "second", "/second/moved", "go", false),
    ];
    let mut client = proxy.client();
    for (path, upstream, target, route, plugin) in table {
        let response = client.request(&format!("GET {path}"), &[]);
        assert_eq!(
            (response.status(), response.text().as_str()),
            (200, upstream),
            "{path}"
        );
        assert_eq!(response.header("x-target").as_deref(), Some(target), "{path}");
        assert_eq!(response.header("x-got").as_deref(), Some(route), "{path}");
        assert_eq!(response.header("x-plugin").is_some(), plugin, "{path}");
        let seen = ["x-cluster", "x-endpoints", "x-attempts"].map(|name| response.header(name));
        let expected = ["second", "1", "1"].map(|value| (path == "/go").then(|| value.to_owned()));
        assert_eq!(seen, expected, "{path}");
    }
}
