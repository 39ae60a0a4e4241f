//! What a service manager is told, by the protocol of systemd's `sd_notify`.

use super::process::{Process, is_alive, signal, wait};
use super::{Folder, command, text};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

/// The end of the service manager.
pub(crate) struct ServiceManager {
    socket: UnixDatagram,
    /// What `NOTIFY_SOCKET` is for its services.
    pub(crate) path: PathBuf,
}

// === impl ServiceManager ===

impl ServiceManager {
    pub(crate) fn new(folder: &Folder) -> Self {
        let path = folder.0.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { socket, path }
    }

    /// The assignments of the next message.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut message = [0; 256];
        let length = self.socket.recv(&mut message).unwrap();
        let message = std::str::from_utf8(&message[..length]).unwrap();
        message.lines().map(str::to_owned).collect()
    }
}

#[test]
fn it_is_told_of_reloads_and_restarts() {
    let folder = Folder::new("notify");
    let manager = ServiceManager::new(&folder);
    let served = "workers: 1\nlisteners: [{ address: 127.0.0.1:0 }]\n";
    let file = folder.file("proxy.yaml", served);
    let mut command = command(&["serve", text(&file)]);
    command.env("NOTIFY_SOCKET", &manager.path);
    let mut process = Process::start(&folder, command);
    assert_eq!(manager.told(), ["READY=1"]);
    for (configuration, outcome) in [
        (
            "workers: 1\nlisteners: [{ address: 127.0.0.1:0, name: a }]\n",
            "taken",
        ),
        ("listeners: 7", "refused"),
    ] {
        std::fs::write(&file, configuration).unwrap();
        signal(process.id(), "-HUP");
        let told = manager.told();
        let [reloading, time] = told.as_slice() else {
            panic!("{outcome}: {told:?}");
        };
        assert_eq!(reloading, "RELOADING=1", "{outcome}");
        let time = time.strip_prefix("MONOTONIC_USEC=").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0, "{outcome}");
        assert_eq!(manager.told(), ["READY=1"], "{outcome}");
    }
    // A restart that fails is nobody's business: the next thing that is told is the one that does not.
    signal(process.id(), "-USR2");
    process.logged("no restart; this process goes on", 1);
    std::fs::write(&file, served).unwrap();
    let old = process.id();
    signal(old, "-USR2");
    let told = manager.told();
    let new = told[0].strip_prefix("MAINPID=").unwrap().parse().unwrap();
    assert_ne!(old, new);
    assert_eq!(told[1..], ["READY=1"]);
    // The one that goes does not say so, for it is no longer the service.
    process.end();
    signal(new, "-TERM");
    assert_eq!(manager.told(), ["STOPPING=1"]);
    wait("the last process stays", || !is_alive(new));
}
