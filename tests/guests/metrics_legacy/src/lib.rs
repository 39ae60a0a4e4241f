//! Keeps metrics of requests (Proxy-Wasm ABI 0.2.1).
//!
//! The counter `requests.total` counts requests, the gauge `requests.active` those that are under way, the histogram `requests.path_length`
//! has the lengths of their paths. The response headers `x-total` and `x-active` tell the first two. With the request header
//! `x-create: N` it creates counters `made.0` to `made.N-1`, and `x-created` tells how many there are then.

use proxy_wasm::hostcalls::{define_metric, get_metric, increment_metric, record_metric};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType, Status};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { statistics: None }) });
}}

#[derive(Clone, Copy)]
struct Statistics {
    total: u32,
    active: u32,
    path_length: u32,
}

impl Statistics {
    fn new() -> Result<Self, Status> {
        Ok(Self {
            total: define_metric(MetricType::Counter, "requests.total")?,
            active: define_metric(MetricType::Gauge, "requests.active")?,
            path_length: define_metric(MetricType::Histogram, "requests.path_length")?,
        })
    }

    fn enter(&self, path_length: u64) -> Result<(), Status> {
        increment_metric(self.total, 1)?;
        increment_metric(self.active, 1)?;
        record_metric(self.path_length, path_length)
    }
}

struct Root {
    statistics: Option<Statistics>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        self.statistics = Statistics::new().ok();
        self.statistics.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request {
            statistics: self.statistics?,
            created: None,
        }))
    }
}

struct Request {
    statistics: Statistics,
    created: Option<usize>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        // A metric that cannot be kept is no reason to stop a request.
        let _ = self.statistics.enter(path.len() as u64);
        if let Some(count) = self.get_http_request_header_bytes("x-create") {
            let count = String::from_utf8_lossy(&count).parse().unwrap_or(0);
            let made = (0..count)
                .filter(|number| define_metric(MetricType::Counter, &format!("made.{number}")).is_ok());
            self.created = Some(made.count());
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let value = |metric| get_metric(metric).unwrap_or(0).to_string();
        self.set_http_response_header("x-total", Some(&value(self.statistics.total)));
        self.set_http_response_header("x-active", Some(&value(self.statistics.active)));
        if let Some(created) = self.created {
            self.set_http_response_header("x-created", Some(&created.to_string()));
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        let _ = increment_metric(self.statistics.active, -1);
    }
}
