//! Spans, and the context that goes on.

use super::collector::{Collector, hex, text};
use super::{NOT_SAMPLED, SAMPLED, origin, traced};
use proxywasm_runner::TraceSettings;
use proxywasm_tests::guests::{AUTH_COMPONENT, HEADERS_COMPONENT, HEADERS_LEGACY};
use proxywasm_tests::harness::{Message, Origin, capture_log, configured, proxy};
use std::net::SocketAddr;
use std::time::Duration;

/// The parts of the context that a request has.
fn context(request: &Message) -> [String; 4] {
    let context = request.header("traceparent").expect("a context");
    let parts: Vec<String> = context.split('-').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

#[test]
fn a_request_with_plugins_and_an_upstream() {
    let (collector, origin) = (Collector::start(), origin());
    let proxy = traced(&collector, 0.0)
        .guests(&[HEADERS_COMPONENT, HEADERS_LEGACY])
        .upstream(origin.address())
        .start();
    let address = proxy.address().to_string();
    let port = proxy.address().port().to_string();
    let answer = proxy.client().request(
        "GET /a?secret=1",
        &[
            ("traceparent", SAMPLED),
            ("tracestate", "a=b,c=d"),
            ("host", &address),
            ("user-agent", "tester"),
        ],
    );
    assert_eq!(answer.status(), 200);
    let request = origin.received();
    let spans = collector.spans(4);
    let [first, second, upstream, server] = &spans[..] else {
        panic!("four spans");
    };
    for span in &spans {
        assert_eq!(
            hex(&span.trace_id),
            "0af7651916cd43dd8448eb211c80319c",
            "{span:?}"
        );
        assert_eq!(span.trace_state, "a=b,c=d");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
    assert_eq!((server.name.as_str(), server.kind), ("GET", 2));
    assert_eq!(hex(&server.parent_span_id), "b7ad6b7169203331");
    for (name, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/a"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("user_agent.original", "tester"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(text(&server.attributes, name).as_deref(), Some(value), "{name}");
    }
    assert!(!format!("{spans:?}").contains("secret"), "queries are left out");
    for (span, name) in [(first, "headers_component"), (second, "headers_legacy")] {
        assert_eq!(
            (span.name.as_str(), span.kind),
            (format!("plugin {name}").as_str(), 1)
        );
        assert_eq!(span.parent_span_id, server.span_id);
        assert_eq!(
            text(&span.attributes, "proxywasm.plugin.name").as_deref(),
            Some(name)
        );
        assert_eq!(
            text(&span.attributes, "proxywasm.plugin.outcome").as_deref(),
            Some("forwarded")
        );
        let busy: i64 = text(&span.attributes, "proxywasm.plugin.busy_ns")
            .unwrap()
            .parse()
            .unwrap();
        assert!(busy > 0);
        assert!(span.start_time_unix_nano >= server.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= server.end_time_unix_nano);
    }
    assert_eq!((upstream.name.as_str(), upstream.kind), ("GET", 3));
    assert_eq!(upstream.parent_span_id, server.span_id);
    let peer = origin.address().port().to_string();
    let url = format!("http://{}/a", origin.address());
    for (name, value) in [
        ("http.request.method", Some("GET")),
        ("http.request.resend_count", None),
        ("http.response.status_code", Some("200")),
        ("url.full", Some(&url)),
        ("server.address", Some("127.0.0.1")),
        ("server.port", Some(&peer)),
        ("network.peer.address", Some("127.0.0.1")),
        ("network.peer.port", Some(&peer)),
        ("error.type", None),
    ] {
        assert_eq!(text(&upstream.attributes, name).as_deref(), value, "{name}");
    }
    // The upstream goes on from there.
    let [version, trace, span, flags] = context(&request);
    assert_eq!((version.as_str(), flags.as_str()), ("00", "01"));
    assert_eq!(trace, hex(&server.trace_id));
    assert_eq!(span, hex(&upstream.span_id));
    assert_eq!(request.header("tracestate").as_deref(), Some("a=b,c=d"));
    proxy.shut_down();
}

#[test]
fn who_decides() {
    let table = [
        // The context that comes, the ratio, whether it is sampled.
        (None, 0.0, false),
        (None, 1.0, true),
        (Some(SAMPLED), 0.0, true),
        (Some(NOT_SAMPLED), 1.0, false),
        // What is no context is none.
        (
            Some("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"),
            0.0,
            false,
        ),
        (Some("nonsense"), 1.0, true),
    ];
    for guests in [&[][..], &[HEADERS_LEGACY]] {
        for (parent, ratio, sampled) in table {
            let (collector, origin) = (Collector::start(), origin());
            let proxy = traced(&collector, ratio)
                .guests(guests)
                .upstream(origin.address())
                .start();
            let headers: Vec<_> = parent.map(|parent| ("traceparent", parent)).into_iter().collect();
            proxy
                .client()
                .request("GET /", &[&headers[..], &[("tracestate", "a=b")]].concat());
            let request = origin.received();
            let [version, trace, span, flags] = context(&request);
            assert_eq!(version, "00");
            assert_eq!(flags, if sampled { "01" } else { "00" }, "{parent:?} {ratio}");
            let continues = [SAMPLED, NOT_SAMPLED].map(Some).contains(&parent);
            assert_eq!(
                trace == "0af7651916cd43dd8448eb211c80319c",
                continues,
                "{parent:?}"
            );
            assert_ne!(span, "b7ad6b7169203331", "the upstream is called by this proxy");
            assert_eq!(request.header("tracestate").is_some(), continues, "{parent:?}");
            if sampled {
                collector.spans(2 + guests.len());
            }
            // What was not sent yet is sent now.
            proxy.shut_down();
            assert!(collector.is_empty(), "{parent:?} {ratio}");
        }
    }
}

#[test]
fn failures() {
    let collector = Collector::start();
    // A plugin that answers: no upstream is asked.
    let proxy = traced(&collector, 1.0).guest(AUTH_COMPONENT, "token").start();
    assert_eq!(proxy.client().request("GET /", &[]).status(), 401);
    let [plugin, server] = &collector.spans(2)[..] else {
        panic!("two spans");
    };
    let outcome = text(&plugin.attributes, "proxywasm.plugin.outcome");
    assert_eq!(outcome.as_deref(), Some("answered"), "{plugin:?}");
    assert_eq!(
        text(&server.attributes, "http.response.status_code").as_deref(),
        Some("401")
    );
    assert_eq!(
        server.status.as_ref().map_or(0, |status| status.code),
        0,
        "the client's fault"
    );
    proxy.shut_down();

    // An upstream that is not there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let proxy = traced(&collector, 1.0).upstream(nobody).start();
    assert_eq!(proxy.client().request("GET /", &[]).status(), 502);
    let [upstream, server] = &collector.spans(2)[..] else {
        panic!("two spans");
    };
    assert_eq!(
        text(&upstream.attributes, "error.type").as_deref(),
        Some("connect")
    );
    assert!(
        upstream
            .status
            .as_ref()
            .unwrap()
            .message
            .contains(&nobody.to_string()),
        "{upstream:?}"
    );
    assert_eq!(text(&server.attributes, "error.type").as_deref(), Some("502"));
    assert_eq!(server.status.as_ref().unwrap().code, 2);
    proxy.shut_down();
}

#[test]
fn each_attempt_has_its_span() {
    let collector = Collector::start();
    let failing = Origin::fixed("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    let silent = Origin::raw(|reader, _| {
        std::thread::sleep(Duration::from_secs(3600));
        drop(reader);
    });
    let good = origin();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    // Servers in the order in which they are tried, and what the span of each says.
    let table: &[(&[SocketAddr], &[&str])] = &[
        (&[failing.address(), good.address()], &["503", "200"]),
        (&[nobody, good.address()], &["connect", "200"]),
        (&[silent.address(), good.address()], &["timeout", "200"]),
        (&[nobody, nobody], &["connect", "connect"]),
        (&[good.address()], &["200"]),
    ];
    for (servers, expected) in table {
        let endpoints: String = servers
            .iter()
            .map(|server| format!("\n      - {{ url: 'http://{server}' }}"))
            .collect();
        let proxy = configured(&format!(
            r#"
workers: 1
listeners:
  - address: 127.0.0.1:0
    routes: [{{ name: all, upstream: several }}]
upstreams:
  - name: several
    endpoints:{endpoints}
    retries: {{ attempts: {}, statuses: [503], per_try_timeout: 300ms }}
traces: {{ endpoint: '{}', service_name: tested, ratio: 1, headers: {{ x-key: secret }} }}
"#,
            servers.len() - 1,
            collector.endpoint(),
        ));
        proxy.client().request("GET /a", &[]);
        let spans = collector.spans(expected.len() + 1);
        let (server, attempts) = spans.split_last().unwrap();
        assert_eq!(server.name, "GET all");
        assert_eq!(attempts.len(), expected.len());
        for (count, (attempt, expected)) in attempts.iter().zip(*expected).enumerate() {
            let attribute = |name| text(&attempt.attributes, name);
            assert_eq!((attempt.name.as_str(), attempt.kind), ("GET", 3));
            assert_eq!(attempt.parent_span_id, server.span_id);
            assert_eq!(
                attribute("http.request.resend_count"),
                (count > 0).then(|| count.to_string())
            );
            assert_eq!(attribute("proxywasm.upstream").as_deref(), Some("several"));
            assert_eq!(attribute("server.port"), Some(servers[count].port().to_string()));
            let answered = expected.parse::<u16>().is_ok();
            assert_eq!(attribute("http.response.status_code").is_some(), answered);
            assert_eq!(
                attribute("error.type").as_deref(),
                (*expected != "200").then_some(*expected),
                "{servers:?}"
            );
            if count > 0 {
                assert!(attempt.start_time_unix_nano >= attempts[count - 1].end_time_unix_nano);
            }
            if *expected == "200" {
                // Each attempt is a context of its own.
                let [.., span, _] = context(&good.received());
                assert_eq!(span, hex(&attempt.span_id));
            }
        }
        proxy.shut_down();
    }
}

#[test]
fn a_collector_that_is_away() {
    let log = capture_log();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let settings = TraceSettings {
        ratio: 1.0,
        queue: 1,
        ..TraceSettings::new(format!("http://{nobody}/v1/traces"))
    };
    let proxy = proxy().traces(settings).start();
    let mut client = proxy.client();
    for _ in 0..50 {
        assert_eq!(client.request("GET /", &[]).status(), 200);
    }
    log.wait_for("spans are lost, for the collector does not take them");
    proxy.shut_down();
    let line = log.wait_for("spans were lost");
    assert!(line.contains("lost="), "{line}");
    let told = |line: &&String| line.contains("spans are lost, for the collector");
    assert_eq!(log.lines().iter().filter(told).count(), 1);
}
