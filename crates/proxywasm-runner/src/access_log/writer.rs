//! The threads that write lines.

use super::{AccessLog, AccessLogSettings, Queue};
use crate::figures::{AccessLogFigures, Figures};
use proxywasm_host::figures::Counter;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The files of access logs, each with its thread.
#[derive(Default)]
pub(crate) struct Writers(Vec<Writer>);

struct Writer {
    file: Option<PathBuf>,
    shared: Arc<Shared>,
    figures: Arc<AccessLogFigures>,
    thread: WriterThread,
}

/// A thread that writes. It ends, with all written, when it is dropped.
struct WriterThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a thread that writes is told.
#[derive(Default)]
struct Shared {
    /// Workers that came since it looked last.
    new: Mutex<Vec<Receiver<String>>>,
    has_new: AtomicBool,
    reopens: AtomicBool,
    stops: AtomicBool,
}

/// Where it writes.
struct Output {
    path: Option<PathBuf>,
    file: Option<File>,
    /// When it was looked last whether the file is still the one at the path.
    looked: Instant,
}

/// Lines that a worker may have waiting.
const QUEUE: usize = 8192;
/// How long lines may wait before they are written. A worker need not wake the thread then, which would cost it a system call.
const REST: Duration = Duration::from_millis(50);
/// How often it is looked whether the file was moved.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

// === impl Writers ===

impl Writers {
    /// The log of these settings for a worker.
    ///
    /// # Errors
    /// As [`Writers::queue`].
    pub(crate) fn open(&mut self, settings: &AccessLogSettings, figures: &Figures) -> io::Result<AccessLog> {
        let queue = self.queue(settings, figures)?;
        Ok(AccessLog::new(Arc::clone(&settings.format), queue))
    }

    /// A queue for a worker to what these settings name. Its file is opened, and its thread started, where that is new.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread not be started.
    fn queue(&mut self, settings: &AccessLogSettings, figures: &Figures) -> io::Result<Queue> {
        let known = self.0.iter().position(|writer| writer.file == settings.file);
        if known.is_none() {
            self.0.push(Writer::start(settings.file.clone(), figures)?);
        }
        let writer = match known {
            Some(place) => self.0.get(place),
            None => self.0.last(),
        };
        writer
            .and_then(Writer::queue)
            .ok_or_else(|| io::Error::other("the thread of the access log is gone"))
    }

    /// Has the files opened again.
    pub(crate) fn reopen(&self) {
        for writer in &self.0 {
            writer.shared.reopens.store(true, Ordering::Release);
            if let Some(thread) = &writer.thread.thread {
                thread.thread().unpark();
            }
        }
    }
}

// === impl Writer ===

impl Writer {
    fn start(path: Option<PathBuf>, figures: &Figures) -> io::Result<Self> {
        let name = path
            .as_ref()
            .map_or_else(|| "-".to_owned(), |path| path.display().to_string());
        let figures = figures.access_log(&name);
        let output = Output::open(path.clone()).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the access log {name} cannot be opened: {error}"),
            )
        })?;
        let shared = Arc::new(Shared::default());
        let (of_thread, counted) = (Arc::clone(&shared), Arc::clone(&figures));
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || run(&of_thread, &counted, output))?;
        Ok(Self {
            file: path,
            thread: WriterThread {
                shared: Arc::clone(&shared),
                thread: Some(thread),
            },
            shared,
            figures,
        })
    }

    fn queue(&self) -> Option<Queue> {
        let (lines, receiver) = sync_channel(QUEUE);
        let new = &self.shared.new;
        new.lock().unwrap_or_else(PoisonError::into_inner).push(receiver);
        self.shared.has_new.store(true, Ordering::Release);
        let dropped = Arc::new(Counter::default());
        let all = &self.figures.dropped;
        all.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&dropped));
        Some(Queue {
            lines,
            dropped,
            writer: self.thread.thread.as_ref()?.thread().clone(),
        })
    }
}

// === impl WriterThread ===

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the access log panicked");
            }
        }
    }
}

fn run(shared: &Shared, figures: &AccessLogFigures, mut output: Output) {
    let mut queues: Vec<Receiver<String>> = Vec::new();
    let mut block = String::new();
    loop {
        // Looked at before the queues, so that what was in them then is written.
        let stops = shared.stops.load(Ordering::Acquire);
        if shared.has_new.swap(false, Ordering::AcqRel) {
            queues.append(&mut shared.new.lock().unwrap_or_else(PoisonError::into_inner));
        }
        output.look(shared.reopens.swap(false, Ordering::AcqRel));
        let mut lines = 0;
        let mut flush = |block: &mut String, lines: &mut u64| {
            match output.write(block.as_bytes()) {
                Ok(()) => figures.written.add(*lines),
                Err(error) => {
                    figures.failed.add(*lines);
                    tracing::debug!(%error, "lines of the access log cannot be written");
                }
            }
            block.clear();
            *lines = 0;
        };
        queues.retain(|queue| {
            // No more than it has now, for the others have their turn too.
            for _ in 0..QUEUE {
                match queue.try_recv() {
                    Ok(line) => {
                        block.push_str(&line);
                        lines += 1;
                        if block.len() >= BLOCK {
                            flush(&mut block, &mut lines);
                        }
                    }
                    Err(TryRecvError::Empty) => return true,
                    Err(TryRecvError::Disconnected) => return false,
                }
            }
            true
        });
        if lines > 0 {
            flush(&mut block, &mut lines);
        }
        if stops {
            return;
        }
        std::thread::park_timeout(REST);
    }
}

// === impl Output ===

impl Output {
    fn open(path: Option<PathBuf>) -> io::Result<Self> {
        Ok(Self {
            file: path.as_deref().map(append_to).transpose()?,
            path,
            looked: Instant::now(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match (&self.path, &mut self.file) {
            (None, _) => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            (Some(_), Some(file)) => file.write_all(bytes),
            (Some(path), None) => Err(io::Error::other(format!("{} is not open", path.display()))),
        }
    }

    /// Opens the file again where it was moved, or where that is asked for.
    fn look(&mut self, asked: bool) {
        let Some(path) = &self.path else { return };
        if !asked && self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        if !asked && self.file.as_ref().is_some_and(|file| is_at(file, path)) {
            return;
        }
        match append_to(path) {
            Ok(file) => self.file = Some(file),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the access log cannot be opened again; it goes on with the file that it has");
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whether the file at a path is this one.
fn is_at(file: &File, path: &Path) -> bool {
    let same = || {
        let (open, there) = (file.metadata().ok()?, std::fs::metadata(path).ok()?);
        Some((open.dev(), open.ino()) == (there.dev(), there.ino()))
    };
    same().unwrap_or(false)
}
