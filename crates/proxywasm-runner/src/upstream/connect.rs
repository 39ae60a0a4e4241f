//! Connections to upstreams.

use super::target::{Endpoint, UpstreamAddress};
use crate::properties::UpstreamConnection;
use crate::tls::{ClientTls, TlsError, TlsSession};
use crate::transport::{Address, Socket, Stream};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

/// A server that is gone without a word is found out in four minutes, where nothing else waits for it.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(20));

/// No connection to an upstream can be had.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nothing answered in time.
    #[error("no connection to the upstream {upstream} within {} ms", limit.as_millis())]
    Timeout {
        /// Its address.
        upstream: UpstreamAddress,
        /// The time it had.
        limit: Duration,
    },
    /// Refused, unreachable, or of an unknown name.
    #[error("no connection to the upstream {upstream}: {error}")]
    Failed {
        /// Its address.
        upstream: UpstreamAddress,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It speaks no TLS, or shows a certificate that is not trusted, or does not trust this one.
    #[error("no connection to the upstream {upstream} by TLS: {error}")]
    Tls {
        /// Its address.
        upstream: UpstreamAddress,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The name that is to be asked for in TLS is none.
    #[error("no connection to the upstream {upstream} by TLS: {error}")]
    TlsName {
        /// Its address.
        upstream: UpstreamAddress,
        /// Why.
        #[source]
        error: Box<TlsError>,
    },
    /// There are as many connections as there may be.
    #[error(
        "no connection to the upstream {upstream}: there are as many as its `limits` allow, and none became free within {} ms",
        limit.as_millis()
    )]
    NoPlace {
        /// Its address.
        upstream: UpstreamAddress,
        /// How long it was waited.
        limit: Duration,
    },
    /// HTTP/2 was asked for, and the upstream has chosen another protocol.
    #[error("the upstream {0} does not speak HTTP/2: it did not choose it by ALPN")]
    NoHttp2(UpstreamAddress),
    /// It closed the connection before it said a word of HTTP/2.
    #[error("the upstream {0} speaks no HTTP/2: it closed the connection, or sent something else first")]
    Speechless(UpstreamAddress),
    /// The HTTP client refused the connection.
    #[error("the connection to the upstream cannot be used: {0}")]
    Unusable(#[source] hyper::Error),
}

/// Connects, trying each address of the host in turn. Over TLS, these protocols are offered by ALPN. What stands in `preamble` is sent
/// first, before TLS.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    alpn: &[&[u8]],
    preamble: &[u8],
) -> Result<(Stream, Arc<UpstreamConnection>), ConnectError> {
    let attempt = async {
        let (socket, address) = open(&endpoint.address, preamble).await?;
        let local = socket.local_address().ok();
        let stream = match &endpoint.tls {
            None => Stream::Plain(socket),
            // Boxed, for it is over soon.
            Some(tls) => Box::pin(shake_hands(endpoint, tls, alpn, socket)).await?,
        };
        let tls = match &stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(TlsSession::new(stream.get_ref().1, None)),
        };
        Ok((stream, Arc::new(UpstreamConnection { address, local, tls })))
    };
    let limit = endpoint.connect_timeout;
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| {
        Err(ConnectError::Timeout {
            upstream: endpoint.address.clone(),
            limit,
        })
    })
}

async fn open(upstream: &UpstreamAddress, preamble: &[u8]) -> Result<(Socket, Address), ConnectError> {
    let opened = async {
        let (mut socket, address) = match upstream {
            UpstreamAddress::Host { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
                let address = Address::Ip(stream.peer_addr()?);
                (Socket::Tcp(stream), address)
            }
            UpstreamAddress::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                (Socket::Unix(stream), Address::Unix(path.clone()))
            }
        };
        if !preamble.is_empty() {
            socket.write_all(preamble).await?;
        }
        Ok((socket, address))
    };
    opened.await.map_err(|error| ConnectError::Failed {
        upstream: upstream.clone(),
        error,
    })
}

async fn shake_hands(
    endpoint: &Endpoint,
    tls: &ClientTls,
    alpn: &[&[u8]],
    socket: Socket,
) -> Result<Stream, ConnectError> {
    let upstream = &endpoint.address;
    let name = tls
        .server_name(endpoint.host())
        .map_err(|error| ConnectError::TlsName {
            upstream: upstream.clone(),
            error: Box::new(error),
        })?;
    let connector = TlsConnector::from(Arc::new(tls.offering(alpn)));
    let connected = connector.connect(name, socket).await;
    let stream = connected.map_err(|error| ConnectError::Tls {
        upstream: upstream.clone(),
        error,
    })?;
    Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that one to a server that is gone without a word does not stay for ever.
    #[tokio::test]
    async fn connections_are_probed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::new(listener.local_addr().unwrap().into());
        let (stream, _) = connect(&endpoint, &[], b"").await.unwrap();
        let socket = SockRef::from(stream.socket());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(20));
    }
}
