//! A process whose output is kept in files, which several processes can write to.

use super::Folder;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that was started, and what it and those that it starts print and log.
pub(crate) struct Process {
    child: Child,
    out: PathBuf,
    log: PathBuf,
}

// === impl Process ===

impl Process {
    pub(crate) fn start(folder: &Folder, mut command: Command) -> Self {
        let (out, log) = (folder.0.join("out"), folder.0.join("log"));
        let child = command
            .env_remove("RUST_LOG")
            .stdout(Stdio::from(File::create(&out).unwrap()))
            .stderr(Stdio::from(File::create(&log).unwrap()))
            .spawn()
            .unwrap();
        Self { child, out, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The addresses that it listens on, in the order of the listeners; with the last one, that of operators.
    pub(crate) fn addresses(&self, count: usize) -> Vec<String> {
        let mut addresses = Vec::new();
        wait("it does not serve", || {
            let out = std::fs::read_to_string(&self.out).unwrap();
            let lines = out
                .lines()
                .filter_map(|line| line.split("://").nth(1)?.split(',').next());
            addresses = lines.map(str::to_owned).collect();
            addresses.len() >= count
        });
        addresses
    }

    /// Waits until so many lines of the log contain a text, and returns the last of them.
    pub(crate) fn logged(&self, text: &str, times: usize) -> String {
        let mut found = Vec::new();
        wait(text, || {
            let log = std::fs::read_to_string(&self.log).unwrap();
            let lines = log.lines().filter(|line| line.contains(text));
            found = lines.map(str::to_owned).collect();
            found.len() >= times
        });
        found.pop().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has ended in order.
    pub(crate) fn end(&mut self) {
        wait("it does not end", || self.child.try_wait().unwrap().is_some());
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process, which may be gone.
pub(crate) fn signal(process: u32, signal: &str) {
    let _ = Command::new("kill").args([signal, &process.to_string()]).status();
}

pub(crate) fn is_alive(process: u32) -> bool {
    // One that has ended and was not waited for is no longer alive.
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    })
}
