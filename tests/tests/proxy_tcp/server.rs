//! Servers made by others, started for a test where they are installed.

use proxywasm_tests::harness::PATIENCE;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running server. Stops when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    folder: Folder,
    /// What makes it stop with all its processes.
    signal: &'static str,
}

/// A folder that goes with its owner.
pub(crate) struct Folder(PathBuf);

// === impl Server ===

impl Server {
    /// Starts a command that listens on an address; `None`, and a message, where it is not installed.
    pub(crate) fn start(
        name: &str,
        signal: &'static str,
        folder: Folder,
        command: impl FnOnce(&Path, SocketAddr) -> Command,
    ) -> Option<Self> {
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = folder.0.join("log");
        let mut command = command(&folder.0, address);
        command.stdout(fs::File::create(&log).unwrap());
        command.stderr(fs::File::options().append(true).open(&log).unwrap());
        let process = match command.stdin(Stdio::null()).spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => return skipped(name),
            Err(error) => panic!("{name}: {error}"),
        };
        let mut server = Self {
            process,
            address,
            folder,
            signal,
        };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.process.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "{name} does not start: {}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args([self.signal, &id]).status();
        let _ = self.process.wait();
    }
}

// === impl Folder ===

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("proxywasm-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Says that a test is left out.
pub(crate) fn skipped<T>(name: &str) -> Option<T> {
    eprintln!("skipped: {name} is not installed");
    None
}

/// Runs a command that has to succeed, and returns what it wrote; `None`, and a message, where it is not installed.
pub(crate) fn run(command: &mut Command) -> Option<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let Output {
        status,
        stdout,
        stderr,
    } = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return skipped(&name),
        Err(error) => panic!("{name}: {error}"),
    };
    assert!(
        status.success(),
        "{name}: {status}\n{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    Some(stdout)
}
