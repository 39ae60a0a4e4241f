//! What is on Redis outlives runners, and is seen by others.

use crate::process::wait_until;
use crate::{Process, count, on_redis, plugin};
use proxywasm_redis::test_server::TestServer;
use proxywasm_tests::guests::{STORE_COMPONENT, STORE_LEGACY};

fn counting(server: Option<&TestServer>) -> Process {
    let redis = server.map(on_redis).unwrap_or_default();
    let plugins = [
        plugin("component", STORE_COMPONENT, ""),
        plugin("legacy", STORE_LEGACY, ""),
    ]
    .concat();
    Process::start(&format!(
        "workers: 2
{redis}listeners:
  - {{ address: 127.0.0.1:0, plugins: [component] }}
  - {{ address: 127.0.0.1:0, plugins: [legacy] }}
plugins:
{plugins}"
    ))
}

/// The counts of both plugins.
fn counts(runner: &Process, times: usize) -> [u64; 2] {
    [0, 1].map(|listener| {
        let mut client = proxywasm_tests::harness::Client::connect(runner.addresses()[listener]);
        count(&mut client, "/kept", times).unwrap_or(0)
    })
}

#[test]
fn a_value_survives() {
    let Some(server) = TestServer::start() else { return };
    let first = counting(Some(&server));
    assert_eq!(counts(&first, 5), [5, 5]);
    first.stop();

    let [second, third] = [(); 2].map(|()| counting(Some(&server)));
    assert_eq!(counts(&second, 0), [5, 5], "after a restart");
    assert_eq!(counts(&third, 0), [5, 5], "in another runner");
    assert_eq!(counts(&second, 1), [6, 6]);
    // What was read before is out of date as soon as the server has said so.
    wait_until("the other runner sees it", || counts(&third, 0) == [6, 6]);
    assert_eq!(counts(&third, 1), [7, 7]);
}

#[test]
fn without_a_server_it_does_not() {
    let first = counting(None);
    assert_eq!(counts(&first, 5), [5, 5]);
    first.stop();
    assert_eq!(counts(&counting(None), 0), [0, 0]);
}

/// Keys with another prefix are another fleet's.
#[test]
fn prefixes_keep_fleets_apart() {
    let Some(server) = TestServer::start() else { return };
    let [blue, green] = ["blue", "green"].map(|prefix| {
        let plugin = plugin("component", STORE_COMPONENT, "");
        Process::start(&format!(
            "workers: 1
redis: {{ url: '{}', prefix: {prefix}, bound: 20s, patience: 20s }}
listeners: [{{ address: 127.0.0.1:0, plugins: [component] }}]
plugins:
{plugin}",
            server.url()
        ))
    });
    assert_eq!(count(&mut blue.client(), "/kept", 5), Ok(5));
    assert_eq!(count(&mut green.client(), "/kept", 1), Ok(1));
    assert_eq!(count(&mut blue.client(), "/kept", 1), Ok(6));
}
