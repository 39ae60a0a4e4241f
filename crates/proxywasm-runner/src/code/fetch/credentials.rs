//! Who asks for code.

use super::FetchError;
use crate::code::{CodeSource, Credentials, FetchSettings, ImageReference, PluginSource, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::io;

/// Who asks.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) enum Identity {
    #[default]
    Nobody,
    User {
        name: String,
        password: String,
    },
    /// Who has this token, for the registry itself.
    Bearer(String),
    /// Who has this token, for the server that gives out tokens.
    Refresh(String),
}

/// The file in which Docker keeps credentials, as far as it is of use here.
#[derive(Deserialize, Default)]
struct DockerConfig {
    #[serde(default)]
    auths: HashMap<String, DockerAuth>,
    #[serde(default, rename = "credHelpers")]
    helpers: HashMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize, Default)]
struct DockerAuth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(rename = "identitytoken")]
    identity_token: Option<String>,
    #[serde(rename = "registrytoken")]
    registry_token: Option<String>,
}

/// Under what the file of Docker has Docker Hub.
const DOCKER_HUB_KEY: &str = "index.docker.io";

/// Who the configuration says.
pub(super) fn configured(source: &PluginSource) -> Result<Identity, FetchError> {
    let read = |secret| read(&source.source, secret);
    Ok(match &source.fetch.credentials {
        Credentials::Default => Identity::Nobody,
        Credentials::Password { user, password } => Identity::User {
            name: user.clone(),
            password: read(password)?,
        },
        Credentials::Token(token) => Identity::Bearer(read(token)?),
    })
}

/// Who the configuration says, or else the file of Docker.
pub(super) fn for_registry(
    source: &PluginSource,
    image: &ImageReference,
    settings: &FetchSettings,
) -> Result<Identity, FetchError> {
    let Some(path) = settings.docker_config.as_ref() else {
        return configured(source);
    };
    if source.fetch.credentials != Credentials::Default {
        return configured(source);
    }
    let failed = |reason: String| FetchError::Credentials {
        place: source.source.clone(),
        reason: format!("{}: {reason}", path.display()),
    };
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Identity::Nobody),
        Err(error) => return Err(failed(error.to_string())),
    };
    // An error of the parser may quote what is in it.
    let config: DockerConfig = serde_json::from_slice(&content)
        .map_err(|_| failed("it is no configuration of Docker".to_owned()))?;
    config.identity(image).map_err(failed)
}

fn read(place: &CodeSource, secret: &Secret) -> Result<String, FetchError> {
    let failed = |reason: String| FetchError::Credentials {
        place: place.clone(),
        reason,
    };
    match secret {
        Secret::Environment(name) => std::env::var(name).map_err(|_| {
            failed(format!(
                "the environment variable `{name}` of its credentials is not set"
            ))
        }),
        Secret::File(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| {
                failed(format!(
                    "cannot read {} of its credentials: {error}",
                    path.display()
                ))
            })?;
            Ok(text.trim_end().to_owned())
        }
    }
}

// === impl Identity ===

impl Identity {
    /// Says who asks.
    pub(super) fn put_on(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::User { name, password } => request.basic_auth(name, Some(password)),
            Self::Bearer(token) => request.bearer_auth(token),
            Self::Nobody | Self::Refresh(_) => request,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::User { .. } => "User",
            Self::Bearer(_) => "Bearer",
            Self::Refresh(_) => "Refresh",
        })
    }
}

// === impl DockerConfig ===

impl DockerConfig {
    /// Who it has for a repository: the entry with the longest name that the repository begins with.
    fn identity(&self, image: &ImageReference) -> Result<Identity, String> {
        let registry = match image.registry() {
            "docker.io" => DOCKER_HUB_KEY,
            registry => registry,
        };
        let whole = format!("{registry}/{}", image.repository());
        let fits = |key: &str| {
            let rest = whole.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fitting = self.auths.iter().map(|(key, auth)| (bare(key), auth));
        let fitting = fitting.filter(|(key, _)| fits(key));
        let best = fitting.max_by_key(|(key, _)| key.len());
        match best {
            Some((key, auth)) if !auth.is_empty() => auth
                .identity()
                .ok_or_else(|| format!("its entry of `{key}` is none")),
            _ => {
                let helper = self.helpers.get(registry).or(self.store.as_ref());
                if let Some(helper) = helper {
                    tracing::warn!(
                        registry,
                        "Docker keeps its credentials in `docker-credential-{helper}`, which is not asked; give `credentials`"
                    );
                }
                Ok(Identity::Nobody)
            }
        }
    }
}

/// A key without scheme and version of the interface, which older versions of Docker wrote.
fn bare(key: &str) -> &str {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1")
        .or_else(|| key.strip_suffix("/v2"))
        .unwrap_or(key)
}

// === impl DockerAuth ===

impl DockerAuth {
    /// As entries are whose credentials are in a helper.
    fn is_empty(&self) -> bool {
        let all = [
            &self.auth,
            &self.username,
            &self.identity_token,
            &self.registry_token,
        ];
        all.iter()
            .all(|field| field.as_ref().is_none_or(String::is_empty))
    }

    fn identity(&self) -> Option<Identity> {
        let given = |field: &Option<String>| field.clone().filter(|field| !field.is_empty());
        if let Some(token) = given(&self.registry_token) {
            return Some(Identity::Bearer(token));
        }
        if let Some(token) = given(&self.identity_token) {
            return Some(Identity::Refresh(token));
        }
        if let Some(name) = given(&self.username) {
            let password = self.password.clone().unwrap_or_default();
            return Some(Identity::User { name, password });
        }
        let pair = STANDARD.decode(self.auth.as_ref()?.trim()).ok()?;
        let pair = String::from_utf8(pair).ok()?;
        let (name, password) = pair.split_once(':')?;
        Some(Identity::User {
            name: name.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_docker() {
        let user = |name: &str| Identity::User {
            name: name.to_owned(),
            password: "p:w".to_owned(),
        };
        let auth = |name: &str| format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(format!("{name}:p:w")));
        let of = |key: &str, entry: &str| format!(r#"{{"auths":{{"{key}":{entry}}}}}"#);
        let table = [
            (of("a.test", &auth("u")), "a.test/p", Some(user("u"))),
            (of("https://a.test/v2/", &auth("u")), "a.test/p", Some(user("u"))),
            (of("a.test/q", &auth("u")), "a.test/q/p", Some(user("u"))),
            (of("a.test/q", &auth("u")), "a.test/qq/p", Some(Identity::Nobody)),
            (of("a.test:5000", &auth("u")), "a.test:5000/p", Some(user("u"))),
            (of("a.test:5000", &auth("u")), "a.test/p", Some(Identity::Nobody)),
            (
                of("https://index.docker.io/v1/", &auth("u")),
                "docker.io/p",
                Some(user("u")),
            ),
            (
                of("a.test", r#"{"username":"u","password":"p:w"}"#),
                "a.test/p",
                Some(user("u")),
            ),
            (
                of("a.test", r#"{"auth":"","identitytoken":"t"}"#),
                "a.test/p",
                Some(Identity::Refresh("t".to_owned())),
            ),
            (
                of("a.test", r#"{"registrytoken":"t"}"#),
                "a.test/p",
                Some(Identity::Bearer("t".to_owned())),
            ),
            (
                r#"{"auths":{"a.test":{}},"credsStore":"desktop"}"#.to_owned(),
                "a.test/p",
                Some(Identity::Nobody),
            ),
            (of("a.test", r#"{"auth":"%"}"#), "a.test/p", None),
            ("{}".to_owned(), "a.test/p", Some(Identity::Nobody)),
        ];
        for (config, image, expected) in table {
            let parsed: DockerConfig = serde_json::from_str(&config).unwrap();
            let found = parsed.identity(&image.parse().unwrap()).ok();
            assert!(found == expected, "{config} {image}: {found:?}");
        }
    }
}
