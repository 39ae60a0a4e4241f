//! Log lines, and the log level.

use core::cell::Cell;
use core::fmt;

use crate::hostcalls;
use crate::raw::LogLevel;

/// How severe a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// Every step.
    Trace = 0,
    /// What helps to find a fault.
    Debug = 1,
    /// What an operator wants to see in normal operation.
    Info = 2,
    /// Something is odd, the plugin goes on.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// The plugin cannot do its work.
    Critical = 5,
}

// === impl Level ===

impl From<LogLevel> for Level {
    /// A number beyond the highest level is that level.
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::TRACE => Self::Trace,
            LogLevel::DEBUG => Self::Debug,
            LogLevel::INFO => Self::Info,
            LogLevel::WARN => Self::Warn,
            LogLevel::ERROR => Self::Error,
            _ => Self::Critical,
        }
    }
}

std::thread_local! {
    /// The lowest level that the host writes, once it is known. The host tells every change of it.
    static LOWEST: Cell<Option<LogLevel>> = const { Cell::new(None) };
}

/// Whether the host writes lines of this level. The first call asks the host, the others do not.
pub fn enabled(level: Level) -> bool {
    let lowest = LOWEST.get().or_else(|| {
        let lowest = hostcalls::get_log_level().ok();
        LOWEST.set(lowest);
        lowest
    });
    // A host that does not tell its level gets everything, and chooses.
    lowest.is_none_or(|lowest| LogLevel(level as u32) >= lowest)
}

/// Writes one line, if the host writes lines of this level; [`info!`](crate::info) and its siblings call it.
/// The host adds which plugin wrote it, and during which stream.
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    // A line that the host refuses is lost: there is nowhere to report it to.
    let level = LogLevel(level as u32);
    let _ = match message.as_str() {
        Some(text) => hostcalls::log(level, text.as_bytes()),
        None => hostcalls::log(level, message.to_string().as_bytes()),
    };
}

/// Notes the lowest level that the host writes from now on.
pub(crate) fn set_lowest(level: LogLevel) {
    LOWEST.set(Some(level));
}

/// Writes a line of level trace; takes what [`format!`] takes.
#[macro_export]
macro_rules! trace {
    ($($argument:tt)+) => { $crate::log($crate::Level::Trace, ::core::format_args!($($argument)+)) };
}

/// Writes a line of level debug; takes what [`format!`] takes.
#[macro_export]
macro_rules! debug {
    ($($argument:tt)+) => { $crate::log($crate::Level::Debug, ::core::format_args!($($argument)+)) };
}

/// Writes a line of level info; takes what [`format!`] takes.
#[macro_export]
macro_rules! info {
    ($($argument:tt)+) => { $crate::log($crate::Level::Info, ::core::format_args!($($argument)+)) };
}

/// Writes a line of level warn; takes what [`format!`] takes.
#[macro_export]
macro_rules! warn {
    ($($argument:tt)+) => { $crate::log($crate::Level::Warn, ::core::format_args!($($argument)+)) };
}

/// Writes a line of level error; takes what [`format!`] takes.
#[macro_export]
macro_rules! error {
    ($($argument:tt)+) => { $crate::log($crate::Level::Error, ::core::format_args!($($argument)+)) };
}

/// Writes a line of level critical; takes what [`format!`] takes.
#[macro_export]
macro_rules! critical {
    ($($argument:tt)+) => { $crate::log($crate::Level::Critical, ::core::format_args!($($argument)+)) };
}
