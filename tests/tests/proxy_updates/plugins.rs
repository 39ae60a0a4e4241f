//! What becomes of plugins and their streams.

use crate::{ONE, counter, has_figure, one, plugins, status};
use proxywasm_host::RunState;
use proxywasm_tests::harness::{Client, ConfigFolder, capture_log, proxy as harness_proxy, wait_until};
use serde_json::json;
use std::net::SocketAddr;

/// Two listeners, each with a plugin.
fn two(p: &str, q: &str) -> String {
    format!(
        "
workers: 1
listeners:
  - {{ address: '127.0.0.1:0', plugins: [p] }}
  - {{ address: '127.0.0.1:0', plugins: [q] }}
plugins:
  - {{ name: p, file: p.wasm{p} }}
  - {{ name: q, file: q.wasm{q} }}
"
    )
}

#[test]
fn only_what_has_changed_is_made_anew() {
    // What changes of `p`, and what is told of it.
    let table = [
        (", configuration: other", "plugin p: other settings"),
        (", failure: open", "plugin p: other settings"),
        (", limits: { memory: 8 MiB }", "plugin p: other settings"),
        (", environment: { A: b }", "plugin p: other settings"),
        ("", "plugin p: other code"),
    ];
    for (p, change) in table {
        let folder = ConfigFolder::new(&two("", ""));
        folder.put_wat("p.wasm", &counter(210));
        // The same code and settings but for the name: they share an instance.
        folder.put_wat("q.wasm", &counter(210));
        let proxy = folder.start_quietly();
        let mut clients: Vec<Client> = proxy.addresses().into_iter().map(Client::connect).collect();
        assert_eq!(status(&mut clients[0]), 211);
        assert_eq!(status(&mut clients[1]), 212, "they share an instance");
        if p.is_empty() {
            proxy.folder().put_wat("p.wasm", &counter(230));
        }
        let changes = proxy.update(&two(p, ""));
        assert_eq!(changes, [change, "listener 127.0.0.1:0: other settings"], "{p}");
        assert_eq!(status(&mut clients[1]), 213, "{p}: this one goes on");
        let anew = if p.is_empty() { 231 } else { 211 };
        assert_eq!(status(&mut clients[0]), anew, "{p}");
        assert_eq!(status(&mut clients[1]), 214, "{p}");
    }
}

#[test]
fn a_stream_that_is_held_ends_as_it_began() {
    let log = capture_log();
    let folder = ConfigFolder::new(&format!("{ONE}admin: {{ address: '127.0.0.1:0' }}\n"));
    folder.put_wat("p.wasm", &counter(240));
    let proxy = folder.start_quietly();
    let mut held = proxy.client();
    held.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nab");
    let streams = || {
        let snapshot = proxy.runner().snapshot();
        let of_plugin = snapshot.plugins.iter().map(|plugin| {
            let status = plugin.workers[0].unwrap();
            (plugin.generation, plugin.is_retired, status.streams)
        });
        of_plugin.collect::<Vec<_>>()
    };
    wait_until("the stream is there", || streams() == [(1, false, 1)]);
    proxy.folder().put_wat("p.wasm", &counter(250));
    assert_eq!(proxy.reload().len(), 2);
    assert_eq!(status(&mut proxy.client()), 251);
    wait_until("the old one has it", || {
        streams() == [(2, false, 0), (1, true, 1)]
    });
    let of_old = proxy.runner().snapshot().plugins[1].workers[0].unwrap();
    assert_eq!(of_old.state, RunState::Ending);
    let shown = plugins(&proxy);
    let shown = shown.as_array().unwrap().iter();
    let shown: Vec<_> = shown
        .map(|one| ["generation", "retired", "state", "streams"].map(|field| one[field].clone()))
        .collect();
    assert_eq!(
        json!(shown),
        json!([[2, false, "running", 0], [1, true, "ending", 1]])
    );
    for figure in [
        "proxywasm_config_generation 2",
        "proxywasm_config_reloads_total{result=\"accepted\"} 1",
        "proxywasm_plugin_updates_total{plugin=\"p\"} 1",
    ] {
        assert!(has_figure(&proxy, figure), "{figure}");
    }
    assert!(!log.lines().iter().any(|line| line.contains("end 240")));
    assert_eq!(held.send("cd").receive(false).status(), 241);
    log.wait_for("end 240");
    wait_until("the old one is gone", || streams() == [(2, false, 0)]);
    assert_eq!(status(&mut held), 252, "the next request on the connection");
}

#[test]
fn old_streams_are_waited_for_only_so_long() {
    let text = format!("{ONE}updates: {{ old_streams: 10ms }}\n");
    let folder = ConfigFolder::new(&text);
    folder.put_wat("p.wasm", &counter(210));
    let proxy = folder.start_quietly();
    let mut held = proxy.client();
    held.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nab");
    wait_until("the stream is there", || {
        proxy.runner().snapshot().plugins[0].workers[0].unwrap().streams == 1
    });
    proxy.folder().put_wat("p.wasm", &counter(220));
    proxy.reload();
    assert_eq!(held.receive(false).status(), 503);
    assert_eq!(status(&mut proxy.client()), 221);
}

/// The connection between two proxies is one of HTTP/2, and stays.
#[test]
fn streams_of_an_open_connection_of_http2() {
    let proxy = one().start_quietly();
    let before = harness_proxy().http2_upstream(proxy.address()).start();
    let mut client = before.client();
    assert_eq!(status(&mut client), 211);
    let connections = || {
        let admin: Option<SocketAddr> = proxy.admin_address();
        admin.is_none()
    };
    assert!(connections());
    proxy.folder().put_wat("p.wasm", &counter(220));
    proxy.reload();
    assert_eq!(status(&mut client), 221);
}

#[test]
fn plugins_in_the_background_are_replaced() {
    let log = capture_log();
    let text = |configuration: &str| {
        format!(
            "
workers: 2
listeners: []
background: [{{ plugin: replaced, run: per_worker }}, {{ plugin: stays }}]
plugins:
  - {{ name: replaced, file: p.wasm, configuration: '{configuration}' }}
  - {{ name: stays, file: q.wasm }}
"
        )
    };
    let folder = ConfigFolder::new(&text("a"));
    folder.put_wat("p.wasm", &counter(310));
    folder.put_wat("q.wasm", &counter(320));
    let proxy = folder.start_quietly();
    let count = |what: &str| log.lines().iter().filter(|line| line.contains(what)).count();
    // One start is that of the proof.
    wait_until("they have started", || {
        count("start 310") == 3 && count("start 320") == 2
    });
    assert_eq!(
        proxy.update(&text("b")),
        [
            "plugin replaced: other settings",
            "plugins in the background: other settings"
        ]
    );
    wait_until("it is replaced", || {
        count("start 310") == 6 && count("end 310") == 2
    });
    // What was in the background comes to an end with the line that names it.
    let text = text("b").replace(", { plugin: stays }", "");
    proxy.update(&text);
    wait_until("it has ended", || count("end 320") == 1);
    assert_eq!((count("start 310"), count("start 320")), (6, 2));
}
