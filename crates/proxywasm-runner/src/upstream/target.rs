//! What upstreams are called and how they are spoken to.

use super::patience::ResponseTimeouts;
use crate::tls::{ClientTls, ClientTlsSettings};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// How long a connection may take to be made unless configured otherwise.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a TCP connection may be idle unless configured otherwise.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Where what comes to a listener goes, and so what the listener speaks.
///
/// As text an [`UpstreamUrl`]. One of TLS trusts the authorities that the system trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// The built-in upstream: a request without a body is answered with its head as text, another with its body.
    Echo,
    /// A server of HTTP.
    Http(HttpTarget),
    /// A server that speaks anything over TCP or a UNIX socket: connections pass as bytes.
    Tcp(TcpTarget),
}

/// A server that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The version of HTTP that it gets.
    pub protocol: HttpProtocol,
    /// How long it may take for a response.
    pub timeouts: ResponseTimeouts,
}

/// The version of HTTP that an upstream gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpProtocol {
    /// Over TLS what it chooses by ALPN, HTTP/2 or HTTP/1.1; without TLS HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS with prior knowledge, which is called h2c.
    Http2,
}

/// A server that speaks anything over TCP or a UNIX socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpTarget {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How long nothing may come from either side before both connections are closed.
    pub idle_timeout: Duration,
    /// Whether it is told by the PROXY protocol who the client is.
    pub proxy_protocol: Option<ProxyVersion>,
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    /// The one of text.
    V1,
    /// The one of bytes.
    V2,
}

/// Where a server is, and how it is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: UpstreamAddress,
    /// The name that the address was found by, if it was.
    pub name: Option<String>,
    /// The TLS that it speaks, if it does.
    pub tls: Option<ClientTls>,
    /// How long a connection may take to be made, with TLS, and over HTTP/2 with the settings of the server.
    pub connect_timeout: Duration,
}

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A name or an IP address, without brackets, and a port.
    Host {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A UNIX socket.
    Unix(PathBuf),
}

/// The text that names an upstream: `echo`, or a URL of scheme and address. The scheme is `http` or `https` for HTTP, `tcp` or `tls` for
/// bytes; the address `HOST[:PORT]`, or `unix:/PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamUrl {
    /// The built-in upstream.
    Echo,
    /// `http://` or `https://`.
    Http {
        /// Where it is.
        address: UpstreamAddress,
        /// Whether over TLS.
        tls: bool,
    },
    /// `tcp://` or `tls://`.
    Tcp {
        /// Where it is.
        address: UpstreamAddress,
        /// Whether over TLS.
        tls: bool,
    },
}

/// A text is no upstream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{text}` is no upstream: {reason}; write `echo`, `http://HOST[:PORT]` or `tcp://HOST:PORT`, with `https` or `tls` for TLS, and \
     `unix:/PATH` in the place of the host for a UNIX socket"
)]
pub struct TargetError {
    text: String,
    reason: String,
}

// === impl UpstreamUrl ===

impl UpstreamUrl {
    /// Whether it is one of TLS.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Echo => false,
            Self::Http { tls, .. } | Self::Tcp { tls, .. } => *tls,
        }
    }

    /// The target, with this TLS if it is one of TLS, and default times.
    pub fn target(self, tls: Option<ClientTls>) -> UpstreamTarget {
        let tls = tls.filter(|_| self.is_tls());
        let endpoint = |address| Endpoint {
            tls,
            ..Endpoint::new(address)
        };
        match self {
            Self::Echo => UpstreamTarget::Echo,
            Self::Http { address, .. } => UpstreamTarget::Http(HttpTarget::new(endpoint(address))),
            Self::Tcp { address, .. } => UpstreamTarget::Tcp(TcpTarget {
                endpoint: endpoint(address),
                idle_timeout: DEFAULT_IDLE_TIMEOUT,
                proxy_protocol: None,
            }),
        }
    }
}

impl FromStr for UpstreamUrl {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = |reason: &str| TargetError {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text == "echo" {
            return Ok(Self::Echo);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some(split) => split,
            None if text.starts_with("unix:") => ("http", text),
            None => return Err(error("it lacks the scheme `http://` or `tcp://`")),
        };
        let (tls, default_port) = match scheme {
            "http" => (false, Some(80)),
            "https" => (true, Some(443)),
            "tcp" => (false, None),
            "tls" => (true, None),
            _ => return Err(error("it lacks the scheme `http://` or `tcp://`")),
        };
        let address = match rest.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => UpstreamAddress::Unix(path.into()),
            Some(_) => return Err(error("the path of a UNIX socket has to be absolute")),
            None => host_and_port(text, default_port).map_err(error)?,
        };
        Ok(match scheme {
            "http" | "https" => Self::Http { address, tls },
            _ => Self::Tcp { address, tls },
        })
    }
}

fn host_and_port(text: &str, default_port: Option<u16>) -> Result<UpstreamAddress, &'static str> {
    let uri: http::Uri = text.parse().map_err(|_| "it is no URL")?;
    if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/")) {
        return Err("it has a path, which nothing would come of");
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err("it has a user name");
    }
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or("it lacks a host")?;
    Ok(UpstreamAddress::Host {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: uri.port_u16().or(default_port).ok_or("it lacks a port")?,
    })
}

// === impl UpstreamTarget ===

impl UpstreamTarget {
    /// Where it is, unless it is built in.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Echo => None,
            Self::Http(target) => Some(&target.endpoint),
            Self::Tcp(target) => Some(&target.endpoint),
        }
    }
}

impl FromStr for UpstreamTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let url: UpstreamUrl = text.parse()?;
        let tls = url
            .is_tls()
            .then(|| ClientTls::load(ClientTlsSettings::default()));
        let tls = tls.transpose().map_err(|error| TargetError {
            text: text.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(url.target(tls))
    }
}

impl fmt::Display for UpstreamTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, endpoint) = match self {
            Self::Echo => return f.write_str("the built-in echo"),
            Self::Http(target) if target.endpoint.tls.is_some() => ("https", &target.endpoint),
            Self::Http(target) => ("http", &target.endpoint),
            Self::Tcp(target) if target.endpoint.tls.is_some() => ("tls", &target.endpoint),
            Self::Tcp(target) => ("tcp", &target.endpoint),
        };
        write!(f, "{scheme}://{}", endpoint.address)
    }
}

// === impl HttpTarget ===

impl HttpTarget {
    /// One that gets any version of HTTP, and may take the default times.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            protocol: HttpProtocol::default(),
            timeouts: ResponseTimeouts::default(),
        }
    }

    /// The same at an address that its name has.
    pub(crate) fn at(&self, address: IpAddr) -> Self {
        let mut target = self.clone();
        if let UpstreamAddress::Host { host, .. } = &mut target.endpoint.address {
            let name = std::mem::replace(host, address.to_string());
            target.endpoint.name.get_or_insert(name);
        }
        target
    }

    /// What requests to it name where nothing else is said.
    pub(crate) fn authority(&self) -> String {
        let origin = self.origin();
        let authority = origin
            .split_once("://")
            .map(|(_, authority)| authority.to_owned());
        authority.unwrap_or(origin)
    }

    /// What an HTTP client calls it: its URL, without a path. One behind a UNIX socket is called `localhost`.
    pub(crate) fn origin(&self) -> String {
        let scheme = match self.endpoint.tls {
            Some(_) => "https",
            None => "http",
        };
        match &self.endpoint.address {
            UpstreamAddress::Host { .. } => format!("{scheme}://{}", self.endpoint.address),
            UpstreamAddress::Unix(_) => format!("{scheme}://localhost"),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// One without TLS, and with the default time to connect.
    pub fn new(address: UpstreamAddress) -> Self {
        Self {
            address,
            name: None,
            tls: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        }
    }

    /// The host, as it is named in TLS.
    pub(crate) fn host(&self) -> &str {
        match (&self.name, &self.address) {
            (Some(name), _) => name,
            (None, UpstreamAddress::Host { host, .. }) => host,
            (None, UpstreamAddress::Unix(_)) => "localhost",
        }
    }

    /// The name and port that have to be resolved before it is connected to, if it has one.
    pub(crate) fn to_resolve(&self) -> Option<(&str, u16)> {
        match &self.address {
            UpstreamAddress::Host { host, port } if host.parse::<IpAddr>().is_err() => Some((host, *port)),
            _ => None,
        }
    }
}

// === impl UpstreamAddress ===

impl From<std::net::SocketAddr> for UpstreamAddress {
    fn from(address: std::net::SocketAddr) -> Self {
        Self::Host {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let host = |host: &str, port| UpstreamAddress::Host {
            host: host.to_owned(),
            port,
        };
        let unix = |path: &str| UpstreamAddress::Unix(path.into());
        let http = |address, tls| Some(UpstreamUrl::Http { address, tls });
        let tcp = |address, tls| Some(UpstreamUrl::Tcp { address, tls });
        let table = [
            ("echo", Some(UpstreamUrl::Echo)),
            ("tcp://127.0.0.1:5432", tcp(host("127.0.0.1", 5432), false)),
            ("tcp://[::1]:6379", tcp(host("::1", 6379), false)),
            ("tls://example.test:6380", tcp(host("example.test", 6380), true)),
            ("tcp://unix:/run/db", tcp(unix("/run/db"), false)),
            ("tcp://example.test", None),
            ("tls://example.test", None),
            ("tcp://example.test:1/path", None),
            ("http://127.0.0.1:9000", http(host("127.0.0.1", 9000), false)),
            ("http://example.test/", http(host("example.test", 80), false)),
            ("http://[::1]:81", http(host("::1", 81), false)),
            ("https://example.test", http(host("example.test", 443), true)),
            (
                "https://example.test:8443",
                http(host("example.test", 8443), true),
            ),
            ("unix:/run/app.sock", http(unix("/run/app.sock"), false)),
            ("http://unix:/run/app.sock", http(unix("/run/app.sock"), false)),
            ("https://unix:/run/app.sock", http(unix("/run/app.sock"), true)),
            ("unix:app.sock", None),
            ("http://example.test/path", None),
            ("http://user@example.test", None),
            ("ftp://example.test", None),
            ("127.0.0.1:9000", None),
            ("localhost", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn shown_as_they_are_written() {
        for text in [
            "tcp://[::1]:6379",
            "http://127.0.0.1:9000",
            "http://unix:/run/app.sock",
        ] {
            let target: UpstreamTarget = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
    }
}
