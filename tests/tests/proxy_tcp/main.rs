//! TCP through the runner over real sockets: bytes, ends, pauses, closing, back-pressure, and real servers.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to fail, and says why"
)]

mod closing;
mod plugins;
mod postgres;
mod pressure;
mod redis;
mod server;
mod streams;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A connection on which nothing waits for ever.
fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap())
}

fn patient(stream: TcpStream) -> TcpStream {
    stream
        .set_read_timeout(Some(proxywasm_tests::harness::PATIENCE))
        .unwrap();
    stream
        .set_write_timeout(Some(proxywasm_tests::harness::PATIENCE))
        .unwrap();
    stream
}

/// An upstream of one connection after the other, for a test that plays its part.
fn upstream() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn accept(listener: &TcpListener) -> TcpStream {
    patient(listener.accept().unwrap().0)
}

/// An upstream that gives back what it gets, and ends when its client does.
fn echo() -> SocketAddr {
    let (listener, address) = upstream();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut block = vec![0; 64 << 10];
                while let Ok(size @ 1..) = stream.read(&mut block) {
                    if stream.write_all(&block[..size]).is_err() {
                        return;
                    }
                }
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

/// Bytes that look like none.
fn random(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    std::iter::repeat_with(|| next().to_le_bytes())
        .flatten()
        .take(len)
        .collect()
}

/// Reads to the end.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn exactly(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}
