//! The HTTP client, and its bounds.

use super::FetchError;
use super::error::explain;
use crate::code::source::is_loopback;
use crate::code::{CodeSource, FetchSettings, PluginSource};
use crate::tls::{ClientTls, ClientTlsSettings, HTTP_1};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{RequestBuilder, Response, Url};
use std::time::Duration;

/// A client for what one plugin needs.
pub(super) struct Client {
    client: reqwest::Client,
    place: CodeSource,
    limit: usize,
}

/// A server that does not answer at all is found out before the whole time is over.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

// === impl Client ===

impl Client {
    pub(super) fn new(source: &PluginSource, settings: &FetchSettings) -> Result<Self, FetchError> {
        let place = &source.source;
        let failed = |reason: String| FetchError::Client {
            place: place.clone(),
            reason,
        };
        let tls = ClientTls::load(ClientTlsSettings {
            ca: source.fetch.ca.clone(),
            ..ClientTlsSettings::default()
        });
        let tls = tls.map_err(|error| failed(error.to_string()))?;
        let (redirects, plain_http) = (settings.redirects, source.fetch.plain_http);
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.offering(&[HTTP_1]))
            .user_agent(concat!("proxywasm/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .referer(false)
            .redirect(Policy::custom(move |attempt| {
                follow(attempt, redirects, plain_http)
            }));
        // The proxy of the environment is for what is beyond this machine.
        if place.host().is_some_and(|host| is_loopback(&host)) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| failed(explain(error)))?;
        Ok(Self {
            client,
            place: place.clone(),
            limit: settings.code_bytes,
        })
    }

    /// How large code, and what it comes in, may be.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A request for a URL.
    pub(super) fn get(&self, url: &str) -> Result<RequestBuilder, FetchError> {
        Ok(self.client.get(self.url(url)?))
    }

    /// A form that is posted to a URL.
    pub(super) fn post(&self, url: Url, form: String) -> RequestBuilder {
        self.client
            .post(url)
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
    }

    pub(super) fn url(&self, url: &str) -> Result<Url, FetchError> {
        Url::parse(url).map_err(|error| self.failed(error.to_string()))
    }

    /// The head of the response, whatever its status.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, FetchError> {
        let sent = request.send().await;
        sent.map_err(|error| self.failed(explain(error)))
    }

    /// Only a response that says that all is well.
    pub(super) fn successful(&self, response: Response) -> Result<Response, FetchError> {
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(FetchError::Status {
                place: self.place.clone(),
                status,
            }),
        }
    }

    /// The whole body, of so many bytes at most.
    pub(super) async fn read(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, FetchError> {
        let too_large = || FetchError::TooLarge {
            place: self.place.clone(),
            limit,
        };
        let length = response.content_length().unwrap_or(0);
        if usize::try_from(length).is_ok_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| self.failed(explain(error)))? else {
                return Ok(body);
            };
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
    }

    pub(super) fn failed(&self, reason: impl Into<String>) -> FetchError {
        FetchError::Request {
            place: self.place.clone(),
            reason: reason.into(),
        }
    }
}

/// Whether to go where a server sends: never from TLS to plain HTTP. To another host, credentials are not taken along.
fn follow(attempt: Attempt<'_>, limit: usize, plain_http: bool) -> reqwest::redirect::Action {
    if attempt.previous().len() > limit {
        return attempt.error(format!("it sends elsewhere more than {limit} times"));
    }
    let was_tls = attempt.previous().iter().any(|url| url.scheme() == "https");
    let url = attempt.url();
    let host_is_loopback = url.host_str().is_some_and(is_loopback);
    match url.scheme() {
        "https" => attempt.follow(),
        "http" if !was_tls && (plain_http || host_is_loopback) => attempt.follow(),
        _ => attempt.error("it sends elsewhere, where there is no TLS"),
    }
}
