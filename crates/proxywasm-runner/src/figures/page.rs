//! The page that Prometheus reads.

use super::families::Families;
use super::process::{self, Process};
use super::totals::{ListenerTotals, RequestTotals};
use super::{BadEnd, Figures, StatusClass, Totals, UpstreamFailure};
use crate::cluster::Shared;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

impl Figures {
    /// From now on the process is said to run.
    pub(crate) fn note_start(&self) {
        process::note_start();
    }

    /// All figures of the runner, in the text format of Prometheus.
    pub(crate) fn render(&self, upstreams: &[Arc<Shared>], serving: bool) -> String {
        let totals = self.totals();
        let families = Families::default();
        families.process(&totals, serving);
        families.configuration(&totals);
        families.listeners(&totals);
        families.routes(&totals);
        families.upstreams(&totals, upstreams);
        families.plugins(&totals);
        families.access_logs(&totals);
        families.write()
    }
}

impl Families {
    fn process(&self, totals: &Totals, serving: bool) {
        let process = Process::now();
        self.gauge("proxywasm_build_info", "Which runner this is; always 1.")
            .put(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        self.gauge("proxywasm_workers", "Threads that serve.")
            .put(&[], totals.workers as f64);
        self.gauge(
            "proxywasm_ready",
            "Whether it takes connections: 1, or 0 while it starts or drains.",
        )
        .put(&[], f64::from(u8::from(serving)));
        self.gauge(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970.",
        )
        .put(&[], process.started.as_secs_f64());
        self.counter(
            "process_cpu_seconds_total",
            "Processor time that the process has used, in seconds.",
        )
        .put(&[], process.processor.as_secs_f64());
        if let Some(bytes) = process.resident_bytes {
            self.gauge(
                "process_resident_memory_bytes",
                "Memory of the process that is not swapped out.",
            )
            .put(&[], bytes as f64);
        }
        if let Some(count) = process.descriptors {
            self.gauge("process_open_fds", "Descriptors that the process has open.")
                .put(&[], count as f64);
        }
    }

    fn configuration(&self, totals: &Totals) {
        let reloads = &totals.reloads;
        self.gauge(
            "proxywasm_config_generation",
            "The number of the version of the configuration that is served, which counts from 1.",
        )
        .put(&[], reloads.generation as f64);
        let mut family = self.counter(
            "proxywasm_config_reloads_total",
            "How often the configuration was read again: accepted, unchanged, or refused, so that everything stayed as it was.",
        );
        for (result, count) in [
            ("accepted", reloads.accepted),
            ("unchanged", reloads.unchanged),
            ("refused", reloads.refused),
        ] {
            family.put(&[("result", result)], count as f64);
        }
        self.gauge(
            "proxywasm_config_last_reload_successful",
            "Whether the configuration was not refused when it was read last.",
        )
        .put(&[], f64::from(u8::from(!reloads.last_refused)));
        if let Some(at) = reloads.last_success {
            let since = at.duration_since(SystemTime::UNIX_EPOCH);
            self.gauge(
                "proxywasm_config_last_reload_success_timestamp_seconds",
                "When the configuration was read last and not refused, in seconds since 1970.",
            )
            .put(&[], since.unwrap_or_default().as_secs_f64());
        }
        let mut family = self.counter(
            "proxywasm_plugin_updates_total",
            "How often other code or settings took the place of a plugin.",
        );
        let plugins: BTreeSet<_> = totals.plugins.keys().chain(reloads.plugins.keys()).collect();
        for plugin in plugins {
            let count = reloads.plugins.get(plugin).copied().unwrap_or_default();
            family.put(&[("plugin", plugin)], count as f64);
        }
    }

    fn listeners(&self, totals: &Totals) {
        type Figure = fn(&ListenerTotals) -> u64;
        let counters: [(&str, &str, Figure); 5] = [
            (
                "proxywasm_listener_connections_total",
                "Connections of clients that were accepted.",
                |listener| listener.connections,
            ),
            (
                "proxywasm_listener_refused_connections_total",
                "Connections that were closed at once, for the listener had as many as it may.",
                |listener| listener.refused,
            ),
            (
                "proxywasm_listener_failed_connections_total",
                "Connections that ended before they were one of HTTP or TCP: TLS could not be agreed on, or the PROXY protocol was not spoken.",
                |listener| listener.failed,
            ),
            (
                "proxywasm_listener_received_bytes_total",
                "Bytes of request bodies, and of TCP streams, from clients.",
                |listener| listener.received,
            ),
            (
                "proxywasm_listener_sent_bytes_total",
                "Bytes of response bodies, and of TCP streams, to clients.",
                |listener| listener.sent,
            ),
        ];
        for (name, help, figure) in counters {
            let mut family = self.counter(name, help);
            for (listener, totals) in &totals.listeners {
                family.put(&[("listener", listener)], figure(totals) as f64);
            }
        }
        let mut family = self.counter(
            "proxywasm_listener_connection_errors_total",
            "Connections of HTTP that ended for an error of the client, by the reason.",
        );
        for (listener, totals) in &totals.listeners {
            for (end, count) in BadEnd::ALL.into_iter().zip(totals.bad_ends) {
                family.put(&[("listener", listener), ("reason", end.name())], count as f64);
            }
        }
        let mut family = self.gauge(
            "proxywasm_listener_connections",
            "Connections of clients that are open.",
        );
        for (listener, totals) in &totals.listeners {
            family.put(&[("listener", listener)], totals.open as f64);
        }
        self.requests(
            "proxywasm_listener_requests_total",
            "Requests by the class of the status that the client got; `none` where it got none. TCP streams count as `none`.",
            totals.listeners.iter().map(|(name, totals)| (vec![("listener", name.as_str())], &totals.requests)),
        );
        self.durations(
            "proxywasm_listener_request_duration_seconds",
            "From the head of a request to the end of its response.",
            totals
                .listeners
                .iter()
                .map(|(name, totals)| (vec![("listener", name.as_str())], &totals.requests)),
        );
    }

    fn routes(&self, totals: &Totals) {
        let routes = || {
            totals.routes.iter().map(|(name, totals)| {
                let labels = vec![
                    ("listener", name.listener.as_str()),
                    ("virtual_host", name.virtual_host.as_str()),
                    ("route", name.route.as_str()),
                ];
                (labels, totals)
            })
        };
        self.requests(
            "proxywasm_route_requests_total",
            "Requests that took a route, by the class of the status that the client got. Routes without a name are counted together.",
            routes(),
        );
        self.durations(
            "proxywasm_route_request_duration_seconds",
            "From the head of a request that took a route to the end of its response.",
            routes(),
        );
    }

    fn upstreams(&self, totals: &Totals, shared: &[Arc<Shared>]) {
        let upstreams = || {
            let all = totals.upstreams.iter();
            all.map(|(name, totals)| (vec![("upstream", name.as_str())], &totals.requests))
        };
        self.requests(
            "proxywasm_upstream_requests_total",
            "Responses of servers by the class of their status, those of attempts after which another followed included.",
            upstreams(),
        );
        self.durations(
            "proxywasm_upstream_request_duration_seconds",
            "From sending a request to a server to the head of its response.",
            upstreams(),
        );
        let mut family = self.counter(
            "proxywasm_upstream_errors_total",
            "Attempts without a response, by the reason.",
        );
        for (name, totals) in &totals.upstreams {
            for (failure, count) in UpstreamFailure::ALL.into_iter().zip(totals.errors) {
                family.put(&[("upstream", name), ("reason", failure.name())], count as f64);
            }
        }
        type Figure = fn(&super::UpstreamTotals) -> u64;
        let counters: [(&str, &str, Figure); 2] = [
            (
                "proxywasm_upstream_retries_total",
                "Attempts but the first of each request.",
                |upstream| upstream.retries,
            ),
            (
                "proxywasm_upstream_connections_total",
                "Connections to servers that were made.",
                |upstream| upstream.connections,
            ),
        ];
        for (name, help, figure) in counters {
            let mut family = self.counter(name, help);
            for (upstream, totals) in &totals.upstreams {
                family.put(&[("upstream", upstream)], figure(totals) as f64);
            }
        }
        let gauges: [(&str, &str, Figure); 2] = [
            (
                "proxywasm_upstream_active_requests",
                "Requests whose response is not complete.",
                |upstream| upstream.active,
            ),
            (
                "proxywasm_upstream_connections",
                "Connections to servers that are open.",
                |upstream| upstream.open,
            ),
        ];
        for (name, help, figure) in gauges {
            let mut family = self.gauge(name, help);
            for (upstream, totals) in &totals.upstreams {
                family.put(&[("upstream", upstream)], figure(totals) as f64);
            }
        }
        self.servers(shared);
    }

    /// What is known of servers beside requests.
    fn servers(&self, shared: &[Arc<Shared>]) {
        let mut family = self.gauge(
            "proxywasm_upstream_pending_requests",
            "Requests that wait, for the upstream has as many as its limits allow.",
        );
        for upstream in shared {
            family.put(&[("upstream", upstream.name())], upstream.pending() as f64);
        }
        let mut family = self.counter(
            "proxywasm_upstream_ejections_total",
            "How often a server was left out for a while because it failed.",
        );
        for upstream in shared {
            family.put(&[("upstream", upstream.name())], upstream.ejections() as f64);
        }
        let mut family = self.gauge("proxywasm_upstream_endpoints", "Servers that are known.");
        for upstream in shared {
            family.put(&[("upstream", upstream.name())], upstream.health().len() as f64);
        }
        let mut family = self.gauge(
            "proxywasm_upstream_healthy_endpoints",
            "Servers that requests go to: health checks found them well, and they are not left out.",
        );
        for upstream in shared {
            let health = upstream.health();
            let available = health.iter().filter(|endpoint| endpoint.available).count();
            family.put(&[("upstream", upstream.name())], available as f64);
        }
    }

    fn plugins(&self, totals: &Totals) {
        let mut family = self.counter(
            "proxywasm_plugin_callbacks_total",
            "Callbacks that were called, by which they are; those that never were are left out.",
        );
        for (plugin, totals) in &totals.plugins {
            for (callback, count) in totals.callbacks() {
                family.put(&[("plugin", plugin), ("callback", callback)], count as f64);
            }
        }
        drop(family);
        type Figure = fn(&super::PluginTotals) -> f64;
        let counters: [(&str, &str, Figure); 4] = [
            (
                "proxywasm_plugin_cpu_seconds_total",
                "Processor time of callbacks and starts, in seconds: estimated from one callback in 64, but for those that take long.",
                |plugin| plugin.processor.as_secs_f64(),
            ),
            (
                "proxywasm_plugin_traps_total",
                "Callbacks that trapped, or were stopped because they took too long. The instance is gone then.",
                |plugin| plugin.traps as f64,
            ),
            (
                "proxywasm_plugin_starts_total",
                "Starts in an instance.",
                |plugin| plugin.starts as f64,
            ),
            (
                "proxywasm_plugin_failed_starts_total",
                "Starts in an instance that failed.",
                |plugin| plugin.failed_starts as f64,
            ),
        ];
        for (name, help, figure) in counters {
            let mut family = self.counter(name, help);
            for (plugin, totals) in &totals.plugins {
                family.put(&[("plugin", plugin)], figure(totals));
            }
        }
        let gauges: [(&str, &str, Figure); 2] = [
            (
                "proxywasm_plugin_instances",
                "Instances that a plugin runs in.",
                |plugin| plugin.instances as f64,
            ),
            (
                "proxywasm_plugin_memory_bytes",
                "The memory of these instances. Plugins that share one have it each.",
                |plugin| plugin.memory_bytes as f64,
            ),
        ];
        for (name, help, figure) in gauges {
            let mut family = self.gauge(name, help);
            for (plugin, totals) in &totals.plugins {
                family.put(&[("plugin", plugin)], figure(totals));
            }
        }
        let mut family = self.counter(
            "proxywasm_plugin_copied_bytes_total",
            "Bytes that hostcalls took from the memory of a plugin, and put into it.",
        );
        for (plugin, totals) in &totals.plugins {
            let labels = |direction| [("plugin", plugin.as_str()), ("direction", direction)];
            family.put(&labels("from_guest"), totals.bytes_from_guest as f64);
            family.put(&labels("to_guest"), totals.bytes_to_guest as f64);
        }
        let mut family = self.counter(
            "proxywasm_plugin_callouts_total",
            "Calls that a plugin made itself.",
        );
        for (plugin, totals) in &totals.plugins {
            let labels = |kind| [("plugin", plugin.as_str()), ("kind", kind)];
            family.put(&labels("http"), totals.http_calls as f64);
            family.put(&labels("grpc"), totals.grpc_calls as f64);
        }
        let mut family = self.histogram(
            "proxywasm_plugin_callback_cpu_seconds",
            "Processor time of callbacks, in seconds, of one in 64.",
        );
        for (plugin, totals) in &totals.plugins {
            family.put_distribution(&[("plugin", plugin)], &totals.callback_times);
        }
    }

    fn access_logs(&self, totals: &Totals) {
        type Figure = fn(&super::totals::AccessLogTotals) -> u64;
        let counters: [(&str, &str, Figure); 3] = [
            (
                "proxywasm_access_log_written_total",
                "Lines that the access log has written.",
                |log| log.written,
            ),
            (
                "proxywasm_access_log_dropped_total",
                "Lines that were dropped, for the file did not keep up.",
                |log| log.dropped,
            ),
            (
                "proxywasm_access_log_failed_total",
                "Lines that could not be written, for instance because the disk is full.",
                |log| log.failed,
            ),
        ];
        for (name, help, figure) in counters {
            let mut family = self.counter(name, help);
            for log in &totals.access_logs {
                family.put(&[("file", &log.file)], figure(log) as f64);
            }
        }
    }

    fn requests<'a>(
        &self,
        name: &str,
        help: &str,
        all: impl Iterator<Item = (Vec<(&'a str, &'a str)>, &'a RequestTotals)>,
    ) {
        let mut family = self.counter(name, help);
        for (mut labels, totals) in all {
            for (class, count) in StatusClass::ALL.into_iter().zip(totals.statuses) {
                labels.push(("status", class.name()));
                family.put(&labels, count as f64);
                labels.pop();
            }
        }
    }

    fn durations<'a>(
        &self,
        name: &str,
        help: &str,
        all: impl Iterator<Item = (Vec<(&'a str, &'a str)>, &'a RequestTotals)>,
    ) {
        let mut family = self.histogram(name, help);
        for (labels, totals) in all {
            family.put_distribution(&labels, &totals.durations);
        }
    }
}
