//! nginx as an origin server: a real one, made by others.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx. Stops when dropped.
///
/// - `/files/NAME` serves what was put there, by `PUT` too
/// - `/status/204`, `/status/304`, `/status/404` answer with that status
pub struct Nginx {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
}

// === impl Nginx ===

impl Nginx {
    /// Starts one; `None`, and a message, where none is installed.
    ///
    /// # Panics
    /// It is installed but does not start.
    pub fn start() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("proxywasm-nginx-{}", std::process::id()));
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for name in ["files", "temp"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("nginx.conf"), configuration(&folder, address)).unwrap();
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"));
        command.arg("-e").arg(folder.join("error.log"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let _ = fs::remove_dir_all(&folder);
                eprintln!("skipped: nginx is not installed");
                return None;
            }
            Err(error) => panic!("nginx: {error}"),
        };
        let mut nginx = Self {
            process,
            address,
            folder,
        };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = nginx.process.try_wait().unwrap();
            let log = || fs::read_to_string(nginx.folder.join("error.log")).unwrap_or_default();
            assert!(
                ended.is_none() && start.elapsed() < super::PATIENCE,
                "nginx does not start: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(nginx)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file behind `/files/NAME`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join("files").join(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    // One process in the foreground, so that killing it leaves nothing behind; it serves as whoever runs the tests.
    format!(
        "daemon off;
master_process off;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    client_max_body_size 0;
    server {{
        listen {address};
        location /files/ {{
            alias {folder}/files/;
            dav_methods PUT;
            add_header x-method $request_method always;
            add_header x-plugin-seen $http_x_plugin always;
            add_header server-secret abc always;
        }}
        location /status/204 {{ return 204; }}
        location /status/304 {{ return 304; }}
        location /status/404 {{ return 404; }}
    }}
}}
"
    )
}
