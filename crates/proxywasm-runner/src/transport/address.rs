//! Addresses of both kinds.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;

/// One end of a connection, or where it is listened for. As text `HOST:PORT`, or `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A UNIX socket; the path is empty where the end has no name, as the client's has not.
    Unix(PathBuf),
}

/// A text is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no address; write `IP:PORT` or `unix:/PATH`")]
pub struct AddressError(String);

// === impl Address ===

impl Address {
    /// The IP address and port, unless it is a UNIX socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path, if it is a UNIX socket that has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Ip(_) => None,
            Self::Unix(path) => (!path.as_os_str().is_empty()).then_some(path),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl From<std::os::unix::net::SocketAddr> for Address {
    fn from(address: std::os::unix::net::SocketAddr) -> Self {
        Self::Unix(address.as_pathname().map(Path::to_owned).unwrap_or_default())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(AddressError(text.to_owned())),
            None => text
                .parse()
                .map(Self::Ip)
                .map_err(|_| AddressError(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let table = [
            (
                "127.0.0.1:80",
                Some(Address::Ip(SocketAddr::from(([127, 0, 0, 1], 80)))),
            ),
            ("[::1]:0", Some(Address::Ip("[::1]:0".parse().unwrap()))),
            (
                "unix:/run/proxy.sock",
                Some(Address::Unix("/run/proxy.sock".into())),
            ),
            ("unix:proxy.sock", None),
            ("unix:", None),
            ("localhost:80", None),
            ("127.0.0.1", None),
        ];
        for (text, expected) in table {
            let address: Option<Address> = text.parse().ok();
            assert_eq!(address, expected, "{text}");
            let shown = address.map(|address| address.to_string());
            assert_eq!(shown.as_deref(), expected.map(|_| text), "{text}");
        }
    }
}
