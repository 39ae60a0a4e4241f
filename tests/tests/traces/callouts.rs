//! The spans of calls that plugins make, and the context that goes with them.

use super::collector::{Collector, hex, text};
use super::{NOT_SAMPLED, SAMPLED, origin, traced};
use opentelemetry_proto::tonic::trace::v1::Span;
use proxywasm_tests::guests::{CALL_COMPONENT, CALL_LEGACY, HEADERS_COMPONENT, REPORT_COMPONENT};
use proxywasm_tests::harness::{GrpcServer, Origin, Proxy};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

const GUESTS: [&str; 2] = [CALL_COMPONENT, CALL_LEGACY];

/// A proxy whose plugin calls `auth` by HTTP and, if that answers, `authz` by gRPC.
fn asking(
    collector: &Collector,
    guest: &str,
    http: SocketAddr,
    grpc: SocketAddr,
    milliseconds: u32,
) -> Proxy {
    traced(collector, 1.0)
        .upstream_of_calls("auth", http)
        .upstream_of_calls("authz", grpc)
        .guest(guest, &format!("auth authz {milliseconds}"))
        .start()
}

/// The one that is called so.
fn named<'a>(spans: &'a [Span], name: &str, kind: i32) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name && span.kind == kind);
    let span = found.next().unwrap_or_else(|| panic!("{name} in {spans:#?}"));
    assert!(found.next().is_none(), "{spans:#?}");
    span
}

/// Its calls are below the plugin that made them, and not below the one at the same place of the listener's chain.
#[test]
fn of_plugins_of_an_upstream() {
    let (collector, http, grpc, origin) = (Collector::start(), origin(), GrpcServer::start(), origin());
    for guest in GUESTS {
        let proxy = traced(&collector, 1.0)
            .upstream_of_calls("auth", http.address())
            .upstream_of_calls("authz", grpc.address())
            .guest(guest, "auth authz 60000")
            .of_upstream()
            .guest(HEADERS_COMPONENT, "")
            .upstream(origin.address())
            .start();
        let headers = [("x-request-id", "id")];
        assert_eq!(proxy.client().request("POST /ask", &headers).status(), 200);
        let spans = collector.spans(6);
        let server = named(&spans, "POST", 2);
        let of_listener = named(&spans, &format!("plugin {HEADERS_COMPONENT}"), 1);
        let of_upstream = named(&spans, &format!("plugin {guest}"), 1);
        for (parent, children) in [(server, 3), (of_listener, 0), (of_upstream, 2)] {
            let of_parent = spans.iter().filter(|span| span.parent_span_id == parent.span_id);
            assert_eq!(of_parent.count(), children, "{spans:#?}");
        }
    }
}

#[test]
fn of_both_kinds() {
    let (collector, http, grpc) = (Collector::start(), origin(), GrpcServer::start());
    for guest in GUESTS {
        let proxy = asking(&collector, guest, http.address(), grpc.address(), 60_000);
        let headers = [
            ("traceparent", SAMPLED),
            ("tracestate", "a=b"),
            ("x-request-id", "id"),
        ];
        assert_eq!(
            proxy.client().request("POST /ask?secret=1", &headers).status(),
            200
        );
        let spans = collector.spans(5);
        let server = named(&spans, "POST", 2);
        let plugin = named(&spans, &format!("plugin {guest}"), 1);
        assert_eq!(plugin.parent_span_id, server.span_id);
        let of_plugin = |span: &&Span| span.parent_span_id == plugin.span_id;
        assert_eq!(spans.iter().filter(of_plugin).count(), 2, "{spans:#?}");
        let rpc = named(&spans, "auth.Authorizer/Check", 3);
        let call = spans
            .iter()
            .find(|span| of_plugin(span) && span.span_id != rpc.span_id)
            .unwrap();
        let port = |address: SocketAddr| address.port().to_string();
        let (http_port, grpc_port) = (port(http.address()), port(grpc.address()));
        let url = format!("http://{}/ask", http.address());
        let table: [(&Span, &[(&str, Option<&str>)]); 2] = [
            (
                call,
                &[
                    ("http.response.status_code", Some("200")),
                    ("url.full", Some(&url)),
                    ("server.port", Some(&http_port)),
                    ("proxywasm.upstream", Some("auth")),
                    ("proxywasm.plugin.name", Some(guest)),
                    ("error.type", None),
                ],
            ),
            (
                rpc,
                &[
                    ("rpc.system", Some("grpc")),
                    ("rpc.service", Some("auth.Authorizer")),
                    ("rpc.method", Some("Check")),
                    ("rpc.grpc.status_code", Some("0")),
                    ("server.port", Some(&grpc_port)),
                    ("proxywasm.upstream", Some("authz")),
                    ("proxywasm.plugin.name", Some(guest)),
                    ("error.type", None),
                ],
            ),
        ];
        for (span, attributes) in table {
            assert_eq!((span.kind, &span.trace_id), (3, &server.trace_id));
            assert_eq!(span.trace_state, "a=b");
            assert!(span.start_time_unix_nano >= plugin.start_time_unix_nano);
            assert!(span.end_time_unix_nano <= server.end_time_unix_nano);
            for (name, value) in attributes {
                assert_eq!(text(&span.attributes, name).as_deref(), *value, "{name} {span:?}");
            }
        }
        assert!(!format!("{spans:?}").contains("secret"));
        // Those who are called go on from there.
        let context = |span: &Span| format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
        let request = http.received();
        assert_eq!(request.header("traceparent"), Some(context(call)));
        assert_eq!(request.header("tracestate").as_deref(), Some("a=b"));
        let metadata = grpc.received().metadata;
        assert_eq!(metadata.get("traceparent").unwrap(), context(rpc).as_str());
        assert_eq!(metadata.get("tracestate").unwrap(), "a=b");
        proxy.shut_down();
    }
}

#[test]
fn of_a_request_that_is_not_sampled() {
    let (collector, http, grpc) = (Collector::start(), origin(), GrpcServer::start());
    for guest in GUESTS {
        let proxy = asking(&collector, guest, http.address(), grpc.address(), 60_000);
        let headers = [("traceparent", NOT_SAMPLED), ("x-request-id", "id")];
        assert_eq!(proxy.client().request("GET /", &headers).status(), 200);
        let context = http.received().header("traceparent").unwrap();
        assert!(
            context.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
            "{context}"
        );
        assert!(
            context.ends_with("-00") && !context.contains("b7ad6b7169203331"),
            "{context}"
        );
        assert_eq!(
            grpc.received().metadata.get("traceparent").unwrap(),
            context.as_str()
        );
        proxy.shut_down();
        assert!(collector.is_empty());
    }
}

#[test]
fn calls_that_fail() {
    let collector = Collector::start();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Origin::raw(|reader, _| {
        std::thread::sleep(Duration::from_secs(3600));
        drop(reader);
    });
    let table = [(nobody, 60_000, "connect"), (silent.address(), 200, "timeout")];
    for guest in GUESTS {
        for (http, milliseconds, expected) in table {
            let proxy = asking(&collector, guest, http, nobody, milliseconds);
            assert_eq!(proxy.client().request("GET /", &[]).status(), 503);
            let spans = collector.spans(3);
            let call = named(&spans, "GET", 3);
            assert_eq!(
                text(&call.attributes, "error.type").as_deref(),
                Some(expected),
                "{call:?}"
            );
            assert_eq!(call.status.as_ref().unwrap().code, 2);
            proxy.shut_down();
        }
    }
}

/// A plugin that tells somebody of each request at its end: the call is still part of the trace.
#[test]
fn calls_at_the_end_of_a_request() {
    let (collector, reports) = (Collector::start(), origin());
    let proxy = traced(&collector, 1.0)
        .upstream_of_calls("reports", reports.address())
        .guest(REPORT_COMPONENT, "")
        .start();
    assert_eq!(
        proxy
            .client()
            .request("GET /", &[("traceparent", SAMPLED)])
            .status(),
        200
    );
    let spans = collector.spans(4);
    let report = reports.received();
    let context = report.header("traceparent").unwrap();
    let plugin = named(&spans, &format!("plugin {REPORT_COMPONENT}"), 1);
    let call = spans
        .iter()
        .find(|span| context.contains(&hex(&span.span_id)))
        .unwrap();
    assert_eq!(call.parent_span_id, plugin.span_id, "{spans:#?}");
    proxy.shut_down();
}
