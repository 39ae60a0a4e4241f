//! Where requests go: a server over HTTP/1.1, or the built-in echo.

mod body;
mod connect;
mod echo;
mod pool;

pub(crate) use body::{BoxError, RequestBody, ResponseBody, copy};
pub use connect::ConnectError;
pub(crate) use connect::connect;

use crate::properties::ConnectionProperties;
use http::{Request, Response, StatusCode};
use pool::Pool;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// How long a connection may take to be made unless configured otherwise.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a TCP connection may be idle unless configured otherwise.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Where what comes to a listener goes, and so what the listener speaks. In configuration `echo`, `http://HOST[:PORT]` or
/// `tcp://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTarget {
    /// The built-in upstream: a request without a body is answered with its head as text, another with its body.
    Echo,
    /// A server.
    Http(HttpTarget),
    /// A server that speaks anything over TCP: connections pass as bytes.
    Tcp(TcpTarget),
}

/// A server that speaks HTTP/1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
}

/// A server that speaks anything over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpTarget {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long nothing may come from either side before both connections are closed.
    pub idle_timeout: Duration,
}

/// A text is no upstream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no upstream: {reason}; write `echo`, `http://HOST[:PORT]` or `tcp://HOST:PORT`")]
pub struct TargetError {
    text: String,
    reason: &'static str,
}

/// No response can be had from the upstream.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It broke before a response head came.
    #[error(
        "the upstream closed the connection, or sent no HTTP, before its response head was complete: {0}"
    )]
    Exchange(#[source] hyper::Error),
    /// No response head came in time.
    #[error("the upstream has not begun a response within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// As many requests as it may have are under way, and as many as may wait for them wait.
    #[error("the upstream `{0}` has as many requests as its `limits` allow")]
    Overloaded(String),
    /// It has no server: none of its names could be resolved.
    #[error("the upstream `{0}` has no endpoint; its names could not be resolved")]
    NoEndpoint(String),
}

/// No response came to a request.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: UpstreamError,
    /// The request, if it can be sent again without harm: none of it was sent, or it is idempotent, its body can be had twice, and the
    /// connection closed before a response.
    pub(crate) again: Option<Request<RequestBody>>,
}

/// The upstream of a listener, as one worker has it.
pub(crate) enum Upstream {
    Echo,
    Http(Pool),
}

// === impl UpstreamTarget ===

impl FromStr for UpstreamTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = |reason| TargetError {
            text: text.to_owned(),
            reason,
        };
        if text == "echo" {
            return Ok(Self::Echo);
        }
        let uri: http::Uri = text.parse().map_err(|_| error("it is no URL"))?;
        match uri.scheme_str() {
            Some("http" | "tcp") => {}
            Some("https") => return Err(error("TLS to upstreams is not supported")),
            _ => return Err(error("it lacks the scheme `http://` or `tcp://`")),
        }
        if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/")) {
            return Err(error("it has a path, which nothing would come of"));
        }
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(error("it has a user name"));
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| error("it lacks a host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if uri.scheme_str() == Some("tcp") {
            return Ok(Self::Tcp(TcpTarget {
                host,
                port: uri.port_u16().ok_or_else(|| error("it lacks a port"))?,
                connect_timeout: DEFAULT_CONNECT_TIMEOUT,
                idle_timeout: DEFAULT_IDLE_TIMEOUT,
            }));
        }
        Ok(Self::Http(HttpTarget {
            host,
            port: uri.port_u16().unwrap_or(80),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        }))
    }
}

impl HttpTarget {
    /// The same at an address that its name has.
    pub(crate) fn at(&self, address: IpAddr) -> Self {
        Self {
            host: address.to_string(),
            ..self.clone()
        }
    }

    /// Its URL, without a path.
    pub(crate) fn origin(&self) -> String {
        UpstreamTarget::Http(self.clone()).to_string()
    }
}

impl fmt::Display for UpstreamTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Echo => return f.write_str("the built-in echo"),
            Self::Http(target) => ("http", &target.host, target.port),
            Self::Tcp(target) => ("tcp", &target.host, target.port),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

// === impl UpstreamError ===

impl UpstreamError {
    /// The status that the client gets for it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Connect(ConnectError::Timeout { .. }) | Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Connect(_) | Self::Exchange(_) => StatusCode::BAD_GATEWAY,
            Self::Overloaded(_) | Self::NoEndpoint(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the client is told of it; the log tells more.
    pub(crate) fn text(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::Timeout { .. }) => "the upstream could not be reached in time\n",
            Self::Timeout(_) => "the upstream did not respond in time\n",
            Self::Connect(_) | Self::Exchange(_) => "no response can be had from the upstream\n",
            Self::Overloaded(_) => "the upstream has too many requests\n",
            Self::NoEndpoint(_) => "the upstream has no server\n",
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// The server, or the built-in echo.
    pub(crate) fn new(target: Option<&HttpTarget>) -> Self {
        match target {
            None => Self::Echo,
            Some(target) => Self::Http(Pool::new(target.clone())),
        }
    }

    /// Sends a request and waits for the head of the response. To drop the future is to cancel the request.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
        client: Option<&ConnectionProperties>,
    ) -> Result<Response<ResponseBody>, Failed> {
        match self {
            Self::Echo => Ok(echo::respond(request).map(ResponseBody::Echo)),
            Self::Http(pool) => pool.send(request, client).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let http = |host: &str, port| {
            Some(UpstreamTarget::Http(HttpTarget {
                host: host.to_owned(),
                port,
                connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            }))
        };
        let tcp = |host: &str, port| {
            Some(UpstreamTarget::Tcp(TcpTarget {
                host: host.to_owned(),
                port,
                connect_timeout: DEFAULT_CONNECT_TIMEOUT,
                idle_timeout: DEFAULT_IDLE_TIMEOUT,
            }))
        };
        let table = [
            ("echo", Some(UpstreamTarget::Echo)),
            ("tcp://127.0.0.1:5432", tcp("127.0.0.1", 5432)),
            ("tcp://[::1]:6379", tcp("::1", 6379)),
            ("tcp://example.test", None),
            ("tcp://example.test:1/path", None),
            ("http://127.0.0.1:9000", http("127.0.0.1", 9000)),
            ("http://example.test/", http("example.test", 80)),
            ("http://[::1]:81", http("::1", 81)),
            ("https://example.test", None),
            ("http://example.test/path", None),
            ("http://user@example.test", None),
            ("127.0.0.1:9000", None),
            ("localhost", None),
            ("", None),
        ];
        for (text, expected) in table {
            let target: Option<UpstreamTarget> = text.parse().ok();
            assert_eq!(target, expected, "{text:?}");
            let shown = target.filter(|target| *target != UpstreamTarget::Echo);
            let again = shown.as_ref().map(|target| target.to_string().parse());
            assert_eq!(
                again.map(|target| target.ok()),
                shown.map(Some),
                "{text:?} as it is shown"
            );
        }
    }
}
