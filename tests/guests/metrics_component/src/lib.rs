//! Keeps metrics of requests (Proxy-Wasm component ABI).
//!
//! The counter `requests.total` counts requests, the gauge `requests.active` those that are under way, the histogram `requests.path_length`
//! has the lengths of their paths. The response headers `x-total` and `x-active` tell the first two. With the request header
//! `x-create: N` it creates counters `made.0` to `made.N-1`, and `x-created` tells how many there are then.

use proxywasm_sdk::{
    Action, Counter, Gauge, Histogram, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result,
    plugin,
};

plugin!(Statistics: http(request_headers, response_headers));

#[derive(Clone, Copy)]
struct Statistics {
    total: Counter,
    active: Gauge,
    path_length: Histogram,
}

impl Statistics {
    fn new() -> Result<Self> {
        Ok(Self {
            total: Counter::new("requests.total")?,
            active: Gauge::new("requests.active")?,
            path_length: Histogram::new("requests.path_length")?,
        })
    }
}

impl Plugin for Statistics {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        Self::new().map_err(|status| format!("the metrics: {status}"))
    }
}

impl HttpPlugin for Statistics {
    type Context = Request;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Request {
        Request {
            statistics: *self,
            created: None,
        }
    }
}

struct Request {
    statistics: Statistics,
    created: Option<usize>,
}

impl HttpContext for Request {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let headers = stream.request_headers().read(&[":path", "x-create"])?;
        self.statistics.total.increment(1)?;
        self.statistics.active.add(1)?;
        let path = headers.get(":path").unwrap_or_default();
        self.statistics.path_length.record(path.len() as u64)?;
        if let Some(count) = headers.get("x-create") {
            let count = String::from_utf8_lossy(count).parse().unwrap_or(0);
            let made = (0..count).filter(|number| Counter::new(&format!("made.{number}")).is_ok());
            self.created = Some(made.count());
        }
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let total = self.statistics.total.value()?.to_string();
        let active = self.statistics.active.value()?.to_string();
        let headers = stream.response_headers();
        headers
            .edit()
            .set("x-total", &total)
            .set("x-active", &active)
            .apply()?;
        if let Some(created) = self.created {
            headers.set("x-created", &created.to_string())?;
        }
        Ok(Action::Forward)
    }

    fn on_finalize(&mut self, _stream: &HttpStream) {
        // The plugin's metrics live as long as it does: this does not fail.
        let _ = self.statistics.active.add(-1);
    }
}
