//! Counts ticks (Proxy-Wasm ABI 0.2.1).
//!
//! The configuration is `PERIOD TIMES`, without one `100 0`: ticks come every PERIOD milliseconds and end after TIMES (never with 0). The
//! metric `periodic` counts them, and each is logged.

use std::time::Duration;

use log::{error, info};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Clock { times: 0, ticks: 0, metric: 0 }) });
}}

struct Clock {
    times: u64,
    ticks: u64,
    metric: u32,
}

fn parse(configuration: &str) -> Option<(u64, u64)> {
    let (period, times) = configuration.trim().split_once(' ')?;
    Some((period.parse().ok()?, times.parse().ok()?))
}

impl Context for Clock {}

impl RootContext for Clock {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&configuration);
        let text = if text.is_empty() { "100 0" } else { &text };
        let Some((period, times)) = parse(text) else {
            error!("the configuration {text:?} is not `PERIOD TIMES`");
            return false;
        };
        match hostcalls::define_metric(MetricType::Counter, "periodic") {
            Ok(metric) => self.metric = metric,
            Err(status) => {
                error!("the metric: {status:?}");
                return false;
            }
        }
        self.times = times;
        self.set_tick_period(Duration::from_millis(period));
        true
    }

    fn on_tick(&mut self) {
        self.ticks += 1;
        info!("time {}", self.ticks);
        if self.ticks == self.times {
            // A period of 0 ends the ticks.
            self.set_tick_period(Duration::ZERO);
        }
        if let Err(status) = hostcalls::increment_metric(self.metric, 1) {
            error!("the metric: {status:?}");
        }
    }

    // A chain may have this plugin, too.
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }
}

struct Stream;

impl Context for Stream {}

impl HttpContext for Stream {}
