//! How servers are watched, and how much they get.

use super::clusters::{duration, number};
use super::node::Fields;
use super::output::{Ejection, HealthCheck, Limits, Upstream};

/// Health checks, ejection and limits of a cluster.
pub(super) fn import(cluster: &mut Fields, upstream: &mut Upstream) {
    let mut checks = cluster.items("health_checks").into_iter();
    upstream.health_check = checks
        .next()
        .and_then(super::node::Node::fields)
        .map(health_check);
    for other in checks {
        other.leave_out("an upstream has one health check");
    }
    if let Some(mut detection) = cluster.fields("outlier_detection") {
        let failures = number(&mut detection, "consecutive_5xx");
        // Not quite the same, but one of the two has to be it.
        let failures = failures.or_else(|| number(&mut detection, "consecutive_gateway_failure"));
        upstream.ejection = Some(Ejection {
            failures,
            time: duration(&mut detection, "base_ejection_time"),
        });
    }
    if let Some(mut breakers) = cluster.fields("circuit_breakers") {
        for (index, thresholds) in breakers.items("thresholds").into_iter().enumerate() {
            match thresholds.fields() {
                Some(mut thresholds) if index == 0 => {
                    if thresholds
                        .take("priority")
                        .and_then(super::node::Node::text)
                        .is_some_and(|priority| priority != "DEFAULT")
                    {
                        thresholds.note("there are no priorities: it is for all requests");
                    }
                    upstream.limits = Some(Limits {
                        connections: number(&mut thresholds, "max_connections"),
                        requests: number(&mut thresholds, "max_requests"),
                        pending: number(&mut thresholds, "max_pending_requests"),
                    });
                }
                Some(other) => other.into_node().leave_out("there are no priorities"),
                None => {}
            }
        }
    }
}

fn health_check(mut check: Fields) -> HealthCheck {
    let mut health = HealthCheck {
        interval: duration(&mut check, "interval"),
        timeout: duration(&mut check, "timeout"),
        unhealthy_after: number(&mut check, "unhealthy_threshold").filter(|count| *count > 0),
        healthy_after: number(&mut check, "healthy_threshold").filter(|count| *count > 0),
        ..HealthCheck::default()
    };
    if let Some(mut http) = check.fields("http_health_check") {
        health.path = http.text("path");
        health.host = http.text("host");
    }
    // That a connection can be made is what is checked without a path.
    if let Some(tcp) = check.take("tcp_health_check")
        && tcp.value().as_object().is_some_and(serde_json::Map::is_empty)
    {
        tcp.used();
    }
    health
}
