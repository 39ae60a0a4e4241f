//! What does not end in time.

use proxywasm_tests::harness::{Client, Origin, capture_log, configured};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// `GET / HTTP/2` with authority `h` on the first stream of a connection.
const HTTP2_GET: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01h";

#[test]
fn what_goes_on_is_cut_and_told() {
    let log = capture_log();
    let origin = Origin::raw(|mut reader, requests| {
        while let Ok(Some(request)) = proxywasm_tests::harness::Message::read_head(&mut reader) {
            let upgrades = request.header("upgrade").is_some();
            let _ = requests.send(request);
            if upgrades {
                let switched =
                    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: it\r\n\r\n";
                reader.get_mut().write_all(switched).unwrap();
                // Echoes until the end.
                let mut byte = [0];
                while reader.read_exact(&mut byte).is_ok() && reader.get_mut().write_all(&byte).is_ok() {}
            }
            // The others are never answered.
        }
    });
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = configured(&format!(
        "workers: 2
drain: {{ deadline: 1s, idle: 1ms }}
listeners:
  - {{ address: 127.0.0.1:0, upstream: 'http://{}' }}
  - {{ address: 127.0.0.1:0, protocol: tcp, upstream: 'tcp://{}' }}
",
        origin.address(),
        server.local_addr().unwrap()
    ));
    let [http, tcp] = proxy.addresses()[..] else {
        panic!("two listeners");
    };
    let mut waiting = Client::connect(http);
    waiting.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    origin.received();
    let mut stream = Client::connect(http);
    stream.send(HTTP2_GET);
    origin.received();
    let mut upgraded = Client::connect(http);
    upgraded.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: it\r\n\r\n");
    assert_eq!(upgraded.receive_head().status(), 101);
    let mut bytes = TcpStream::connect(tcp).unwrap();
    bytes.write_all(b"a").unwrap();
    let (mut served, _) = server.accept().unwrap();
    served.read_exact(&mut [0]).unwrap();

    let stopping = proxy.begin_to_stop();
    stopping.wait_until_closed();
    // Tunnels go on until then.
    upgraded.send("b");
    assert_eq!(upgraded.receive_bytes(1), b"b");
    served.write_all(b"c").unwrap();
    bytes.read_exact(&mut [0]).unwrap();

    stopping.end();
    for client in [&mut waiting, &mut upgraded] {
        assert!(client.is_closed());
    }
    stream.count_to_end();
    let line = log.wait_for("did not end in time");
    assert!(
        line.contains("1 HTTP/1.1 connections, 1 HTTP/2 streams, 1 TCP connections, 1 upgraded connections"),
        "{line}"
    );
}
