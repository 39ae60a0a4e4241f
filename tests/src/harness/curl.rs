//! curl, as a client that is not of this repository.

use std::io::Write;
use std::process::{Command, Stdio};

/// What curl says about one request.
#[derive(Debug)]
pub struct Curl {
    /// The status code; 0 if there was no response.
    pub status: u16,
    /// The version of HTTP, as curl writes it: `1.1`, `2`.
    pub version: String,
    /// The head of the response.
    pub head: String,
    /// The body of the response.
    pub body: String,
    /// Curl's exit status, which tells what went wrong.
    pub exit: i32,
    /// What it complains of.
    pub error: String,
}

/// Whether there is a program. Where there is none it says so, for a test to be skipped.
pub fn is_installed(program: &str) -> bool {
    let started = Command::new(program)
        .arg("version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(mut child) => {
            // Only that it is there counts.
            let _ = child.kill();
            let _ = child.wait();
            true
        }
        Err(_) => {
            eprintln!("skipped: {program} is not installed");
            false
        }
    }
}

// === impl Curl ===

impl Curl {
    /// Whether there is curl. Where there is none it says so, for a test to be skipped.
    pub fn is_installed() -> bool {
        is_installed("curl")
    }

    /// Runs curl with these arguments.
    ///
    /// # Panics
    /// There is no curl.
    pub fn run(arguments: &[&str]) -> Self {
        Self::run_with_body(arguments, b"")
    }

    /// The same; `--data-binary @-` sends this body.
    ///
    /// # Panics
    /// There is no curl.
    pub fn run_with_body(arguments: &[&str], body: &[u8]) -> Self {
        let mut child = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--include"])
            .args(["--write-out", "\n%{http_code} %{http_version}"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let sent = body.to_vec();
        let sending = std::thread::spawn(move || {
            let _ = stdin.write_all(&sent);
        });
        let output = child.wait_with_output().unwrap();
        sending.join().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (answer, summary) = text.rsplit_once('\n').unwrap_or(("", "0 0"));
        let (status, version) = summary.split_once(' ').unwrap_or(("0", ""));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        Self {
            status: status.parse().unwrap(),
            version: version.to_owned(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
            exit: output.status.code().unwrap_or(-1),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
