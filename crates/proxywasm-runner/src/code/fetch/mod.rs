//! Code from servers and registries.
//!
//! What is pinned, by its SHA-256 or by the digest of its image, is fetched once and found in the [`Store`] from then on. What is not is
//! asked for each time, and transferred if it has changed.

mod client;
mod credentials;
mod error;
mod oci;
mod store;

pub use error::FetchError;

use super::{CodeSource, CodeUrl, FetchSettings, PluginSource, Sha256};
use client::Client;
use http::StatusCode;
use http::header::{ETAG, IF_NONE_MATCH};
use std::collections::HashMap;
use std::sync::Arc;
use store::Store;
use tokio::task::JoinSet;

/// What a server said.
enum Fetched {
    /// The code, and by what to tell whether it has changed.
    New {
        code: Vec<u8>,
        validator: Option<String>,
    },
    /// It is what was fetched last.
    Unchanged,
}

/// What all that is fetched at once shares.
struct Fetcher {
    settings: FetchSettings,
    store: Store,
}

type Code = Result<Arc<Vec<u8>>, FetchError>;

/// Fetches the code of plugins at the same time, what several have only once.
pub(super) fn fetch_all(
    sources: &[&PluginSource],
    settings: &FetchSettings,
) -> Vec<Result<Vec<u8>, FetchError>> {
    if sources.is_empty() {
        return Vec::new();
    }
    // A thread of its own, for the caller's may be driving a runtime already.
    let fetched = std::thread::scope(|scope| {
        let fetching = scope.spawn(|| fetch_distinct(sources, settings));
        let panicked = |_| Err(FetchError::Runtime("its thread panicked".to_owned()));
        fetching.join().unwrap_or_else(panicked)
    });
    let codes = sources.iter().map(|source| match &fetched {
        Ok(fetched) => match fetched.get(*source) {
            Some(code) => code.clone().map(|code| code.to_vec()),
            None => Err(FetchError::Runtime("its task panicked".to_owned())),
        },
        Err(error) => Err(error.clone()),
    });
    codes.collect()
}

fn fetch_distinct(
    sources: &[&PluginSource],
    settings: &FetchSettings,
) -> Result<HashMap<PluginSource, Code>, FetchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| FetchError::Runtime(error.to_string()))?;
    let fetcher = Arc::new(Fetcher {
        settings: settings.clone(),
        store: Store::open(settings)?,
    });
    let fetched = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let mut fetched = HashMap::new();
        for source in sources {
            let panicked = Err(FetchError::Runtime("its task panicked".to_owned()));
            if fetched.insert(PluginSource::clone(source), panicked).is_none() {
                let (fetcher, source) = (Arc::clone(&fetcher), PluginSource::clone(source));
                tasks.spawn(async move {
                    let code = fetcher.code(&source).await;
                    (source, code.map(Arc::new))
                });
            }
        }
        while let Some(done) = tasks.join_next().await {
            fetched.extend(done.ok());
        }
        fetched
    });
    // A name that is still being looked up keeps nobody waiting.
    runtime.shutdown_background();
    Ok(fetched)
}

// === impl Fetcher ===

impl Fetcher {
    async fn code(&self, source: &PluginSource) -> Result<Vec<u8>, FetchError> {
        let place = &source.source;
        if let Some(code) = source.sha256.and_then(|digest| self.store.code(digest)) {
            return Ok(code);
        }
        let key = Sha256::of(place.identity().as_bytes());
        let known = self.store.known(key).filter(|known| {
            // What is pinned and was not found is another.
            source.sha256.is_none_or(|pinned| pinned == known.sha256)
        });
        let is_immutable = matches!(place, CodeSource::Oci(image) if image.digest().is_some());
        if let Some(known) = &known
            && (is_immutable || self.settings.offline)
        {
            return Ok(known.code.clone());
        }
        if self.settings.offline {
            return Err(FetchError::Offline(place.clone()));
        }
        let validator = known.as_ref().and_then(|known| known.validator.as_deref());
        let limit = self.settings.timeout;
        let fetched = tokio::time::timeout(limit, self.fetch(source, validator)).await;
        let place = || place.clone();
        let fetched = fetched.unwrap_or_else(|_| {
            Err(FetchError::Timeout {
                place: place(),
                limit,
            })
        });
        match (fetched, known) {
            (Ok(Fetched::New { code, validator }), _) => {
                let sha256 = Sha256::of(&code);
                tracing::info!(source = %place(), %sha256, bytes = code.len(), "fetched the code of a plugin");
                source.verify(&code)?;
                self.store.put(key, sha256, &code, validator);
                Ok(code)
            }
            (Ok(Fetched::Unchanged), Some(known)) => Ok(known.code),
            (Ok(Fetched::Unchanged), None) => Err(FetchError::Request {
                place: place(),
                reason: "the server says that it has not changed, which nobody asked".to_owned(),
            }),
            (Err(error), Some(known)) if source.fetch.use_cached => {
                tracing::warn!(sha256 = %known.sha256, "{error}; what was fetched last is used");
                Ok(known.code)
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn fetch(&self, source: &PluginSource, validator: Option<&str>) -> Result<Fetched, FetchError> {
        let client = Client::new(source, &self.settings)?;
        match &source.source {
            CodeSource::Url(url) => from_url(&client, source, url, validator).await,
            CodeSource::Oci(image) => oci::pull(&client, source, image, &self.settings, validator).await,
            // Files are none of this.
            CodeSource::File(_) => Err(FetchError::Offline(source.source.clone())),
        }
    }
}

async fn from_url(
    client: &Client,
    source: &PluginSource,
    url: &CodeUrl,
    validator: Option<&str>,
) -> Result<Fetched, FetchError> {
    if url.is_exposed() && !source.fetch.plain_http {
        return Err(FetchError::PlainHttp(source.source.clone()));
    }
    let identity = credentials::configured(source)?;
    let mut request = identity.put_on(client.get(url.as_str())?);
    if let Some(validator) = validator {
        request = request.header(IF_NONE_MATCH, validator);
    }
    let response = client.send(request).await?;
    if response.status() == StatusCode::NOT_MODIFIED && validator.is_some() {
        return Ok(Fetched::Unchanged);
    }
    let response = client.successful(response)?;
    let validator = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    let validator = validator.map(str::to_owned);
    let code = client.read(response, client.limit()).await?;
    Ok(Fetched::New { code, validator })
}
