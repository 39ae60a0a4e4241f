//! The log: where it goes, what passes, and how much of it plugins may fill.

use proxywasm_host::{LogLevel, LogSink};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use wasi_log::{Record, TracingSink};

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// A filter as in the environment variable `RUST_LOG`, for example `info,proxywasm::plugin=debug`.
    pub filter: String,
    /// Messages a second that each plugin may log on each worker; 0 for no limit. What is more is dropped and counted.
    pub plugin_messages: u32,
}

/// A sink that lets through so many messages of each plugin a second (at most a second's worth at once), and reports how many it
/// dropped with the first one that passes again. Each worker has its own, so that workers share no lock.
pub struct RateLimited<S> {
    sink: S,
    rate: AtomicU32,
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// A token bucket. Tokens are counted in nanoseconds of the time it takes to earn one.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// When the bucket was empty, or would have been; never more than a second ago.
    empty_at: Instant,
    dropped: u64,
}

/// The target under which messages of plugins are logged.
const PLUGIN_TARGET: &str = "proxywasm::plugin";

/// The filter of the log that was started here.
static FILTER: OnceLock<Filter> = OnceLock::new();

/// A filter that changes.
struct Filter {
    parts: Mutex<Parts>,
    set: Box<dyn Fn(EnvFilter) + Send + Sync>,
}

struct Parts {
    base: String,
    /// The level of [`PLUGIN_TARGET`], in place of what the base says.
    plugins: Option<&'static str>,
}

// === impl LogOptions ===

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            plugin_messages: 100,
        }
    }
}

/// Checks a filter.
///
/// # Errors
/// It is none; the text of the error says which part.
pub fn parse_filter(filter: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(filter)
}

/// Starts logging to standard error, for the whole process. Does nothing if something logs already.
///
/// # Errors
/// The filter is none.
pub(crate) fn start(filter: &str) -> Result<(), ParseError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parse_filter(filter)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter_reloading();
    let handle = builder.reload_handle();
    // A test, or a program that embeds the runner, may have set one before.
    if tracing::subscriber::set_global_default(builder.finish()).is_ok() {
        let parts = Parts {
            base: filter.to_owned(),
            plugins: None,
        };
        let _ = FILTER.set(Filter {
            parts: Mutex::new(parts),
            set: Box::new(move |filter| {
                if let Err(error) = handle.reload(filter) {
                    tracing::error!(%error, "the log filter cannot be changed");
                }
            }),
        });
    }
    Ok(())
}

/// Lets messages of plugins of this level and above pass the log's filter, whatever it said of them. Does nothing where the log was not
/// started by [`start`].
pub(crate) fn set_plugin_level(level: LogLevel) {
    let level = match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error | LogLevel::Critical => "error",
    };
    change_filter(|parts| parts.plugins = Some(level));
}

/// Filters the log in another way from now on. Does nothing where the log was not started by [`start`].
pub(crate) fn set_filter(filter: &str) {
    change_filter(|parts| filter.clone_into(&mut parts.base));
}

fn change_filter(change: impl FnOnce(&mut Parts)) {
    let Some(filter) = FILTER.get() else { return };
    let mut parts = filter.parts.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut parts);
    let text = match parts.plugins {
        None => parts.base.clone(),
        // What comes later in a filter goes before what is as specific.
        Some(level) => format!("{},{PLUGIN_TARGET}={level}", parts.base),
    };
    match parse_filter(&text) {
        Ok(parsed) => (filter.set)(parsed),
        Err(error) => tracing::error!(%error, "the log filter cannot be changed"),
    }
}

// === impl RateLimited ===

impl RateLimited<TracingSink> {
    /// A sink for one worker that writes to `tracing`.
    pub fn tracing(options: &LogOptions) -> Self {
        Self::new(TracingSink, options.plugin_messages)
    }
}

impl<S: LogSink> RateLimited<S> {
    /// A sink that passes up to `rate` messages a second of each plugin on; 0 for all.
    pub fn new(sink: S, rate: u32) -> Self {
        Self {
            sink,
            rate: AtomicU32::new(rate),
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Passes so many from now on.
    pub(crate) fn set_rate(&self, rate: u32) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    fn rate(&self) -> u32 {
        self.rate.load(Ordering::Relaxed)
    }

    /// Takes a token, and returns how many messages were dropped since the last one; `None` if there is no token.
    fn admit(&self, plugin: &str, now: Instant) -> Option<u64> {
        let cost = Duration::from_secs(1).checked_div(self.rate())?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(plugin) {
            let full = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
            buckets.insert(
                plugin.to_owned(),
                Bucket {
                    empty_at: full,
                    dropped: 0,
                },
            );
        }
        buckets.get_mut(plugin)?.take(cost, now)
    }
}

impl Bucket {
    fn take(&mut self, cost: Duration, now: Instant) -> Option<u64> {
        let oldest = now.checked_sub(Duration::from_secs(1)).unwrap_or(self.empty_at);
        let next = self.empty_at.max(oldest) + cost;
        if next > now {
            self.dropped += 1;
            return None;
        }
        self.empty_at = next;
        Some(std::mem::take(&mut self.dropped))
    }
}

impl<S: LogSink> LogSink for RateLimited<S> {
    fn enabled(&self, level: LogLevel) -> bool {
        self.sink.enabled(level)
    }

    fn write(&self, record: &Record<'_>) {
        if self.rate() == 0 {
            return self.sink.write(record);
        }
        let Some(dropped) = self.admit(record.plugin, Instant::now()) else {
            return;
        };
        if dropped > 0 {
            let message = format!(
                "{dropped} messages of this plugin were dropped: it may log {} a second",
                self.rate()
            );
            self.sink.write(&Record {
                level: LogLevel::Warn,
                message: &message,
                ..*record
            });
        }
        self.sink.write(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use wasi_log::MemorySink;

    #[test]
    fn a_plugin_gets_its_rate_and_no_more() {
        let limited = RateLimited::new(MemorySink::default(), 10);
        let start = Instant::now();
        let admitted = |count: u32, at: Duration| {
            (0..count)
                .filter(|_| limited.admit("a", start + at).is_some())
                .count()
        };
        assert_eq!(admitted(25, Duration::ZERO), 10, "a second's worth at once");
        assert_eq!(
            admitted(25, Duration::from_millis(250)),
            2,
            "then as many as time has earned"
        );
        assert_eq!(
            admitted(25, Duration::from_secs(60)),
            10,
            "no more is saved up than a second's worth"
        );
        assert_eq!(limited.admit("b", start), Some(0), "plugins do not share");
    }

    #[test]
    fn tells_what_was_dropped() {
        let sink = Arc::new(MemorySink::default());
        struct Shared(Arc<MemorySink>);
        impl LogSink for Shared {
            fn write(&self, record: &Record<'_>) {
                self.0.write(record);
            }
        }
        let limited = RateLimited::new(Shared(Arc::clone(&sink)), 2);
        let record = Record {
            level: LogLevel::Info,
            plugin: "a",
            root_id: "",
            vm_id: "",
            context_id: 1,
            callback: "on_log",
            message: "hello",
        };
        for _ in 0..5 {
            limited.write(&record);
        }
        assert_eq!(sink.take().len(), 2);
        std::thread::sleep(Duration::from_millis(600));
        limited.write(&record);
        let messages = sink.take();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(
            messages[0]
                .1
                .starts_with("3 messages of this plugin were dropped"),
            "{messages:?}"
        );
    }

    #[test]
    fn filters() {
        for (filter, good) in [
            ("info", true),
            ("debug,proxywasm::plugin=trace", true),
            ("a=b=c", false),
        ] {
            assert_eq!(parse_filter(filter).is_ok(), good, "{filter}");
        }
    }
}
