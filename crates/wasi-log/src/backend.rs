//! Where log messages go.

use std::sync::{Arc, Mutex};
use wasi_common::LogLevel;

/// A place for log messages. Called from every worker, within a callback: it must not block.
pub trait LogSink: Send + Sync {
    /// Whether a message of this level would be written at all.
    fn enabled(&self, level: LogLevel) -> bool {
        let _ = level;
        true
    }

    /// Writes one message.
    fn write(&self, record: &Record<'_>);
}

/// One message of a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// How grave it is.
    pub level: LogLevel,
    /// The plugin's name; empty for what a guest writes before any of its callbacks runs.
    pub plugin: &'a str,
    /// The name under which the plugin's module registered it.
    pub root_id: &'a str,
    /// The name of the state it shares.
    pub vm_id: &'a str,
    /// The context whose callback wrote it, 0 for none.
    pub context_id: u32,
    /// The callback that wrote it.
    pub callback: &'a str,
    /// The message: one line of printable text.
    pub message: &'a str,
}

/// Writes messages as events of `tracing`, target `proxywasm::plugin`. `critical` becomes `ERROR`.
#[derive(Debug, Default, Clone, Copy)]
pub struct TracingSink;

/// Keeps messages in memory, for tests and for programs that show them elsewhere.
#[derive(Debug, Default)]
pub struct MemorySink(Mutex<Vec<(LogLevel, String)>>);

impl<S: LogSink + ?Sized> LogSink for Arc<S> {
    fn enabled(&self, level: LogLevel) -> bool {
        (**self).enabled(level)
    }

    fn write(&self, record: &Record<'_>) {
        (**self).write(record);
    }
}

// === impl TracingSink ===

/// Emits one event; the level of an event must be known at compile time.
macro_rules! emit {
    ($level:ident, $record:expr) => {
        tracing::event!(
            target: "proxywasm::plugin",
            tracing::Level::$level,
            plugin = $record.plugin,
            root_id = $record.root_id,
            vm_id = $record.vm_id,
            context = $record.context_id,
            callback = $record.callback,
            "{}",
            $record.message
        )
    };
}

impl LogSink for TracingSink {
    fn enabled(&self, level: LogLevel) -> bool {
        match level {
            LogLevel::Trace => tracing::enabled!(target: "proxywasm::plugin", tracing::Level::TRACE),
            LogLevel::Debug => tracing::enabled!(target: "proxywasm::plugin", tracing::Level::DEBUG),
            LogLevel::Info => tracing::enabled!(target: "proxywasm::plugin", tracing::Level::INFO),
            LogLevel::Warn => tracing::enabled!(target: "proxywasm::plugin", tracing::Level::WARN),
            LogLevel::Error | LogLevel::Critical => {
                tracing::enabled!(target: "proxywasm::plugin", tracing::Level::ERROR)
            }
        }
    }

    fn write(&self, record: &Record<'_>) {
        match record.level {
            LogLevel::Trace => emit!(TRACE, record),
            LogLevel::Debug => emit!(DEBUG, record),
            LogLevel::Info => emit!(INFO, record),
            LogLevel::Warn => emit!(WARN, record),
            LogLevel::Error | LogLevel::Critical => emit!(ERROR, record),
        }
    }
}

// === impl MemorySink ===

impl MemorySink {
    /// Takes the messages so far.
    pub fn take(&self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl LogSink for MemorySink {
    fn write(&self, record: &Record<'_>) {
        let mut messages = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        messages.push((record.level, record.message.to_owned()));
    }
}
