//! Where the code of a plugin comes from.

use super::reference::{ImageReference, ReferenceError};
use http::Uri;
use http::uri::Scheme;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use thiserror::Error;

/// Where the code of a plugin comes from. As text a path, a URL of HTTP, or `oci://` and a reference to an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CodeSource {
    /// A file.
    File(PathBuf),
    /// A server of HTTPS, or of HTTP where that is allowed.
    Url(CodeUrl),
    /// An image in a registry.
    Oci(Box<ImageReference>),
}

/// A URL of HTTPS or HTTP, without user name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeUrl(String);

/// Beyond where code is: how it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FetchOptions {
    /// The authorities that are trusted; without it those that the system trusts.
    pub ca: Option<PathBuf>,
    /// A URL may be one of HTTP on any machine, and a registry is spoken to without TLS.
    pub plain_http: bool,
    /// Who asks.
    pub credentials: Credentials,
    /// If code that can change where it is cannot be fetched, what was fetched last is used, with a warning.
    pub use_cached: bool,
}

/// Who asks for code. Secrets are named, and read when they are needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Credentials {
    /// For a registry who the file of Docker says; nobody otherwise.
    #[default]
    Default,
    /// A user with a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Token(Secret),
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    /// In an environment variable.
    Environment(String),
    /// In a file; white space at its end does not count.
    File(PathBuf),
}

/// A text tells of no place of code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// It is no URL.
    #[error("`{url}` is no URL of code: {reason}; write `https://HOST/PATH`")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It is no reference to an image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

// === impl CodeSource ===

impl CodeSource {
    /// A name for a plugin that has none: that of its file or image.
    pub(crate) fn short_name(&self) -> String {
        let stem = |path: &str| {
            let stem = Path::new(path).file_stem();
            stem.map_or_else(|| "plugin".to_owned(), |stem| stem.to_string_lossy().into_owned())
        };
        match self {
            Self::File(path) => stem(&path.to_string_lossy()),
            Self::Url(url) => stem(url.without_query()),
            Self::Oci(image) => image
                .repository()
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

#[cfg(feature = "remote-code")]
impl CodeSource {
    /// What tells it from others.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Url(url) => url.as_str().to_owned(),
            Self::File(_) | Self::Oci(_) => self.to_string(),
        }
    }

    /// The host that is asked for it, without port.
    pub(super) fn host(&self) -> Option<String> {
        let url = match self {
            Self::File(_) => return None,
            Self::Url(url) => url.as_str().to_owned(),
            Self::Oci(image) => format!("https://{}/", image.server()),
        };
        let uri: Uri = url.parse().ok()?;
        uri.host().map(str::to_owned)
    }
}

impl FromStr for CodeSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::Url(text.parse()?));
        }
        match text.strip_prefix("oci://") {
            Some(reference) => Ok(Self::Oci(Box::new(reference.parse()?))),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for CodeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(url.without_query()),
            Self::Oci(reference) => write!(f, "oci://{reference}"),
        }
    }
}

// === impl FetchOptions ===

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            ca: None,
            plain_http: false,
            credentials: Credentials::Default,
            use_cached: true,
        }
    }
}

// === impl CodeUrl ===

impl CodeUrl {
    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of it can be told: the query of a signed URL is a secret.
    pub fn without_query(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// Whether it is one of HTTP without TLS, to another machine.
    pub fn is_exposed(&self) -> bool {
        let uri: Option<Uri> = self.0.parse().ok();
        uri.is_none_or(|uri| uri.scheme() != Some(&Scheme::HTTPS) && !uri.host().is_some_and(is_loopback))
    }
}

impl FromStr for CodeUrl {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        // Messages end up in logs, so neither the query nor who logs in may be in them.
        let error = |reason| SourceError::Url {
            url: text
                .split('?')
                .next()
                .and_then(|text| text.rsplit('@').next())
                .unwrap_or_default()
                .to_owned(),
            reason,
        };
        let uri: Uri = text.parse().map_err(|_| error("it cannot be read"))?;
        if !matches!(uri.scheme_str(), Some("https" | "http")) {
            return Err(error("its scheme is neither `https` nor `http`"));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(error("it has no host"));
        }
        if uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(error("it has a user name; that belongs into `credentials`"));
        }
        if text.contains('#') {
            return Err(error("it has a fragment"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a host is this machine, as far as can be told without asking anybody.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        // What is said of it, and whether it is exposed; `None` for what is refused.
        let table = [
            ("plugin.wasm", Some(("plugin.wasm", false))),
            ("https://a.test/p.wasm", Some(("https://a.test/p.wasm", false))),
            ("https://a.test/p?sig=secret", Some(("https://a.test/p", false))),
            ("http://127.0.0.1:80/p", Some(("http://127.0.0.1:80/p", false))),
            ("http://[::1]/p", Some(("http://[::1]/p", false))),
            ("http://localhost/p", Some(("http://localhost/p", false))),
            ("http://a.test/p", Some(("http://a.test/p", true))),
            (
                "http://localhost.a.test/p",
                Some(("http://localhost.a.test/p", true)),
            ),
            ("oci://a.test/p:1", Some(("oci://a.test/p:1", false))),
            ("https://user:secret@a.test/p", None),
            ("https:///p", None),
            ("https://a.test/p#q", None),
            ("oci://p", None),
        ];
        for (text, expected) in table {
            let source: Result<CodeSource, _> = text.parse();
            let told = source.as_ref().ok().map(|source| {
                let exposed = matches!(source, CodeSource::Url(url) if url.is_exposed());
                (source.to_string(), exposed)
            });
            let expected = expected.map(|(text, exposed)| (text.to_owned(), exposed));
            assert_eq!(told, expected, "{text}");
            if let Err(error) = source {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
    }
}
