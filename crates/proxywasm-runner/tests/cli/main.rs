//! The binary, as a person at a terminal meets it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail by panicking, as the test does"
)]
#![cfg(test)]

mod configuration;
mod ending;
mod faults;
mod import_envoy;
mod inspect;
mod process;
#[cfg(feature = "remote-code")]
mod remote_code;
mod restart;
mod service_manager;
mod serving;
mod sockets;
mod updating;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Adds `x-seen: yes` to nothing: exports all that ABI 0.2.1 asks of a plugin, and lets everything pass. Refuses to start with a
/// configuration of three bytes.
pub(crate) const PLUGIN: &str = r#"(module
    (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1 16)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.ne (local.get 1) (i32.const 3))))"#;

/// A folder of files that is removed afterwards.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("proxywasm-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn plugin(&self) -> PathBuf {
        self.file("plugin.wasm", wat::parse_str(PLUGIN).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxywasm"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

pub(crate) fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A runner that was started by the binary.
pub(crate) struct Running {
    pub(crate) process: Child,
    pub(crate) lines: Vec<String>,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(arguments: &[&str], lines: usize) -> Self {
        let mut process = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let lines: Vec<String> = stdout.lines().take(lines).map(Result::unwrap).collect();
        let address = lines
            .first()
            .and_then(|line| line.split("://").nth(1)?.split(',').next());
        let address = address
            .unwrap_or_else(|| panic!("no address: {lines:?}"))
            .to_owned();
        Self {
            process,
            lines,
            address,
        }
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends a signal; returns what was logged.
    pub(crate) fn stop(self, signal: &str) -> String {
        self.signal(signal);
        self.end()
    }

    /// Waits for the end; returns what was logged.
    pub(crate) fn end(mut self) -> String {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(10), "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(
            self.process.wait().unwrap().success(),
            "a stop that was asked for is no failure"
        );
        let mut log = String::new();
        self.process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
