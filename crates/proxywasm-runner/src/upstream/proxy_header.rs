//! The PROXY protocol to upstreams: the first bytes of a connection say whose it is.

use super::target::ProxyVersion;
use crate::transport::Address;
use ppp::{v1, v2};
use std::io;

/// The header for a client at `source` that has connected to `destination`. One over a UNIX socket has no address to tell.
pub(crate) fn proxy_header(
    version: ProxyVersion,
    source: &Address,
    destination: &Address,
) -> io::Result<Vec<u8>> {
    let both = source.ip().zip(destination.ip());
    match version {
        ProxyVersion::V1 => {
            let addresses = both.map_or(v1::Addresses::Unknown, Into::into);
            Ok(addresses.to_string().into_bytes())
        }
        ProxyVersion::V2 => {
            let command = match both {
                Some(_) => v2::Command::Proxy,
                None => v2::Command::Local,
            };
            let (addresses, protocol) = match both {
                Some(both) => (v2::Addresses::from(both), v2::Protocol::Stream),
                None => (v2::Addresses::Unspecified, v2::Protocol::Unspecified),
            };
            v2::Builder::with_addresses(v2::Version::Two | command, protocol, addresses).build()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let four = ("192.0.2.1:1000", "192.0.2.2:80");
        let table = [
            (
                ProxyVersion::V1,
                four,
                "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n",
            ),
            (
                ProxyVersion::V1,
                ("[2001:db8::1]:1000", "[2001:db8::2]:80"),
                "PROXY TCP6 2001:db8::1 2001:db8::2 1000 80\r\n",
            ),
            (ProxyVersion::V1, ("unix:/a", "unix:/b"), "PROXY UNKNOWN\r\n"),
            (
                ProxyVersion::V2,
                four,
                "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\u{c0}\0\x02\x01\u{c0}\0\x02\x02\x03\u{e8}\0\x50",
            ),
            (
                ProxyVersion::V2,
                ("unix:/a", "unix:/b"),
                "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
            ),
        ];
        for (version, (source, destination), expected) in table {
            let header = proxy_header(version, &source.parse().unwrap(), &destination.parse().unwrap());
            let expected: Vec<u8> = expected.chars().map(|byte| byte as u8).collect();
            assert_eq!(header.unwrap(), expected, "{version:?} {source}");
        }
    }
}
