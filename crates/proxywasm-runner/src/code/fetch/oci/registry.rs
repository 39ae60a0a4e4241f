//! What is asked of a registry, and who asks.

use super::manifest::{ACCEPTED, Descriptor};
use super::{MANIFEST_BYTES, Received};
use crate::code::fetch::FetchError;
use crate::code::fetch::client::Client;
use crate::code::fetch::credentials::Identity;
use crate::code::reference::is_digest;
use crate::code::source::is_loopback;
use crate::code::{ImageReference, PluginSource, Sha256};
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use reqwest::{Response, Url};
use serde::Deserialize;

/// A registry, for one repository.
pub(super) struct Registry<'a> {
    client: &'a Client,
    source: &'a PluginSource,
    base: String,
    repository: &'a str,
    identity: Identity,
    /// What is said to the registry with each request, since it asked for it.
    access: Identity,
}

/// What the registry wants to be shown.
enum Challenge {
    /// User and password.
    Basic,
    /// A token that another server gives out.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// What that server answers.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

const TOKEN_BYTES: usize = 64 << 10;

// === impl Registry ===

impl<'a> Registry<'a> {
    pub(super) fn new(
        client: &'a Client,
        source: &'a PluginSource,
        image: &'a ImageReference,
        identity: Identity,
    ) -> Self {
        let scheme = if source.fetch.plain_http { "http" } else { "https" };
        let access = match &identity {
            Identity::Bearer(_) => identity.clone(),
            // Nothing is shown that was not asked for.
            _ => Identity::Nobody,
        };
        Self {
            client,
            source,
            base: format!("{scheme}://{}/v2/{}", image.server(), image.repository()),
            repository: image.repository(),
            identity,
            access,
        }
    }

    /// A manifest or an index, by tag or digest. It has to have the digest that is expected.
    pub(super) async fn manifest(
        &mut self,
        name: &str,
        expected: Option<&str>,
    ) -> Result<Received, FetchError> {
        let url = format!("{}/manifests/{name}", self.base);
        let response = self.get(&url, ACCEPTED).await?;
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let bytes = self.client.read(response, MANIFEST_BYTES).await?;
        let digest = format!("sha256:{}", Sha256::of(&bytes));
        match expected {
            Some(expected) => self.verify("manifest", expected, &digest)?,
            None => tracing::debug!(source = %self.source.source, digest, "the tag is of this image"),
        }
        Ok(Received {
            bytes,
            media_type,
            digest,
        })
    }

    /// What a descriptor describes.
    pub(super) async fn blob(&mut self, descriptor: &Descriptor) -> Result<Vec<u8>, FetchError> {
        if !is_digest(&descriptor.digest) {
            return Err(FetchError::Image {
                place: self.source.source.clone(),
                reason: format!(
                    "a layer has the digest `{}`, which is not of `sha256`",
                    descriptor.digest
                ),
            });
        }
        let url = format!("{}/blobs/{}", self.base, descriptor.digest);
        let limit = self.client.limit();
        if descriptor.size > limit as u64 {
            return Err(FetchError::TooLarge {
                place: self.source.source.clone(),
                limit,
            });
        }
        let response = self.get(&url, "*/*").await?;
        let bytes = self.client.read(response, limit).await?;
        self.verify(
            "layer",
            &descriptor.digest,
            &format!("sha256:{}", Sha256::of(&bytes)),
        )?;
        Ok(bytes)
    }

    async fn get(&mut self, url: &str, accept: &str) -> Result<Response, FetchError> {
        let request = self.client.get(url)?.header(ACCEPT, accept);
        let mut response = self.client.send(self.access.put_on(request)).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = Challenge::find(response.headers())
            && let Some(access) = self.meet(challenge).await?
        {
            self.access = access;
            let request = self.client.get(url)?.header(ACCEPT, accept);
            response = self.client.send(self.access.put_on(request)).await?;
        }
        self.client.successful(response)
    }

    /// What to show, if there is something that was not shown yet.
    async fn meet(&self, challenge: Challenge) -> Result<Option<Identity>, FetchError> {
        match challenge {
            Challenge::Basic => {
                let is_new = matches!(self.identity, Identity::User { .. }) && self.access != self.identity;
                Ok(is_new.then(|| self.identity.clone()))
            }
            // A token that was given counts, whatever else could be had.
            Challenge::Bearer { .. } if matches!(self.identity, Identity::Bearer(_)) => Ok(None),
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => {
                let url = self.realm(&realm)?;
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.repository));
                let token = self.token(url, service, scope).await?;
                Ok(Some(Identity::Bearer(token)))
            }
        }
    }

    /// The server that gives out tokens. It gets to see credentials, so that it has to have TLS where the registry has.
    fn realm(&self, realm: &str) -> Result<Url, FetchError> {
        let url = self.client.url(realm)?;
        let is_near = url.host_str().is_some_and(is_loopback);
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.source.fetch.plain_http || is_near => Ok(url),
            _ => Err(self
                .client
                .failed("the registry sends to a server of tokens that has no TLS")),
        }
    }

    async fn token(
        &self,
        mut url: Url,
        service: Option<String>,
        scope: String,
    ) -> Result<String, FetchError> {
        let mut pairs = vec![("scope", scope)];
        pairs.extend(service.map(|service| ("service", service)));
        let request = match &self.identity {
            Identity::Refresh(token) => {
                let given = [
                    ("grant_type", "refresh_token"),
                    ("client_id", "proxywasm"),
                    ("refresh_token", token),
                ];
                pairs.extend(given.map(|(name, value)| (name, value.to_owned())));
                // The form of a query is that of a form.
                let mut form = url.clone();
                form.set_query(None);
                form.query_pairs_mut().extend_pairs(&pairs);
                self.client.post(url, form.query().unwrap_or_default().to_owned())
            }
            identity => {
                url.query_pairs_mut().extend_pairs(&pairs);
                identity.put_on(self.client.get(url.as_str())?)
            }
        };
        let response = self.client.successful(self.client.send(request).await?)?;
        let answer = self.client.read(response, TOKEN_BYTES).await?;
        let answer: Option<TokenAnswer> = serde_json::from_slice(&answer).ok();
        let token = answer.and_then(|answer| answer.token.or(answer.access_token));
        token.ok_or_else(|| self.client.failed("the server of tokens gives none"))
    }

    fn verify(&self, what: &'static str, expected: &str, found: &str) -> Result<(), FetchError> {
        if expected == found {
            return Ok(());
        }
        Err(FetchError::Digest {
            place: self.source.source.clone(),
            what,
            expected: expected.to_owned(),
            found: found.to_owned(),
        })
    }
}

// === impl Challenge ===

impl Challenge {
    /// The one that is best met.
    fn find(headers: &HeaderMap) -> Option<Self> {
        let mut best = None;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let challenges = value
                .to_str()
                .ok()
                .and_then(|text| http_auth::parse_challenges(text).ok());
            for challenge in challenges.unwrap_or_default() {
                let parameter = |name: &str| {
                    let mut all = challenge.params.iter();
                    let found = all.find(|(other, _)| other.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    return Some(Self::Bearer {
                        realm,
                        service: parameter("service"),
                        scope: parameter("scope"),
                    });
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    best = Some(Self::Basic);
                }
            }
        }
        best
    }
}
