//! A real server of its own for a test, where one is installed.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A server on a free port, with a folder of its own in which it keeps what it is told. Both go when this is dropped.
pub struct TestServer {
    program: &'static str,
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

/// Programs that are such servers, in the order in which they are tried.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// How long a server may take to start.
const START_TIME: Duration = Duration::from_secs(20);

// === impl TestServer ===

impl TestServer {
    /// Starts a server. `None` where no program is installed, which is said on the standard error output of the test.
    ///
    /// # Panics
    /// A program that is installed but does not start.
    #[allow(
        clippy::panic,
        clippy::expect_used,
        reason = "a test without its surroundings has to fail"
    )]
    pub fn start() -> Option<Self> {
        let installed = |program: &&str| Command::new(program).arg("--version").output().is_ok();
        let Some(program) = PROGRAMS.into_iter().find(|program| installed(program)) else {
            eprintln!("SKIPPED: neither {} is installed", PROGRAMS.join(" nor "));
            return None;
        };
        for attempt in 0..5 {
            let port = free_port().expect("there is a free port");
            let folder =
                std::env::temp_dir().join(format!("redis-test-{}-{port}-{attempt}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder for the server can be made");
            let mut server = Self {
                program,
                folder,
                port,
                process: None,
            };
            // Another program may have taken the port in the meantime.
            if server.restart() {
                return Some(server);
            }
        }
        panic!("{program} is installed, but does not start");
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills it. What it has answered to stays: it hands each write to the system before it answers, and does not wait for the disk.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // One that has ended already is as dead.
            let _ended = process.kill();
            let _status = process.wait();
        }
    }

    /// Starts it again, on the same port and with what it had. Returns whether it came up.
    pub fn restart(&mut self) -> bool {
        self.stop();
        let started = Command::new(self.program)
            .current_dir(&self.folder)
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "no",
                "--loglevel",
                "warning",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = started.ok();
        self.is_up()
    }

    /// Stops or continues the process, as a machine that hangs and comes back. The connections stay.
    pub fn hang(&self, hangs: bool) {
        if let Some(process) = &self.process {
            let signal = if hangs { "-STOP" } else { "-CONT" };
            let _status = Command::new("kill")
                .args([signal, &process.id().to_string()])
                .status();
        }
    }

    /// Waits until it answers.
    fn is_up(&mut self) -> bool {
        let deadline = Instant::now() + START_TIME;
        while Instant::now() < deadline {
            let ended = |process: &mut Child| !matches!(process.try_wait(), Ok(None));
            if self.process.as_mut().is_none_or(ended) {
                return false;
            }
            if answers(self.port).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.hang(false);
        self.stop();
        let _left_behind = std::fs::remove_dir_all(&self.folder);
    }
}

/// Waits until something holds, for tests of what happens on other threads.
///
/// # Panics
/// It does not hold after a long time.
#[allow(clippy::panic, reason = "a test that waits in vain has failed")]
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        if Instant::now() > deadline {
            panic!("this has not happened: {what}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a server on the port answers a ping, and has loaded what it had.
fn answers(port: u16) -> io::Result<()> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    match &answer {
        b"+PONG\r\n" => Ok(()),
        _ => Err(io::Error::other("it is loading")),
    }
}
