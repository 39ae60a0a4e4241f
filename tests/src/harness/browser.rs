//! Headless Chromium, driven by the WebDriver protocol.

use super::{Client, PATIENCE};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A browser with one window. It ends when it is dropped.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// What it keeps goes here, and with it.
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

/// A browser takes much of a small machine; one at a time is fast enough.
static ALONE: Mutex<()> = Mutex::new(());

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

// === impl Browser ===

impl Browser {
    /// Starts one, of this size; `None`, with a word about it, where chromedriver is not installed.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(width: u32, height: u32) -> Option<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((driver, port)) = start_driver() else {
            eprintln!("skipped: chromedriver is not installed");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("proxywasm-browser-{}-{port}", std::process::id()));
        let mut browser = Self {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            folder,
            _alone: alone,
        };
        let mut arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", browser.folder.display()));
        arguments.push(format!("--window-size={width},{height}"));
        let options = json!({
            "args": arguments,
        });
        let wanted = json!({
            "capabilities": { "alwaysMatch": { "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } },
        });
        let session = browser.post("/session", &wanted);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    /// Goes to a page, and returns when it has loaded.
    pub fn open(&self, url: &str) {
        self.command("/url", &json!({ "url": url }));
    }

    /// What a script returns: the body of a function.
    pub fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a script returns something that is true, and returns it.
    ///
    /// # Panics
    /// It never does.
    pub fn wait_for(&self, script: &str) -> Value {
        let start = Instant::now();
        loop {
            let value = self.run(script);
            if !matches!(value, Value::Null | Value::Bool(false)) && value != 0 && value != "" {
                return value;
            }
            assert!(start.elapsed() < PATIENCE, "{script} is never true");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// As wide and as high as this, as on a telephone.
    pub fn resize(&self, width: u32, height: u32) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// Whether whoever looks prefers a dark page.
    pub fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// What the console of the page has said since it was asked last, errors of loading and of its policy included.
    pub fn console(&self) -> Vec<String> {
        let entries = self.command("/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// A picture of the window as PNG, in Base64.
    pub fn screenshot(&self) -> String {
        let shot = self.get(&format!("/session/{}/screenshot", self.session));
        shot.as_str().unwrap().to_owned()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.command(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        );
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.post(&format!("/session/{}{path}", self.session), body)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let headers = [("host", "localhost"), ("content-type", "application/json")];
        let mut client = Client::connect(self.address);
        let answer = client.request_with_body(&format!("POST {path}"), &headers, body.to_string().as_bytes());
        Self::value(path, &answer.text())
    }

    fn get(&self, path: &str) -> Value {
        let mut client = Client::connect(self.address);
        let answer = client.request(&format!("GET {path}"), &[("host", "localhost")]);
        Self::value(path, &answer.text())
    }

    fn value(path: &str, text: &str) -> Value {
        let mut answer: Value = serde_json::from_str(text).unwrap_or_default();
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without that, the browser would outlive its driver. Nothing in here may fail, for the test may have failed already.
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = write!(
                stream,
                "DELETE /session/{} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
                self.session
            );
            // The driver does not close the connection.
            let _status = BufReader::new(stream).lines().next();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts chromedriver, and returns it with its port. It takes one that is free for one version of IP, and gives up where another process has
/// it for the other; then it is tried again.
///
/// # Panics
/// It gives up again and again.
fn start_driver() -> Option<(Child, u16)> {
    for _ in 0..20 {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = started.ok()?;
        let mut said = BufReader::new(driver.stdout.take()?)
            .lines()
            .map_while(Result::ok);
        let port = said.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        if let Some(port) = port {
            // It may say more, and must not wait for somebody to read it.
            std::thread::spawn(move || said.for_each(drop));
            return Some((driver, port));
        }
        let _ = driver.kill();
        let _ = driver.wait();
    }
    panic!("chromedriver does not start");
}
