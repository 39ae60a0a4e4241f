//! The access log: a line for each request, and for each TCP stream.
//!
//! A [`Format`] says which [`Field`]s a line has; it is made when the configuration is read. A worker notes of a request what the format
//! wants (`Draft`), makes the line when the request is over, and puts it into a queue of its own (`AccessLog`). One thread for each file
//! takes the lines of all workers and writes them (`Writers`). A queue that is full drops its line and counts it: no request waits for a
//! disk.

mod draft;
mod escape;
mod field;
mod format;
mod writer;

pub(crate) use draft::{Draft, Facts};
pub use field::{Field, FieldError};
pub use format::{DEFAULT_JSON_FIELDS, Format, FormatError};
pub(crate) use writer::Writers;

use proxywasm_host::figures::Counter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::Thread;

/// Where requests are logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// The file; standard output unless given. What is written goes to its end.
    pub file: Option<PathBuf>,
    /// What a line is made of.
    pub format: Arc<Format>,
}

/// The access log of one listener, as one worker has it.
pub(crate) struct AccessLog {
    format: Arc<Format>,
    queue: Queue,
}

/// A worker's way to the thread that writes.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    lines: SyncSender<String>,
    dropped: Arc<Counter>,
    writer: Thread,
}

// === impl AccessLog ===

impl AccessLog {
    pub(crate) fn new(format: Arc<Format>, queue: Queue) -> Self {
        Self { format, queue }
    }

    pub(crate) fn format(&self) -> &Format {
        &self.format
    }

    /// A request is over.
    pub(crate) fn write(&self, facts: &Facts<'_>) {
        self.queue.put(self.format.line(facts));
    }
}

// === impl Queue ===

impl Queue {
    fn put(&self, line: String) {
        if self.lines.try_send(line).is_err() {
            self.dropped.add(1);
            // It looks by itself, but a queue that is full is more than it expects.
            self.writer.unpark();
        }
    }
}

#[cfg(test)]
mod tests;
