//! The last messages of each plugin, kept in memory for the admin address.
//!
//! Each worker keeps its own, so no two wait for each other; who looks puts them together by their times.

use proxywasm_host::{LogLevel, LogSink};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use wasi_log::Record;

/// The last messages of all plugins, of all workers.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Vec<Arc<Ring>>>);

/// Those of one worker.
#[derive(Debug, Default)]
pub(crate) struct Ring(Mutex<BTreeMap<String, VecDeque<Message>>>);

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) time: SystemTime,
    pub(crate) level: LogLevel,
    /// The callback that wrote it.
    pub(crate) callback: String,
    pub(crate) text: String,
}

/// A sink that remembers what passes through it.
pub(crate) struct Remembering<S> {
    sink: S,
    ring: Arc<Ring>,
}

/// Messages of a plugin that a worker keeps, and the bytes of each.
const MESSAGES: usize = 200;
const TEXT_BYTES: usize = 1024;

// === impl Recent ===

impl Recent {
    /// A worker begins, whose messages go on to `sink`.
    pub(crate) fn worker<S: LogSink>(&self, sink: S) -> Remembering<S> {
        let ring = Arc::new(Ring::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&ring));
        Remembering { sink, ring }
    }

    /// The last messages of a plugin, the oldest first.
    pub(crate) fn of(&self, plugin: &str) -> Vec<Message> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages: Vec<Message> = all.iter().flat_map(|ring| ring.of(plugin)).collect();
        messages.sort_by_key(|message| message.time);
        let surplus = messages.len().saturating_sub(MESSAGES);
        messages.drain(..surplus);
        messages
    }
}

// === impl Ring ===

impl Ring {
    fn push(&self, plugin: &str, message: Message) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(plugin) {
            all.insert(plugin.to_owned(), VecDeque::new());
        }
        if let Some(messages) = all.get_mut(plugin) {
            if messages.len() >= MESSAGES {
                messages.pop_front();
            }
            messages.push_back(message);
        }
    }

    fn of(&self, plugin: &str) -> Vec<Message> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(plugin).into_iter().flatten().cloned().collect()
    }
}

// === impl Remembering ===

impl<S: LogSink> LogSink for Remembering<S> {
    fn enabled(&self, level: LogLevel) -> bool {
        self.sink.enabled(level)
    }

    fn write(&self, record: &Record<'_>) {
        let end = record.message.floor_char_boundary(TEXT_BYTES);
        let message = Message {
            time: SystemTime::now(),
            level: record.level,
            callback: record.callback.to_owned(),
            text: record.message.get(..end).unwrap_or_default().to_owned(),
        };
        self.ring.push(record.plugin, message);
        self.sink.write(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasi_log::MemorySink;

    #[test]
    fn the_last_of_all_workers_are_kept() {
        let recent = Recent::default();
        let workers = [(); 2].map(|()| recent.worker(MemorySink::default()));
        for number in 0..MESSAGES {
            for worker in &workers {
                let message = format!("{number} {}", "é".repeat(TEXT_BYTES));
                worker.write(&Record {
                    level: LogLevel::Info,
                    plugin: "a",
                    root_id: "",
                    vm_id: "",
                    context_id: 1,
                    callback: "on_log",
                    message: &message,
                });
            }
        }
        let messages = recent.of("a");
        assert_eq!(messages.len(), MESSAGES);
        assert!(messages.is_sorted_by_key(|message| message.time));
        assert!(messages[0].text.starts_with(&format!("{} ", MESSAGES / 2)));
        assert!(messages.iter().all(|message| message.text.len() <= TEXT_BYTES));
        assert!(recent.of("b").is_empty());
    }
}
