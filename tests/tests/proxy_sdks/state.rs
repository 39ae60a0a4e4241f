//! What plugins keep: what is in an instance, shared data, metrics, and what they count by the clock.

use super::{config, named};
use proxywasm_host::{InstanceStrategy, PluginConfig};
use proxywasm_tests::guests::SDKS;
use proxywasm_tests::harness::{Client, PATIENCE, capture_log, proxy};
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn an_instance_serves_all_streams_or_one() {
    for (instances, seen) in [
        (InstanceStrategy::Shared, ["1", "2", "3"]),
        (InstanceStrategy::FreshPerStream, ["1", "1", "1"]),
    ] {
        for guest in SDKS {
            let config = PluginConfig {
                instances,
                ..config(guest, 0)
            };
            let proxy = proxy().guest_with(guest, config).start();
            let mut client = proxy.client();
            let told = seen.map(|_| client.request("GET /", &[]).header("x-seen").unwrap());
            assert_eq!(told, seen, "{guest}, {instances:?}");
        }
    }
}

/// Several workers count in one place, and lose nothing: each has read what the other wrote, or was told that it has not.
#[test]
fn shared_data_is_changed_by_one_at_a_time() {
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 25;
    for guest in SDKS {
        let proxy = proxy().workers(2).guest_with(guest, config(guest, 0)).start();
        let address = proxy.address();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                thread::spawn(move || {
                    let mut client = Client::connect(address);
                    let mut count = || client.request("GET /", &[("x-count", "key")]).header("x-count");
                    (0..REQUESTS)
                        .map(|_| count().unwrap().parse().unwrap())
                        .collect::<Vec<usize>>()
                })
            })
            .collect();
        let counted: Vec<usize> = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect();
        let expected: BTreeSet<usize> = (1..=CLIENTS * REQUESTS).collect();
        assert_eq!(counted.len(), expected.len(), "{guest}");
        assert_eq!(BTreeSet::from_iter(counted), expected, "{guest}");
        let other = proxy.client().request("GET /", &[("x-count", "other")]);
        assert_eq!(other.header("x-count").as_deref(), Some("1"), "{guest}");
    }
}

#[test]
fn requests_and_ticks_are_counted() {
    for guest in SDKS {
        let proxy = proxy().admin().guest_with(guest, config(guest, 20)).start();
        let mut client = proxy.client();
        let start = Instant::now();
        let mut requests = 0;
        // The response tells how many ticks there have been.
        let ticks = loop {
            requests += 1;
            let ticks = client.request("GET /", &[]).header("x-ticks").unwrap();
            let ticks: u64 = ticks.parse().unwrap_or(0);
            if ticks >= 2 {
                break ticks;
            }
            assert!(start.elapsed() < PATIENCE, "{guest} counts no ticks");
            thread::sleep(Duration::from_millis(10));
        };
        let page = Client::connect(proxy.admin_address().unwrap()).request("GET /metrics", &[]);
        let page = page.text();
        let metric = |name: &str| {
            let name = format!("plugin_{guest}_{name} ");
            let mut samples = page.lines().filter_map(|line| line.strip_prefix(&name));
            samples.next().map(|value| value.parse::<u64>().unwrap())
        };
        assert_eq!(metric("requests"), Some(requests), "{guest}: {page}");
        assert!(metric("ticks") >= Some(ticks), "{guest}: {page}");
    }
}

#[test]
fn configurations_are_read_or_refused() {
    capture_log();
    for guest in SDKS {
        for bad in ["", "green", "green soon service", "green 20 service other"] {
            let config = PluginConfig {
                configuration: bad.into(),
                ..config(guest, 0)
            };
            let (error, logged) = proxy().refusal(guest, config);
            let expected = format!("the configuration `{bad}` is not `NAME MILLISECONDS UPSTREAM`");
            assert!(
                logged.iter().any(|(_, message)| *message == expected),
                "{guest}: `{bad}`: {error}; it logged {logged:?}"
            );
        }
        let name = format!("{guest}-configured");
        let proxy = proxy().guest_with(guest, named(guest, &name, 0)).start();
        let response = proxy.client().request("GET /", &[]);
        assert_eq!(response.header("x-sdk").as_ref(), Some(&name));
        capture_log().wait_for(&format!("configured as {name} "));
    }
}
