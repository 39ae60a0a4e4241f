//! Redis behind plugins: its benchmark as load, and answers that are the same as without the proxy.

use crate::plugins::{done, forwarding};
use crate::server::{Folder, Server, run};
use crate::{connect, exactly, random};
use proxywasm_tests::harness::proxy;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::process::Command;

fn start(name: &str) -> Option<Server> {
    Server::start("redis-server", "-KILL", Folder::new(name), |folder, address| {
        let mut command = Command::new("redis-server");
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(folder);
        command
    })
}

/// A command as Redis wants it.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Sends many commands without waiting for answers, and returns all the answers.
fn talk(address: SocketAddr) -> Vec<u8> {
    let mut client = connect(address);
    let mut commands = command(&[b"FLUSHALL"]);
    let values: Vec<Vec<u8>> = (0..200u64)
        .map(|number| random((number * number * 17) as usize, number + 3))
        .collect();
    for (number, value) in values.iter().enumerate() {
        let key = format!("key {number}");
        commands.extend(command(&[b"SET", key.as_bytes(), value]));
        commands.extend(command(&[b"STRLEN", key.as_bytes()]));
        commands.extend(command(&[b"GET", key.as_bytes()]));
        commands.extend(command(&[
            b"LPUSH",
            b"list",
            value.get(..number).unwrap_or_default(),
        ]));
    }
    commands.extend(command(&[b"LRANGE", b"list", b"0", b"-1"]));
    commands.extend(command(&[b"NO SUCH COMMAND"]));
    commands.extend(command(&[b"QUIT"]));
    let mut writer = client.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || writer.write_all(&commands).unwrap());
        let answers = crate::rest(&mut client);
        let _ = client.shutdown(Shutdown::Both);
        answers
    })
}

#[test]
fn answers_are_the_same() {
    let Some(server) = start("redis-answers") else {
        return;
    };
    let direct = talk(server.address);
    assert!(
        direct.len() > 10 << 20 && direct.ends_with(b"+OK\r\n"),
        "{}",
        direct.len()
    );
    for chain in [
        vec![forwarding()],
        vec![forwarding(), done()],
        vec![done()],
        vec![],
    ] {
        let mut builder = proxy().tcp_upstream(server.address);
        for wasm in &chain {
            builder = builder.wasm("it", wasm);
        }
        let proxy = builder.start();
        assert!(talk(proxy.address()) == direct, "{} plugins", chain.len());
    }
}

#[test]
fn its_benchmark() {
    let Some(server) = start("redis-benchmark") else {
        return;
    };
    let proxy = proxy()
        .tcp_upstream(server.address)
        .wasm("first", &forwarding())
        .guest("tcp_legacy", "count")
        .workers(2)
        .start();
    let port = proxy.address().port().to_string();
    // Short and long values, with and without pipelines.
    for (size, pipeline, commands) in [
        ("3", "1", "set,get,incr,lpush,lrange_100,mset"),
        ("300", "16", "set,get,incr,lpush,lrange_100,mset"),
        ("30000", "4", "set,get"),
    ] {
        let mut command = Command::new("redis-benchmark");
        command.args(["-h", "127.0.0.1", "-p", &port, "-n", "4000", "-c", "20", "-q"]);
        command.args(["-t", commands, "-d", size, "-P", pipeline]);
        let Some(output) = run(&mut command) else { return };
        let output = String::from_utf8_lossy(&output);
        assert!(!output.to_lowercase().contains("error"), "{output}");
    }
    let mut client = connect(proxy.address());
    client.write_all(&command(&[b"PING"])).unwrap();
    assert_eq!(exactly(&mut client, 7), b"+PONG\r\n");
}
