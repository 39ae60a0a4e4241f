//! The semantics of wasi-log: levels, and what a plugin may write to the log.

use crate::backend::{LogSink, Record};
use std::sync::Arc;
use wasi_common::{Common, LogLevel, Status};

/// The log of one instance.
pub struct Log {
    sink: Arc<dyn LogSink>,
    level: LogLevel,
}

/// Bytes of one message; what is longer is cut, and marked so.
pub const MAX_MESSAGE_BYTES: usize = 16 << 10;

// === impl Log ===

impl Log {
    /// A log that writes messages of `level` and above to `sink`.
    pub fn new(sink: Arc<dyn LogSink>, level: LogLevel) -> Self {
        Self { sink, level }
    }

    /// The lowest level that is written.
    pub fn level(&self) -> LogLevel {
        self.level
    }

    /// Changes the lowest level that is written. Returns whether plugins are to be told by `on_log_level_update`.
    pub fn set_level(&mut self, level: LogLevel) -> bool {
        std::mem::replace(&mut self.level, level) != level
    }

    /// Writes a message of the plugin that is executing. A message below the level is dropped, which is no error.
    ///
    /// Bytes that are not UTF-8 are replaced, control characters are escaped so that a message stays one line, and more than
    /// [`MAX_MESSAGE_BYTES`] are cut.
    ///
    /// # Errors
    /// None; the result is a status for the codecs' sake.
    pub fn write(&self, common: &Common, level: LogLevel, message: &[u8]) -> Result<(), Status> {
        if level < self.level || !self.sink.enabled(level) {
            return Ok(());
        }
        let settings = common.current_settings();
        self.sink.write(&Record {
            level,
            plugin: settings.map_or("", |settings| settings.name.as_str()),
            root_id: settings.map_or("", |settings| settings.root_id.as_str()),
            vm_id: settings.map_or("", |settings| settings.vm_id.as_str()),
            context_id: common.scope.context_id,
            callback: common.scope.callback,
            message: &printable(message),
        });
        Ok(())
    }
}

/// One line of text.
fn printable(message: &[u8]) -> String {
    let (shown, cut) = match message.get(..MAX_MESSAGE_BYTES) {
        Some(shown) if shown.len() < message.len() => (shown, true),
        _ => (message, false),
    };
    let mut text = String::with_capacity(shown.len());
    for character in String::from_utf8_lossy(shown)
        .trim_end_matches(['\r', '\n'])
        .chars()
    {
        if character.is_control() && character != '\t' {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    if cut {
        text.push_str(&format!(" ... ({} bytes)", message.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::MemorySink;

    #[test]
    fn levels() {
        let all = [
            LogLevel::Trace,
            LogLevel::Debug,
            LogLevel::Info,
            LogLevel::Warn,
            LogLevel::Error,
            LogLevel::Critical,
        ];
        for threshold in all {
            for level in all {
                let sink = Arc::new(MemorySink::default());
                let log = Log::new(Arc::clone(&sink) as Arc<dyn LogSink>, threshold);
                log.write(&Common::default(), level, b"text").unwrap();
                assert_eq!(
                    sink.take().len(),
                    usize::from(level >= threshold),
                    "{level:?} at {threshold:?}"
                );
            }
        }
    }

    #[test]
    fn level_updates_are_told_once() {
        let mut log = Log::new(Arc::new(MemorySink::default()), LogLevel::Info);
        assert!(!log.set_level(LogLevel::Info));
        assert!(log.set_level(LogLevel::Error));
        assert_eq!(log.level(), LogLevel::Error);
    }

    #[test]
    fn a_message_is_one_printable_line() {
        let long = vec![b'x'; MAX_MESSAGE_BYTES + 1];
        let table: &[(&[u8], String)] = &[
            (b"plain", "plain".into()),
            (b"ends\n", "ends".into()),
            (b"two\nlines\x1b[2J", "two\\nlines\\u{1b}[2J".into()),
            (b"\xff", "\u{fffd}".into()),
            (
                &long,
                format!("{} ... (16385 bytes)", "x".repeat(MAX_MESSAGE_BYTES)),
            ),
        ];
        for (message, expected) in table {
            assert_eq!(&printable(message), expected);
        }
    }
}
