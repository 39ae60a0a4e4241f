//! Runners in processes of their own: this test program, told to be one.

use clap::Parser;
use proxywasm_runner::cli::Arguments;
use proxywasm_tests::harness::{Client, PATIENCE};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A running `proxywasm serve`. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    file: PathBuf,
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

/// Names the file to serve.
const FILE: &str = "PROXYWASM_TEST_SERVE";

#[test]
#[ignore = "it is a runner for the other tests, in a process of its own"]
fn serve() {
    let Some(file) = std::env::var_os(FILE) else {
        return eprintln!("skipped: {FILE} names no file to serve");
    };
    let arguments = [OsStr::new("proxywasm"), OsStr::new("serve"), &file];
    assert_eq!(Arguments::parse_from(arguments).run(), ExitCode::SUCCESS);
}

// === impl Process ===

impl Process {
    /// Starts one with the text of a configuration, which gets an admin address. Returns when it listens.
    pub(crate) fn start(config: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("proxywasm-state-{}-{number}.yaml", std::process::id()));
        let config = format!("admin: {{ address: 127.0.0.1:0 }}\n{config}");
        std::fs::write(&file, &config).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "process::serve", "--nocapture"])
            .env(FILE, &file)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut addresses, mut admin) = (Vec::new(), None);
        while admin.is_none() {
            let Some(Ok(line)) = stdout.next() else {
                let _ = child.wait();
                panic!("it does not start: {:#?}\n{config}", log.lock().unwrap());
            };
            let address = |before: &str| {
                let (_, after) = line.split_once(before)?;
                after.split(',').next()?.parse().ok()
            };
            addresses.extend(address("listening on http://"));
            admin = address("admin on http://");
        }
        std::thread::spawn(move || stdout.for_each(drop));
        Self {
            child,
            file,
            addresses,
            admin: admin.unwrap(),
            log,
        }
    }

    /// Where its listeners are.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A connection to its first listener.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addresses[0])
    }

    /// What a metric stands at; 0 where there is none yet.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = Client::connect(self.admin).request("GET /metrics", &[]).text();
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// The items that the sample plugins `queue_*` took.
    pub(crate) fn taken(&self) -> Vec<String> {
        let lines = self.log.lock().unwrap();
        let taken = lines.iter().filter_map(|line| line.split_once("took "));
        taken
            .filter_map(|(_, rest)| Some(rest.split(' ').next()?.to_owned()))
            .collect()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Ends it as a lack of memory does.
    pub(crate) fn kill(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-KILL", &id]).status().unwrap();
        assert!(status.success());
    }

    /// Stops it as its operator does.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(status.success());
        wait_until("a runner stops", || self.child.try_wait().unwrap().is_some());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Waits for what other processes do.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < 3 * PATIENCE, "this has not happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
