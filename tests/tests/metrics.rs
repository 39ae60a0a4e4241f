//! Metrics of plugins, from requests to the page that a Prometheus server reads.
#![cfg(test)]

use proxywasm_tests::guests;
use proxywasm_tests::harness::{Client, Message, Origin, Proxy, configured, proxy};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn page(admin: SocketAddr) -> Message {
    Client::connect(admin).request("GET /metrics", &[])
}

/// The samples of a family.
fn samples<'a>(page: &'a str, family: &str) -> Vec<&'a str> {
    let of_family = |line: &&str| !line.starts_with('#') && line.starts_with(family);
    page.lines().filter(of_family).collect()
}

/// Reads a page by the rules of the text format: families are whole and come once, samples belong to them, buckets add up.
fn read_strictly(page: &str) {
    assert!(page.ends_with('\n'));
    let is_name = |name: &str| {
        let mut letters = name.chars();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples: BTreeSet<&str> = BTreeSet::new();
    let (mut family, mut kind, mut bucket) = ("", "", (String::new(), 0.0));
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(
                is_name(name) && !help.is_empty() && !families.contains_key(name),
                "{line}"
            );
            (family, kind) = (name, "");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap();
            assert!(
                name == family && ["counter", "gauge", "histogram"].contains(&of),
                "{line}"
            );
            assert!(families.insert(name, of).is_none(), "{line}");
            kind = of;
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(samples.insert(sample), "{line} is there twice");
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            assert!(labels.ends_with('}'), "{line}");
            let suffix = name
                .strip_prefix(family)
                .unwrap_or_else(|| panic!("{line} is no sample of {family}"));
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                "counter" | "gauge" => &[""],
                _ => panic!("{line} has no type"),
            };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            assert_eq!(
                family.starts_with("proxywasm_") && kind == "counter",
                family.starts_with("proxywasm_") && family.ends_with("_total"),
                "{line}"
            );
            // Cumulative, and the last is the count.
            let others = labels.split("le=\"").next().unwrap_or_default().to_owned();
            match suffix {
                "_bucket" if others == bucket.0 => {
                    assert!(value >= bucket.1, "{line}");
                    bucket.1 = value;
                }
                "_bucket" => bucket = (others, value),
                "_count" => assert_eq!(value, bucket.1, "{line}"),
                _ => {}
            }
            if suffix == "_sum" {
                assert!(
                    samples
                        .iter()
                        .any(|sample| sample.starts_with(family) && sample.contains("le=\"+Inf\"")),
                    "{line}"
                );
            } else if suffix == "_count" {
                bucket = (String::new(), 0.0);
            }
        }
    }
    assert!(!families.is_empty());
}

/// Judges a page, and lets Prometheus' own tool do so too, where it is installed.
fn judge(page: &str) {
    read_strictly(page);
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

/// The value of a sample; 0 where there is none.
fn sample(page: &str, name: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// Asks for the page until it is as it should be: what ends is counted when it has.
fn eventually(proxy: &Proxy, holds: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for _ in 0..2000 {
        text = page(proxy.admin_address().unwrap()).text();
        if holds(&text) {
            return text;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never is as it should be: {text}");
}

#[test]
fn figures_of_the_runner() {
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = configured(&format!(
        r#"
workers: 2
admin: {{ address: '127.0.0.1:0' }}
listeners:
  - name: front
    address: 127.0.0.1:0
    plugins: [auth]
    virtual_hosts:
      - hosts: [example.test, other.test]
        routes:
          - match: {{ path: /there }}
            name: there
            upstream: good
          - match: {{ path: /gone }}
            name: gone
            upstream: gone
upstreams:
  - {{ name: good, url: 'http://{}' }}
  - {{ name: gone, url: 'http://{gone}' }}
plugins:
  - {{ name: auth, file: '{}', configuration: let-me-in }}
"#,
        origin.address(),
        guests::path(guests::AUTH_COMPONENT).display(),
    ));
    let mut clients: Vec<Client> = (0..4).map(|_| proxy.client()).collect();
    let token = [("authorization", "Bearer let-me-in")];
    for client in &mut clients {
        assert_eq!(
            client.request_with_body("POST /there", &token, b"123").status(),
            200
        );
        assert_eq!(client.request("GET /there", &[]).status(), 401);
        assert_eq!(client.request("GET /gone", &token).status(), 502);
    }
    let all = |page: &str| {
        sample(
            page,
            "proxywasm_listener_requests_total{listener=\"front\",status=\"2xx\"}",
        ) == 4.0
            && sample(page, "proxywasm_upstream_active_requests{upstream=\"good\"}") == 0.0
    };
    let text = eventually(&proxy, all);
    let there = "listener=\"front\",virtual_host=\"example.test\",route=\"there\"";
    for (name, expected) in [
        ("proxywasm_workers", 2.0),
        ("proxywasm_ready", 1.0),
        ("proxywasm_listener_connections_total{listener=\"front\"}", 4.0),
        ("proxywasm_listener_connections{listener=\"front\"}", 4.0),
        (
            "proxywasm_listener_requests_total{listener=\"front\",status=\"4xx\"}",
            4.0,
        ),
        (
            "proxywasm_listener_requests_total{listener=\"front\",status=\"5xx\"}",
            4.0,
        ),
        (
            "proxywasm_listener_request_duration_seconds_count{listener=\"front\"}",
            12.0,
        ),
        (
            "proxywasm_listener_received_bytes_total{listener=\"front\"}",
            12.0,
        ),
        (
            &format!("proxywasm_route_requests_total{{{there},status=\"2xx\"}}"),
            4.0,
        ),
        (
            &format!("proxywasm_route_request_duration_seconds_count{{{there}}}"),
            4.0,
        ),
        (
            "proxywasm_upstream_requests_total{upstream=\"good\",status=\"2xx\"}",
            4.0,
        ),
        (
            "proxywasm_upstream_request_duration_seconds_count{upstream=\"good\"}",
            4.0,
        ),
        ("proxywasm_upstream_endpoints{upstream=\"good\"}", 1.0),
        ("proxywasm_upstream_healthy_endpoints{upstream=\"good\"}", 1.0),
        ("proxywasm_upstream_pending_requests{upstream=\"good\"}", 0.0),
        ("proxywasm_plugin_traps_total{plugin=\"auth\"}", 0.0),
        (
            "proxywasm_plugin_callbacks_total{plugin=\"auth\",callback=\"on_http_request_headers\"}",
            12.0,
        ),
    ] {
        assert_eq!(sample(&text, name), expected, "{name} of\n{text}");
    }
    for name in [
        "proxywasm_upstream_errors_total{upstream=\"gone\",reason=\"connect\"}",
        "proxywasm_upstream_retries_total{upstream=\"gone\"}",
        "proxywasm_upstream_connections{upstream=\"good\"}",
        "proxywasm_plugin_instances{plugin=\"auth\"}",
        "proxywasm_plugin_memory_bytes{plugin=\"auth\"}",
        "proxywasm_plugin_cpu_seconds_total{plugin=\"auth\"}",
        "proxywasm_plugin_copied_bytes_total{plugin=\"auth\",direction=\"from_guest\"}",
        "proxywasm_plugin_copied_bytes_total{plugin=\"auth\",direction=\"to_guest\"}",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
    ] {
        assert!(sample(&text, name) > 0.0, "{name} of\n{text}");
    }
    judge(&text);
    // What is on the page is in the documentation.
    let documentation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let documentation = std::fs::read_to_string(documentation).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: Vec<&str> = names
        .filter(|name| !name.starts_with("plugin_") && !documentation.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "OPERATIONS.md does not have {missing:?}");
    // And the other way round: queries and rules ask for nothing else. What is there only with Redis or an access log is left out.
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let unknown: Vec<&str> = documentation
        .split(|letter| !is_letter(letter))
        .filter(|word| word.starts_with("proxywasm_") && *word != "proxywasm_")
        .filter(|word| !word.starts_with("proxywasm_redis_") && !word.starts_with("proxywasm_access_log_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
        .filter(|name| !text.contains(&format!("# TYPE {name} ")))
        .collect();
    assert!(unknown.is_empty(), "the page does not have {unknown:?}");
    drop(clients);
    eventually(&proxy, |page| {
        sample(page, "proxywasm_listener_connections{listener=\"front\"}") == 0.0
    });
}

/// The rules that the documentation gives are read by Prometheus, if it is there.
#[test]
fn rules_of_the_documentation() {
    let documentation = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let documentation = std::fs::read_to_string(documentation).unwrap();
    let (_, rest) = documentation.split_once("rules.yml <<'END'\n").unwrap();
    let (rules, _) = rest.split_once("\nEND\n").unwrap();
    let file = std::env::temp_dir().join(format!("proxywasm-rules-{}.yml", std::process::id()));
    std::fs::write(&file, format!("{rules}\n")).unwrap();
    let output = Command::new("promtool")
        .args(["check", "rules"])
        .arg(&file)
        .output();
    std::fs::remove_file(&file).unwrap();
    let Ok(output) = output else {
        return eprintln!("skipped: promtool is not installed");
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let expected = rules.matches("- record:").count() + rules.matches("- alert:").count();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("{expected} rules found")), "{said}");
}

#[test]
fn a_plugin_that_traps_and_one_that_takes_long() {
    let proxy = proxy()
        .guest(guests::TRAP_LEGACY, "")
        .guest(guests::LOOP_LEGACY, "")
        .admin()
        .start();
    let mut client = proxy.client();
    assert_eq!(client.request("GET /", &[("x-trap", "1")]).status(), 503);
    assert_eq!(client.request("GET /", &[("x-loop", "1")]).status(), 503);
    assert_eq!(client.request("GET /", &[]).status(), 200);
    let of = |name: &str, plugin: &str| format!("proxywasm_plugin_{name}{{plugin=\"{plugin}\"}}");
    let text = eventually(&proxy, |page| {
        sample(page, &of("instances", guests::LOOP_LEGACY)) == 1.0
    });
    assert_eq!(
        sample(&text, &of("traps_total", guests::TRAP_LEGACY)),
        1.0,
        "{text}"
    );
    assert_eq!(
        sample(&text, &of("traps_total", guests::LOOP_LEGACY)),
        1.0,
        "{text}"
    );
    assert_eq!(
        sample(&text, &of("instances", guests::TRAP_LEGACY)),
        1.0,
        "{text}"
    );
    // Those of the older ABIs are counted by the same names.
    let callback = format!(
        "proxywasm_plugin_callbacks_total{{plugin=\"{}\",callback=\"on_http_request_headers\"}}",
        guests::TRAP_LEGACY
    );
    assert_eq!(sample(&text, &callback), 3.0, "{text}");
    // It is stopped after 200 ms; whether or not the callback was one that is measured, nearly all of that is counted, and once.
    let seconds = sample(&text, &of("cpu_seconds_total", guests::LOOP_LEGACY));
    assert!((0.15..5.0).contains(&seconds), "{seconds}");
}
