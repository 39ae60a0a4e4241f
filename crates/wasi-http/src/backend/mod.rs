//! Callouts over HTTP/1.1 with reqwest, with feature `reqwest`.
//!
//! The request goes out as the plugin gave it: no redirect is followed, no proxy of the environment used, nothing cached, decoded or
//! tried again. The address is the upstream's and the `host` header the request's `:authority`, whatever that is. Headers of a
//! connection (`connection`, `transfer-encoding` and the like) are the client's own, and reqwest adds `accept: */*` where there is no
//! `accept`. Trailers are sent, and make the body chunked.
//!
//! It speaks HTTP/1.1 only: over HTTP/2 the authority could not differ from the address. [`HttpClient::new`] speaks it over TCP;
//! [`HttpClient::with`] takes what else reqwest knows: TLS, UNIX sockets, other names.
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//! use wasi_http::backend::HttpClient;
//! use wasi_http::{CallEvent, CallRequest};
//!
//! # async fn example(request: CallRequest) -> Result<(), Box<dyn std::error::Error>> {
//! let upstream = HttpClient::new("http://127.0.0.1:9000", Duration::from_secs(5))?;
//! let mut exchange = upstream.call(request);
//! // Nothing is read ahead of what is asked for; to drop the exchange is to cancel it.
//! while let Some(event) = exchange.next().await {
//!     match event {
//!         CallEvent::Headers(headers) => println!("{:?}", headers.get(b":status")),
//!         CallEvent::Body(data) => println!("{} bytes", data.len()),
//!         CallEvent::Trailers(_) | CallEvent::End => println!("complete"),
//!         CallEvent::Failed(reason) => println!("failed: {reason}"),
//!         CallEvent::TimedOut(_) => println!("told by who keeps the time"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod request;

use crate::calls::{CallEvent, CallRequest};
use http_body_util::BodyExt;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, ClientBuilder, Url};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use wasi_common::stream::MapSource;
use wasi_common::{ByteMap, CalloutFault};

/// The connections to one upstream. To be made and used within one tokio runtime, which drives them.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    origin: Url,
}

/// A text is no origin that callouts can be sent to, or no client can be made for it.
#[derive(Debug, Error)]
pub enum OriginError {
    /// It is no URL.
    #[error("`{text}` is no URL: {reason}; write `http://HOST[:PORT]`")]
    NoUrl {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is a URL, but not only of scheme, host and port.
    #[error("`{text}` is no address of a server: {reason}; write `http://HOST[:PORT]`")]
    NoOrigin {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// TLS cannot be had.
    #[error("no HTTP client can be made: {0}")]
    Tls(#[from] rustls::Error),
    /// The client cannot be made.
    #[error("no HTTP client can be made: {0}")]
    Client(#[source] reqwest::Error),
}

/// A request that was sent, and its answer as it comes.
pub struct Exchange {
    stage: Stage,
    fault: Option<CalloutFault>,
}

enum Stage {
    Sending(Pin<Box<dyn Future<Output = Result<reqwest::Response, reqwest::Error>> + Send>>),
    Receiving(Box<Body>),
    Refused(String),
    Over,
}

// === impl HttpClient ===

impl HttpClient {
    /// A client for the server at `origin`, which is `http://HOST[:PORT]`. A connection that is not there within `connect_timeout`
    /// fails the call.
    ///
    /// # Errors
    /// The origin is none.
    pub fn new(origin: &str, connect_timeout: Duration) -> Result<Self, OriginError> {
        Self::without_tls(Client::builder(), origin, connect_timeout)
    }

    /// A client whose connections are made as a builder says, without TLS.
    ///
    /// # Errors
    /// The origin is none, or one of TLS, or what the builder says cannot be had.
    pub fn without_tls(
        builder: ClientBuilder,
        origin: &str,
        connect_timeout: Duration,
    ) -> Result<Self, OriginError> {
        if origin.starts_with("https:") {
            return Err(OriginError::NoOrigin {
                text: origin.to_owned(),
                reason: "TLS has to be configured",
            });
        }
        Self::with(builder, nobody_trusted()?, origin, connect_timeout)
    }

    /// A client whose connections are made as a builder says, and with this TLS where the origin is `https://HOST[:PORT]`. What would
    /// change a request is turned off, whatever the builder says.
    ///
    /// # Errors
    /// The origin is none, or what the builder says cannot be had.
    pub fn with(
        builder: ClientBuilder,
        tls: ClientConfig,
        origin: &str,
        connect_timeout: Duration,
    ) -> Result<Self, OriginError> {
        let origin = parse_origin(origin)?;
        let client = builder
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(connect_timeout)
            .build()
            .map_err(OriginError::Client)?;
        Ok(Self { client, origin })
    }

    /// Sends a request. Whoever asks keeps the time; [`CallRequest::timeout`] is not looked at.
    pub fn call(&self, request: CallRequest) -> Exchange {
        Exchange {
            stage: match request::convert(&self.origin, request) {
                Ok(request) => Stage::Sending(Box::pin(self.client.execute(request))),
                Err(reason) => Stage::Refused(reason),
            },
            fault: None,
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// What comes next; nothing after the trailers, the end or a failure. A future that is dropped loses nothing.
    pub async fn next(&mut self) -> Option<CallEvent> {
        let event = match &mut self.stage {
            Stage::Sending(sending) => match sending.await {
                Ok(response) => {
                    let (head, body) = http::Response::from(response).into_parts();
                    self.stage = Stage::Receiving(Box::new(body));
                    return Some(CallEvent::Headers(map_of(&head)));
                }
                Err(error) => {
                    self.fault = Some(fault(&error));
                    CallEvent::Failed(explain(&error))
                }
            },
            Stage::Receiving(body) => loop {
                match body.frame().await {
                    None => break CallEvent::End,
                    Some(Err(error)) => {
                        self.fault = Some(CalloutFault::Broken);
                        break CallEvent::Failed(explain(&error));
                    }
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => return Some(CallEvent::Body(data)),
                        Err(frame) => {
                            if let Ok(trailers) = frame.into_trailers() {
                                break CallEvent::Trailers(map_of(&trailers));
                            }
                        }
                    },
                }
            },
            Stage::Refused(reason) => {
                self.fault = Some(CalloutFault::Unsendable);
                CallEvent::Failed(std::mem::take(reason))
            }
            Stage::Over => return None,
        };
        self.stage = Stage::Over;
        Some(event)
    }

    /// What was in the way, once it has failed.
    pub fn fault(&self) -> Option<CalloutFault> {
        self.fault
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.stage {
            Stage::Sending(_) => "Exchange(sending)",
            Stage::Receiving(_) => "Exchange(receiving)",
            Stage::Refused(_) => "Exchange(refused)",
            Stage::Over => "Exchange(over)",
        })
    }
}

fn parse_origin(text: &str) -> Result<Url, OriginError> {
    let no_origin = |reason| OriginError::NoOrigin {
        text: text.to_owned(),
        reason,
    };
    let url = Url::parse(text).map_err(|error| OriginError::NoUrl {
        text: text.to_owned(),
        reason: error.to_string(),
    })?;
    match url.scheme() {
        "http" | "https" => {}
        _ => return Err(no_origin("its scheme is neither `http` nor `https`")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(no_origin("it has a user name"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(no_origin("it has a path; requests bring theirs"));
    }
    Ok(url)
}

/// For who speaks no TLS. Without any, reqwest would ask the process for a provider of cryptography, and panic if it has none.
fn nobody_trusted() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn map_of(source: &impl MapSource) -> ByteMap {
    let mut map = ByteMap::new();
    source.fill(&mut map);
    map
}

fn fault(error: &reqwest::Error) -> CalloutFault {
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => CalloutFault::ConnectTimeout,
        (true, false) => CalloutFault::Connect,
        (false, _) => CalloutFault::Broken,
    }
}

/// What went wrong, without the address, which is not the plugin's business.
fn explain(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_connect() {
        "no connection to the upstream"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "no answer from the upstream"
    };
    // An error without a cause would tell its address.
    if error.source().is_none() {
        what.to_owned()
    } else {
        format!("{what}: {cause}")
    }
}
