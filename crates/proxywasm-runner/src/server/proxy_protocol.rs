//! The PROXY protocol of clients: a proxy before this one says by the first bytes of a connection whose it is.

use crate::transport::{Address, Socket};
use ppp::{HeaderResult, PartialResult, v1, v2};
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;

/// The most that a header may have: room for what proxies put behind the addresses.
const MAX_HEADER: usize = 4096;

/// What a header of text begins with, and the most that it may have.
const TEXT: &[u8] = b"PROXY ";
const MAX_TEXT: usize = 107;

/// What a header says: how long it is, and who is connected to whom, unless the proxy speaks for itself.
type Header = (usize, Option<(Address, Address)>);

/// Reads the header. Returns where the client is and what it has connected to, if the header tells.
pub(super) async fn receive(socket: &mut Socket) -> io::Result<Option<(Address, Address)>> {
    let mut buffer = [0; MAX_HEADER];
    let (length, addresses) = socket.look_ahead(&mut buffer, judge).await??;
    let header = buffer.get_mut(..length).unwrap_or_default();
    socket.read_exact(header).await?;
    Ok(addresses)
}

fn judge(seen: &[u8], ended: bool) -> Option<io::Result<Header>> {
    let parsed = HeaderResult::parse(seen);
    // The parser takes a part of the header of text for one that lacks something.
    if (parsed.is_incomplete() || is_begun_text(seen)) && !ended {
        return None;
    }
    Some(match parsed {
        HeaderResult::V1(Ok(header)) => Ok((header.header.len(), addresses_v1(&header))),
        HeaderResult::V2(Ok(header)) => Ok((header.len(), addresses_v2(&header))),
        HeaderResult::V1(Err(error)) => Err(refused(&error)),
        HeaderResult::V2(Err(error)) => Err(refused(&error)),
    })
}

/// Whether these bytes begin a header of text whose line has not ended yet.
fn is_begun_text(seen: &[u8]) -> bool {
    let begins = seen.iter().zip(TEXT).all(|(one, other)| one == other);
    let ends = seen.windows(2).any(|two| two == b"\r\n");
    begins && !ends && seen.len() < MAX_TEXT
}

fn refused(error: &impl std::fmt::Display) -> io::Error {
    let message = format!("no header of the PROXY protocol begins the connection: {error}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn addresses_v1(header: &v1::Header<'_>) -> Option<(Address, Address)> {
    match header.addresses {
        v1::Addresses::Tcp4(ip) => Some((
            address(ip.source_address, ip.source_port),
            address(ip.destination_address, ip.destination_port),
        )),
        v1::Addresses::Tcp6(ip) => Some((
            address(ip.source_address, ip.source_port),
            address(ip.destination_address, ip.destination_port),
        )),
        v1::Addresses::Unknown => None,
    }
}

fn addresses_v2(header: &v2::Header<'_>) -> Option<(Address, Address)> {
    if header.command == v2::Command::Local {
        return None;
    }
    match header.addresses {
        v2::Addresses::IPv4(ip) => Some((
            address(ip.source_address, ip.source_port),
            address(ip.destination_address, ip.destination_port),
        )),
        v2::Addresses::IPv6(ip) => Some((
            address(ip.source_address, ip.source_port),
            address(ip.destination_address, ip.destination_port),
        )),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    }
}

fn address(ip: impl Into<std::net::IpAddr>, port: u16) -> Address {
    Address::Ip(SocketAddr::new(ip.into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ppp::v2::{Builder, Command, Protocol, Type, Version};

    fn ip(text: &str) -> Address {
        Address::Ip(text.parse().unwrap())
    }

    #[test]
    fn headers() {
        let two = |command, source: &str, destination: &str| {
            let source: SocketAddr = source.parse().unwrap();
            let destination: SocketAddr = destination.parse().unwrap();
            Builder::with_addresses(Version::Two | command, Protocol::Stream, (source, destination))
                .write_tlv(Type::NoOp, b"something")
                .unwrap()
                .build()
                .unwrap()
        };
        let four = Some((ip("192.0.2.1:1000"), ip("192.0.2.2:80")));
        let six = Some((ip("[2001:db8::1]:1000"), ip("[2001:db8::2]:80")));
        let table = [
            (
                b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n".to_vec(),
                four.clone(),
            ),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 80\r\n".to_vec(),
                six.clone(),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (two(Command::Proxy, "192.0.2.1:1000", "192.0.2.2:80"), four),
            (two(Command::Proxy, "[2001:db8::1]:1000", "[2001:db8::2]:80"), six),
            (two(Command::Local, "192.0.2.1:1000", "192.0.2.2:80"), None),
        ];
        for (header, expected) in table {
            let with_more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let (length, addresses) = judge(&with_more, false).unwrap().unwrap();
            assert_eq!((length, addresses), (header.len(), expected), "{header:?}");
            for some in 0..header.len() {
                let begun = &header[..some];
                assert!(judge(begun, false).is_none(), "{begun:?}");
                assert!(
                    judge(begun, true).is_some_and(|header| header.is_err()),
                    "{begun:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_none() {
        let endless = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PROXY TCP5 a b 1 2\r\n", &endless] {
            let judged = judge(bytes, false);
            assert!(judged.is_some_and(|header| header.is_err()), "{bytes:?}");
        }
    }
}
