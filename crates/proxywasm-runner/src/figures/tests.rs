//! What becomes of figures on their way to the page.

use super::*;
use http::StatusCode;
use std::time::Duration;

#[test]
fn workers_are_added_up_and_names_keep_their_figures() {
    let figures = Figures::default();
    for _ in 0..2 {
        let worker = figures.worker(&Arc::default());
        for _ in 0..2 {
            // What takes over from something of the same name goes on with its figures.
            let listener = worker.listener("a");
            listener.connections.add(1);
            listener.statuses.add(StatusClass::of(Some(StatusCode::OK)));
            listener.durations.record(Duration::from_millis(3));
        }
        worker.upstream("u").failed(UpstreamFailure::Timeout);
        let name = RouteName {
            listener: "a".to_owned(),
            virtual_host: "*".to_owned(),
            route: "\"quoted\"\n".to_owned(),
        };
        worker.route(name).statuses.add(StatusClass::None);
    }
    let page = figures.render(&[], true);
    for expected in [
        "proxywasm_workers 2",
        "proxywasm_ready 1",
        "proxywasm_listener_connections_total{listener=\"a\"} 4",
        "proxywasm_listener_requests_total{listener=\"a\",status=\"2xx\"} 4",
        "proxywasm_listener_requests_total{listener=\"a\",status=\"5xx\"} 0",
        "proxywasm_listener_request_duration_seconds_bucket{listener=\"a\",le=\"0.0025\"} 0",
        "proxywasm_listener_request_duration_seconds_bucket{listener=\"a\",le=\"0.005\"} 4",
        "proxywasm_listener_request_duration_seconds_bucket{listener=\"a\",le=\"+Inf\"} 4",
        "proxywasm_listener_request_duration_seconds_count{listener=\"a\"} 4",
        "proxywasm_upstream_errors_total{upstream=\"u\",reason=\"timeout\"} 2",
        "proxywasm_route_requests_total{listener=\"a\",virtual_host=\"*\",route=\"\\\"quoted\\\"\\n\",status=\"none\"} 2",
    ] {
        assert!(
            page.lines().any(|line| line == expected),
            "{expected} is not in\n{page}"
        );
    }
}
