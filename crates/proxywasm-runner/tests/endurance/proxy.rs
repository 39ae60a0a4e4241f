//! The binary, and what is done to it.

use rcgen::{CertificateParams, KeyPair};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Adds `x-version: NUMBER` to each response.
const PLUGIN: &str = r#"(module
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1 16)
    (data (i32.const 16) "x-version") (data (i32.const 32) "NUMBER")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (call $add (i32.const 2) (i32.const 16) (i32.const 9) (i32.const 32) (i32.const 6))))"#;

/// What the log says once for each version that is served.
const CHANGED: &str = "generation=";

/// How long a process may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A runner that serves a file, with two upstreams and two listeners: one of TLS, one not.
pub(crate) struct Proxy {
    folder: PathBuf,
    upstreams: [SocketAddr; 2],
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    version: u32,
    process: u32,
}

// === impl Proxy ===

impl Proxy {
    pub(crate) fn start(upstreams: [SocketAddr; 2]) -> Self {
        let folder = std::env::temp_dir().join(format!("proxywasm-endurance-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // Known beforehand, for another process is to take them over.
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [plain, tls] = free.map(|listener| listener.local_addr().unwrap());
        let mut proxy = Self {
            folder,
            upstreams,
            plain,
            tls,
            version: 100_000,
            process: 0,
        };
        proxy.write_plugin();
        proxy.write_certificate();
        proxy.write_configuration();
        let log = std::fs::File::create(proxy.path("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_proxywasm"))
            .args(["serve", proxy.path("proxy.yaml").to_str().unwrap()])
            .env_remove("RUST_LOG")
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        proxy.process = child.id();
        // Whoever waits for it need not be the one that began it: it is replaced by another process later.
        std::thread::spawn(move || {
            let mut child = child;
            child.wait()
        });
        proxy.wait("listening on", 1);
        proxy
    }

    /// Another version of the code in the place of the old, as a deployment does.
    pub(crate) fn update_plugin(&mut self) {
        let before = self.count(CHANGED);
        self.write_plugin();
        self.wait(CHANGED, before + 1);
    }

    /// Another configuration, and the signal to read it.
    pub(crate) fn change_configuration(&mut self) {
        let before = self.count(CHANGED);
        self.write_configuration();
        self.signal("-HUP");
        self.wait(CHANGED, before + 1);
    }

    pub(crate) fn renew_certificate(&self) {
        let before = self.count("certificates were read again");
        self.write_certificate();
        self.wait("certificates were read again", before + 1);
    }

    /// Has it replaced by a new process.
    pub(crate) fn restart(&mut self) {
        const SERVES: &str = "the new process serves process=";
        self.signal("-USR2");
        let old = self.process;
        self.wait(SERVES, 1);
        let log = self.log();
        let id = log
            .split(SERVES)
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        self.process = id.unwrap().parse().unwrap();
        ended(old);
    }

    /// Stops it; returns what it logged.
    pub(crate) fn stop(self) -> String {
        self.signal("-TERM");
        ended(self.process);
        self.log()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    fn count(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    fn wait(&self, text: &str, times: usize) {
        let begin = Instant::now();
        while self.count(text) < times {
            assert!(
                begin.elapsed() < PATIENCE,
                "`{text}` is not logged {times} times: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.process.to_string()])
            .status();
        assert!(sent.unwrap().success(), "{signal}: {}", self.log());
    }

    /// Puts a file into the place of another at once.
    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.path(&format!("{name}.new"));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path(name)).unwrap();
    }

    fn write_plugin(&mut self) {
        self.version += 1;
        let wat = PLUGIN.replace("NUMBER", &self.version.to_string());
        self.put("plugin.wasm", wat::parse_str(wat).unwrap());
    }

    fn write_certificate(&self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        self.put("both.pem", key.serialize_pem() + &certificate.pem());
    }

    fn write_configuration(&mut self) {
        self.version += 1;
        let [one, other] = self.upstreams;
        let configuration = format!(
            "workers: 2
listeners:
  - address: {}
    upstream: pool
    plugins: [it]
  - address: {}
    upstream: pool
    plugins: [it]
    tls:
      certificates:
        - {{ certificate: both.pem, key: both.pem }}
upstreams:
  - name: pool
    endpoints: [{{ url: 'http://{one}' }}, {{ url: 'http://{other}' }}]
    retries: {{ attempts: 3 }}
plugins:
  - name: it
    file: plugin.wasm
    configuration: '{}'
",
            self.plain, self.tls, self.version
        );
        self.put("proxy.yaml", configuration);
    }
}

/// Waits until a process is gone.
fn ended(process: u32) {
    let begin = Instant::now();
    while Path::new(&format!("/proc/{process}")).exists() {
        assert!(begin.elapsed() < PATIENCE, "process {process} does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-KILL", &self.process.to_string()])
            .status();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
