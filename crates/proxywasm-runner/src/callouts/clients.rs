//! Clients for the calls of plugins: one of HTTP and one of gRPC for each server of an upstream, made when they are first needed.

use crate::tls::{ClientTls, HTTP_1, HTTP_2, TlsError};
use crate::upstream::{ConnectError, Endpoint, HttpTarget, UpstreamAddress, connect};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use thiserror::Error;
use wasi_grpc::backend::{Address, AddressError, GrpcClient};
use wasi_http::backend::{HttpClient, OriginError};

/// The clients for one server, as one worker has them.
#[derive(Default)]
pub(crate) struct Clients {
    /// With the TLS that it was made with.
    http: RefCell<Option<(HttpClient, Option<Arc<ClientConfig>>)>>,
    grpc: RefCell<Option<GrpcClient>>,
}

/// No client can be had for a server.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("`{0}` is no URI")]
    Uri(String),
    /// A URL has one host, which is the address and the name in the certificate.
    #[error(
        "the `server_name` of TLS is the IP address {0}, which HTTP calls cannot verify at another address"
    )]
    NameIsAddress(String),
}

/// Finds one server, whatever it is asked for.
struct Fixed {
    host: String,
    port: u16,
}

// === impl Clients ===

impl Clients {
    /// The client for HTTP calls. It is made again when certificates have changed.
    pub(super) fn http(&self, target: &HttpTarget) -> Result<HttpClient, ClientError> {
        let tls = target.endpoint.tls.as_ref().map(ClientTls::current);
        let mut place = self.http.borrow_mut();
        if let Some((client, made_with)) = &*place
            && made_with.as_ref().map(Arc::as_ptr) == tls.as_ref().map(Arc::as_ptr)
        {
            return Ok(client.clone());
        }
        let client = http_client(target)?;
        *place = Some((client.clone(), tls));
        Ok(client)
    }

    /// The client for gRPC calls. Its connections have the certificates of when they were made.
    pub(super) fn grpc(
        &self,
        target: &HttpTarget,
        authority: Option<String>,
    ) -> Result<GrpcClient, ClientError> {
        let mut place = self.grpc.borrow_mut();
        if let Some(client) = &*place {
            return Ok(client.clone());
        }
        let origin = target.origin();
        let address = Address {
            uri: origin.parse().map_err(|_| ClientError::Uri(origin))?,
            authority,
            connect_timeout: target.endpoint.connect_timeout,
        };
        let client = match is_plain_tcp(&target.endpoint) {
            true => GrpcClient::new(&address)?,
            false => {
                let endpoint = Arc::new(target.endpoint.clone());
                GrpcClient::with_connector(&address, move || http2(Arc::clone(&endpoint)))?
            }
        };
        Ok(place.insert(client).clone())
    }
}

fn is_plain_tcp(endpoint: &Endpoint) -> bool {
    endpoint.tls.is_none() && matches!(endpoint.address, UpstreamAddress::Host { .. })
}

fn http_client(target: &HttpTarget) -> Result<HttpClient, ClientError> {
    let endpoint = &target.endpoint;
    let mut builder = reqwest::Client::builder();
    if let UpstreamAddress::Unix(path) = &endpoint.address {
        builder = builder.unix_socket(path.as_path());
    }
    let Some(tls) = &endpoint.tls else {
        return Ok(HttpClient::without_tls(
            builder,
            &target.origin(),
            endpoint.connect_timeout,
        )?);
    };
    // reqwest asks for the name that the URL has, so the URL gets that of the certificate, wherever the server is.
    let name = tls.server_name(endpoint.host())?;
    let origin = match (&name, &endpoint.address) {
        (ServerName::DnsName(name), UpstreamAddress::Host { host, port }) => {
            builder = builder.dns_resolver(Arc::new(Fixed {
                host: host.clone(),
                port: *port,
            }));
            format!("https://{}:{port}", name.as_ref())
        }
        (ServerName::DnsName(name), UpstreamAddress::Unix(_)) => format!("https://{}", name.as_ref()),
        (_, UpstreamAddress::Host { host, .. }) if endpoint.host() == host && name == server_name(host)? => {
            target.origin()
        }
        (name, _) => return Err(ClientError::NameIsAddress(name.to_str().into_owned())),
    };
    let config = tls.offering(&[HTTP_1]);
    Ok(HttpClient::with(
        builder,
        config,
        &origin,
        endpoint.connect_timeout,
    )?)
}

fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::ServerName(host.to_owned()))
}

/// A connection on which HTTP/2 is spoken. Plugins are told what is wrong with it, but not where it would go.
async fn http2(endpoint: Arc<Endpoint>) -> io::Result<crate::transport::Stream> {
    let told = |error: ConnectError| {
        tracing::debug!("{error}");
        match error {
            ConnectError::Failed { error, .. } | ConnectError::Tls { error, .. } => error,
            ConnectError::Timeout { .. } => io::ErrorKind::TimedOut.into(),
            ConnectError::NoHttp2(_) | ConnectError::Speechless(_) => {
                io::Error::other("it does not speak HTTP/2")
            }
            ConnectError::NoPlace { .. } | ConnectError::TlsName { .. } | ConnectError::Unusable(_) => {
                io::Error::other("the connection cannot be used")
            }
        }
    };
    let (stream, _) = connect(&endpoint, &[HTTP_2], b"").await.map_err(told)?;
    if endpoint.tls.is_some() && stream.alpn() != Some(HTTP_2) {
        return Err(told(ConnectError::NoHttp2(endpoint.address.clone())));
    }
    Ok(stream)
}

// === impl Fixed ===

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let server = (self.host.clone(), self.port);
        Box::pin(async move {
            let addresses: Vec<_> = tokio::net::lookup_host(server).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
