//! Bootstrap files of Envoy as configuration files of ours.

use super::{Folder, Running, output, text};
use proxywasm_runner::config::ConfigFile;
use proxywasm_runner::import_envoy;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

const HTTP: &str = include_str!("envoy/http.yaml");
const CONTROL_PLANE: &str = include_str!("envoy/control_plane.json");
const ROUTED: &str = include_str!("envoy/routed.yaml");
const TCP: &str = include_str!("envoy/tcp.yaml");

/// What a file becomes, and what is told of it. The result is a file that the runner reads.
fn import(file: &str) -> (Value, Vec<String>) {
    let import = import_envoy::import(file).unwrap();
    ConfigFile::parse(Path::new("imported.yaml"), import.configuration.clone()).unwrap();
    let configuration = serde_saphyr::from_str(&import.configuration).unwrap();
    let notes = import.notes.iter().map(ToString::to_string);
    (configuration, notes.collect())
}

#[test]
fn a_proxy_for_http() {
    let (configuration, notes) = import(HTTP);
    assert_eq!(
        configuration,
        json!({
            "admin": { "address": "127.0.0.1:0" },
            "listeners": [{
                "address": "127.0.0.1:0",
                "plugins": ["first", "second"],
                "routes": [
                    { "match": { "path_prefix": "/static" }, "respond": { "status": 200 } },
                    { "upstream": "web", "timeout": "15s" },
                ],
            }],
            "upstreams": [{
                "name": "web",
                "endpoints": [{ "url": "http://127.0.0.1:9" }, { "url": "http://127.0.0.2:9" }],
                "connect_timeout": "250ms",
            }],
            "plugins": [
                {
                    "name": "first",
                    "file": "plugin.wasm",
                    "configuration": "a text\n",
                    "vm_configuration_base64": "AAEC",
                    "root_id": "first_root",
                    "vm_id": "vm",
                    "environment": { "MODE": "test", "LEVEL": "3" },
                    "environment_from": ["PATH"],
                    "failure": "open",
                },
                {
                    "name": "second",
                    "file": "plugin.wasm",
                    "configuration": { "rules": [{ "path": "/a", "allow": true }] },
                    "headers_pause": "hold_headers",
                },
            ],
        })
    );
    let manager = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";
    assert_eq!(
        notes,
        [
            "static_resources.clusters[1]: left out: cluster `found_later` is of type EDS, whose addresses are not in the file",
            &format!("{manager}.http_filters[0].typed_config.config.vm_config.allow_precompiled: left out"),
            &format!(
                "{manager}.http_filters[1].typed_config: left out: there is no filter of type `envoy.extensions.filters.http.cors.v3.Cors`"
            ),
            &format!(
                "{manager}.route_config.virtual_hosts[0].routes[0].match: `prefix` is of whole segments here: `/static` is for \
                 `/static/a`, but not for `/statica`"
            ),
            &format!("{manager}.codec_type: left out"),
            &format!("{manager}.stat_prefix: left out"),
            "static_resources.listeners[0].name: left out",
            "static_resources.listeners[0].traffic_direction: left out",
        ]
    );
}

#[test]
fn a_file_of_a_control_plane() {
    let (configuration, notes) = import(CONTROL_PLANE);
    assert_eq!(
        configuration,
        json!({
            "listeners": [{
                "address": "[::1]:0",
                "plugins": ["waf"],
                "virtual_hosts": [{
                    "hosts": ["web.test"],
                    "routes": [{ "match": { "path_prefix": "/api" }, "upstream": "inbound|8080||" }],
                }],
            }],
            "upstreams": [{ "name": "inbound|8080||", "url": "http://[::1]:8080" }],
            "plugins": [{
                "name": "waf",
                "code": { "url": "https://plugins.test/waf.wasm?version=2", "sha256": "0a1b".repeat(16) },
                "configuration": "{\"rules\": []}",
                "allowed_hostcalls": ["fd_write", "proxy_log"],
                "allowed_callbacks": ["proxy_on_request_headers", "proxy_on_vm_start"],
                "failure": "reload",
                "reload_back_off": "2500ms",
            }],
        })
    );
    let chain = "staticResources.listeners[0].filterChains[0]";
    let manager = format!("{chain}.filters[0].typedConfig");
    let stats = format!("{manager}.httpFilters[0].typedConfig.value.config");
    let waf = format!("{manager}.httpFilters[1].typedConfig.value.config");
    let expected = [
        format!("{chain}.transportSocket: left out: it has no `typed_config`, and there is no TLS"),
        format!("{stats}.vm_config.runtime: left out: such a plugin is compiled into Envoy"),
        format!("{stats}.vm_config: the plugin is left out: its code is in no file"),
        format!("{stats}.vm_config.code: left out"),
        format!("{waf}.reload_config.backoff.max_interval: left out"),
        format!("{waf}.vm_config.code.remote.http_uri.timeout: left out"),
        format!("{manager}.httpFilters[2]: left out: it is off but where a route turns it on"),
        format!(
            "{manager}.routeConfig.virtualHosts[0].routes[0].match: `prefix` is of whole segments here: `/api` is for `/api/a`, but not for `/apia`"
        ),
        format!("{manager}.statPrefix: left out"),
        format!("{chain}.filterChainMatch: left out"),
        "staticResources.listeners[0].name: left out".to_owned(),
        "node: left out".to_owned(),
    ];
    assert_eq!(notes, expected);
}

#[test]
fn routes_and_what_is_behind_them() {
    let (configuration, notes) = import(ROUTED);
    let retries = json!({ "attempts": 3, "per_try_timeout": "500ms", "statuses": [503] });
    assert_eq!(
        configuration,
        json!({
            "listeners": [{
                "address": "127.0.0.1:0",
                "tls": {
                    "certificates": [{ "certificate": "server.pem", "key": "server.key" }],
                    "client_certificates": "required",
                    "client_ca": "clients.pem",
                    "minimum_version": "1.3",
                },
                "plugins": ["plugin"],
                "virtual_hosts": [{
                    "hosts": ["a.test", "*.a.test"],
                    "routes": [
                        {
                            "name": "exact",
                            "match": {
                                "path": "/a",
                                "methods": ["POST"],
                                "headers": [{ "name": "x-beta", "invert": true }],
                                "query": [{ "name": "q", "regex": "[0-9]+" }],
                            },
                            "upstream": "hashed",
                            "timeout": "2s",
                        },
                        {
                            "match": { "path_prefix": "/b" },
                            "split": [{ "upstream": "hashed", "weight": 9 }, { "upstream": "secure", "weight": 1 }],
                            "rewrite": { "path_prefix": "/c", "host": "c.test" },
                            "timeout": "never",
                        },
                        {
                            "match": { "path_regex": "/d/.*" },
                            "redirect": { "status": 302, "scheme": "https", "host": "d.test" },
                        },
                        { "respond": { "status": 404, "body": "no\n" } },
                    ],
                }],
            }],
            "upstreams": [
                {
                    "name": "hashed",
                    "endpoints": [
                        { "url": "http://127.0.0.1:1", "weight": 3 },
                        { "url": "http://unix:/run/app.sock" },
                    ],
                    "response_body_timeout": "600s",
                    "balance": "hash",
                    "hash": { "header": "x-user" },
                    "health_check": {
                        "path": "/healthz",
                        "host": "h.test",
                        "interval": "2s",
                        "timeout": "1s",
                        "unhealthy_after": 2,
                        "healthy_after": 1,
                    },
                    "ejection": { "failures": 7, "time": "20s" },
                    "limits": { "connections": 5, "requests": 100, "pending": 10 },
                    "retries": retries,
                },
                {
                    "name": "secure",
                    "plugins": ["sign"],
                    "url": "https://secure.test:443",
                    "tls": {
                        "ca": "ca.pem",
                        "server_name": "secure.test",
                        "client_certificate": { "certificate": "client.pem", "key": "client.key" },
                    },
                    "protocol": "http2",
                    "response_body_timeout": "never",
                    "balance": "least_request",
                    "retries": retries,
                },
            ],
            "plugins": [
                { "name": "sign", "file": "sign.wasm" },
                { "name": "plugin", "code": { "oci": "registry.test/plugin:1" } },
            ],
        })
    );
    let routes =
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts";
    let expected = [
        "static_resources.clusters[0].outlier_detection.interval: left out".to_owned(),
        format!("{routes}[0].domains[1]: left out: it is `*.a.test` on every port"),
        format!("{routes}[0].domains[2]: left out: hosts are whole, `*` or `*.` and what they end with"),
        format!(
            "{routes}[0].routes[1].route: another route has another `idle_timeout` for the same cluster, and that one counts: upstreams \
             have it here"
        ),
        format!("{routes}[0].routes[3].match.runtime_fraction: left out"),
        format!(
            "{routes}[0].routes[3]: left out: what it is for cannot be said here, so it would be for more"
        ),
        format!("{routes}[1].routes[0].route.cluster: left out: no cluster of that name was imported"),
        format!("{routes}[1].routes[0].route: it leads to no cluster that was imported, and is left out"),
        format!("{routes}[1]: no domain or no route of it could be imported, so it is left out"),
    ];
    assert_eq!(notes, expected);
}

#[test]
fn a_proxy_for_tcp_and_a_service() {
    let (configuration, notes) = import(TCP);
    assert_eq!(
        configuration,
        json!({
            "listeners": [{
                "address": "127.0.0.1:0",
                "protocol": "tcp",
                "plugins": ["guard"],
                "upstream": "tcp://db.test:5432",
                "idle_timeout": "90s",
            }],
            "background": [{ "plugin": "guard-2", "run": "per_process" }],
            "upstreams": [{ "name": "database", "url": "http://db.test:5432" }],
            "plugins": [
                { "name": "guard", "file": "plugin.wasm" },
                { "name": "guard-2", "file": "guard.wasm" },
            ],
        })
    );
    let listener = "static_resources.listeners[0]";
    let filters = format!("{listener}.filter_chains[0].filters");
    let service = "bootstrap_extensions[0].typed_config.config";
    let expected = [
        format!("{listener}.filter_chains[1]: left out: a listener has one filter chain"),
        format!(
            "{filters}[0].typed_config.config.configuration: left out: a plugin would read it as a Protobuf message of type \
             `example.Message`, which cannot be encoded here; give the plugin its bytes as `configuration_base64`"
        ),
        format!("{filters}[1].typed_config.max_connect_attempts: left out"),
        format!("{filters}[1].typed_config.stat_prefix: left out"),
        "static_resources.listeners[1].address: only addresses with a host and a port are imported".to_owned(),
        "static_resources.listeners[1].address.pipe: left out".to_owned(),
        "static_resources.listeners[1]: a listener without an address is left out".to_owned(),
        "static_resources.listeners[2]: left out: `proxy.test:80` is no IP address with a port".to_owned(),
        "static_resources.listeners[3].filter_chains[0].filters[0].typed_config.cluster: left out: no cluster of that name was imported"
            .to_owned(),
        "static_resources.listeners[3]: no upstream could be imported, so it is left out".to_owned(),
        format!(
            "{service}.vm_config.code.local.inline_bytes: left out: plugins come from files; decode these bytes from Base64 into `guard.wasm`"
        ),
        format!(
            "{service}: another plugin is called `guard`, so this one is called `guard-2`, also in its property `plugin_name`"
        ),
        "bootstrap_extensions[1].typed_config: left out: there is no extension of type \
         `envoy.extensions.bootstrap.internal_listener.v3.InternalListener`"
            .to_owned(),
    ];
    assert_eq!(notes, expected);
}

/// Our files take `${NAME}` without quotes for environment variables; Envoy's do not.
#[test]
fn what_looks_like_an_environment_variable_stays_a_text() {
    let file = TCP.replace("failure_policy: FAIL_CLOSED", "root_id: '${NOT_SET}'");
    let (configuration, _) = import(&file);
    assert_eq!(configuration.pointer("/plugins/0/root_id").unwrap(), "${NOT_SET}");
}

#[test]
fn files_with_nothing_to_import() {
    let table = [
        ("a: [", "neither YAML nor JSON"),
        ("text", "no listener and no Wasm service"),
        (
            "dynamic_resources: { ads_config: {} }",
            "dynamic_resources: left out",
        ),
        (
            "static_resources: { listeners: [] }",
            "no listener and no Wasm service",
        ),
    ];
    for (file, expected) in table {
        let error = import_envoy::import(file).err().unwrap().to_string();
        assert!(error.contains(expected), "{file}: {error}");
    }
}

/// The whole way: the command, its two outputs, and a runner that serves the result before an upstream.
#[test]
fn what_is_imported_serves() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = origin.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let (mut connection, _) = origin.accept().unwrap();
        let mut request = [0; 4096];
        let length = connection.read(&mut request).unwrap();
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nimported";
        connection.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(request.get(..length).unwrap()).into_owned()
    });
    let folder = Folder::new("import");
    folder.plugin();
    let bootstrap = folder.file(
        "envoy.yaml",
        HTTP.replace("port_value: 9 ", &format!("port_value: {port} ")),
    );
    let imported = output(&["import-envoy", text(&bootstrap)]);
    assert!(imported.status.success());
    let told = String::from_utf8(imported.stderr).unwrap();
    assert!(told.contains("codec_type: left out\n"), "{told}");
    let file = folder.file("proxy.yaml", imported.stdout);
    let running = Running::start(&["serve", text(&file)], 4);
    let response = running.get("/hello");
    assert!(response.ends_with("\r\n\r\nimported"), "{response}");
    let request = served.join().unwrap();
    assert!(request.starts_with("GET /hello HTTP/1.1\r\n"), "{request}");
    running.stop("-TERM");
}
