//! Counts timers that fire (Proxy-Wasm component ABI).
//!
//! The configuration is `PERIOD DELAY TIMES`, without one `100 50 0`: a timer fires every PERIOD milliseconds, after TIMES times it is
//! deleted (never with 0), another one fires once after DELAY milliseconds. The metrics `periodic` and `once` count, and each is logged.

use std::time::Duration;

use proxywasm_sdk::{Counter, Plugin, PluginContext, Result, Timer, error, info, plugin};

plugin!(Clock: timer);

struct Clock {
    periodic: Timer,
    times: u64,
    fired: u64,
    count_periodic: Counter,
    count_once: Counter,
}

impl Clock {
    fn start([period, delay, times]: [u64; 3]) -> Result<Self> {
        Timer::once(Duration::from_millis(delay))?;
        Ok(Self {
            periodic: Timer::every(Duration::from_millis(period))?,
            times,
            fired: 0,
            count_periodic: Counter::new("periodic")?,
            count_once: Counter::new("once")?,
        })
    }

    fn fire(&mut self, timer: Timer) -> Result<()> {
        if timer != self.periodic {
            info!("the other timer");
            return self.count_once.increment(1);
        }
        self.fired += 1;
        info!("time {}", self.fired);
        if self.fired == self.times {
            timer.delete()?;
        }
        self.count_periodic.increment(1)
    }
}

impl Plugin for Clock {
    fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(configuration);
        let text = if text.is_empty() { "100 50 0" } else { &text };
        let numbers: Option<Vec<u64>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        let numbers = numbers
            .and_then(|numbers| <[u64; 3]>::try_from(numbers).ok())
            .ok_or_else(|| format!("the configuration {text:?} is not `PERIOD DELAY TIMES`"))?;
        Self::start(numbers).map_err(|status| format!("timers and metrics: {status}"))
    }

    fn on_timer(&mut self, _plugin: &PluginContext, timer: Timer) {
        if let Err(status) = self.fire(timer) {
            error!("a timer: {status}");
        }
    }
}
