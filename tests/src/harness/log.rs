//! What is logged, kept for tests to read.

use super::PATIENCE;
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

/// The log of this process.
#[derive(Debug, Default)]
pub struct Captured(Mutex<Vec<u8>>);

/// Starts keeping what is logged at level info and above; from the second call on, returns the same.
pub fn capture_log() -> &'static Captured {
    static CAPTURED: OnceLock<Captured> = OnceLock::new();
    static STARTED: OnceLock<()> = OnceLock::new();
    let captured = CAPTURED.get_or_init(Captured::default);
    STARTED.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(captured)
            .init();
    });
    captured
}

// === impl Captured ===

impl Captured {
    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Waits for a line that contains a text.
    ///
    /// # Panics
    /// None comes.
    pub fn wait_for(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = self.lines().into_iter().find(|line| line.contains(text)) {
                return line;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "nothing logged `{text}`: {:#?}",
                self.lines()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Write for &Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static Captured {
    type Writer = &'static Captured;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
