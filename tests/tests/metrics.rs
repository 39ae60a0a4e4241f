//! Metrics of plugins, from requests to the page that a Prometheus server reads.
#![cfg(test)]

use proxywasm_tests::guests;
use proxywasm_tests::harness::{Client, Message, proxy};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

fn page(admin: SocketAddr) -> Message {
    Client::connect(admin).request("GET /metrics", &[])
}

/// The samples of a family.
fn samples<'a>(page: &'a str, family: &str) -> Vec<&'a str> {
    let of_family = |line: &&str| !line.starts_with('#') && line.starts_with(family);
    page.lines().filter(of_family).collect()
}

/// Lets Prometheus' own tool judge a page, where it is installed.
fn judge(page: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else {
        return eprintln!("skipped: promtool is not installed, so only this test's own rules are checked");
    };
    tool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It gives advice about names too, which are the plugin's to choose; an error is what it cannot read.
    assert!(!said.contains("error while linting"), "{said}");
}

#[test]
fn workers_count_together() {
    let proxy = proxy()
        .guest(guests::METRICS_COMPONENT, "")
        .workers(2)
        .admin()
        .start();
    let mut clients: Vec<Client> = (0..20).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.request("GET /path", &[]).status(), 200);
    }
    let answer = page(proxy.admin_address().unwrap());
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = answer.text();
    assert_eq!(
        samples(&text, "plugin_metrics_component_requests_total"),
        ["plugin_metrics_component_requests_total 20"],
        "{text}"
    );
    assert_eq!(
        samples(&text, "plugin_metrics_component_requests_active"),
        ["plugin_metrics_component_requests_active 0"]
    );
    // Each path has five bytes.
    let lengths = samples(&text, "plugin_metrics_component_requests_path_length");
    for expected in [
        "plugin_metrics_component_requests_path_length_bucket{le=\"2\"} 0",
        "plugin_metrics_component_requests_path_length_bucket{le=\"5\"} 20",
        "plugin_metrics_component_requests_path_length_bucket{le=\"+Inf\"} 20",
        "plugin_metrics_component_requests_path_length_sum 100",
        "plugin_metrics_component_requests_path_length_count 20",
    ] {
        assert!(lengths.contains(&expected), "{expected} is not among {lengths:?}");
    }
    judge(&text);
}

#[test]
fn a_plugin_that_makes_ever_more_is_bounded() {
    let proxy = proxy()
        .guest(guests::METRICS_COMPONENT, "")
        .guests(&[guests::HEADERS_COMPONENT])
        .admin()
        .start();
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.request("GET /", &[("x-create", "10000")]);
        assert_eq!(answer.status(), 200);
        let created: usize = answer.header("x-created").unwrap().parse().unwrap();
        assert!((1..10_000).contains(&created), "{created} of 10000 were created");
    }
    let text = page(proxy.admin_address().unwrap()).text();
    let made = samples(&text, "plugin_metrics_component_made").len();
    assert!((1..10_000).contains(&made), "{made} are exported");
    judge(&text);
}
