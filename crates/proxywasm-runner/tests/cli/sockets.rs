//! Sockets that the service manager hands over.

use super::process::{Process, signal};
use super::service_manager::ServiceManager;
use super::{Folder, text};
use command_fds::{CommandFdExt, FdMapping};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Command;
use std::time::Duration;

#[test]
fn sockets_are_taken_by_name_and_by_address() {
    let folder = Folder::new("activation");
    let path = folder.0.join("proxy.sock");
    let named = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = named.local_addr().unwrap();
    let by_address = UnixListener::bind(&path).unwrap();
    let unwanted = TcpListener::bind("127.0.0.1:0").unwrap();
    let no_listener = UnixDatagram::unbound().unwrap();
    let manager = ServiceManager::new(&folder);
    // Who comes before anyone accepts.
    let mut early = TcpStream::connect(address).unwrap();
    early.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    early
        .write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .unwrap();
    let file = folder.file(
        "proxy.yaml",
        format!(
            "workers: 2
listeners:
  - {{ address: 192.0.2.1:80, socket: web }}
  - {{ address: 'unix:{}' }}
",
            text(&path)
        ),
    );
    // The shell knows the id that the program will have.
    let mut command = Command::new("sh");
    command
        .args(["-c", "LISTEN_PID=$$ exec \"$0\" serve \"$1\""])
        .args([env!("CARGO_BIN_EXE_proxywasm"), text(&file)])
        .env("LISTEN_FDS", "4")
        .env("LISTEN_FDNAMES", "web:proxy.socket:other:wrong")
        .env("NOTIFY_SOCKET", &manager.path);
    let given = [
        named.into(),
        by_address.into(),
        unwanted.into(),
        no_listener.into(),
    ];
    let given = (3..).zip(given);
    let given = given.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(given.collect()).unwrap();
    let mut process = Process::start(&folder, command);
    drop(process.addresses(2));

    assert_eq!(manager.told(), ["READY=1"]);
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(UnixStream::connect(&path).is_ok());
    let log = process.log();
    for expected in [
        "a socket that was handed over is closed, for no listener has its address or its name",
        "a descriptor that was handed over as `wrong` is of no use",
        "one thread accepts for all workers on a socket that was handed over",
    ] {
        assert!(log.contains(expected), "{log}");
    }
    signal(process.id(), "-TERM");
    assert_eq!(manager.told(), ["STOPPING=1"]);
    process.end();
    assert!(path.exists(), "the file is the service manager's");
}
