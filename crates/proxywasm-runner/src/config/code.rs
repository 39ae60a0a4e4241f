//! The code of plugins in the configuration file.

use super::units::{Period, Size};
use crate::code::{
    CodeSource, CodeUrl, Credentials, FetchOptions, FetchSettings, PluginSource, Secret, Sha256,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::env::var_os;
use std::path::{Path, PathBuf};

/// The code of a plugin: one of `file`, `url` and `oci`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeEntry {
    /// A file, relative to this one.
    #[schemars(with = "Option<PathBuf>")]
    file: Option<Spanned<PathBuf>>,
    /// A URL, `https://HOST[:PORT]/PATH`.
    #[schemars(with = "Option<String>")]
    url: Option<Spanned<String>>,
    /// An image in a registry, `HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`; without tag and digest, the tag is `latest`. Docker Hub is
    /// `docker.io`.
    #[schemars(with = "Option<String>")]
    oci: Option<Spanned<String>>,
    /// The SHA-256 of the module, in hexadecimal digits; other code is refused. For an image it is that of the module in it, not of the
    /// image. Default: it may be any.
    #[schemars(with = "Option<String>")]
    sha256: Option<Spanned<String>>,
    /// File with the certificates of the authorities that are trusted, in PEM format, relative to this file. Default: those that the
    /// system trusts.
    #[schemars(with = "Option<PathBuf>")]
    ca: Option<Spanned<PathBuf>>,
    /// Whether to do without TLS: a `url` may be `http://` on any machine, not only on this one, and an `oci` registry is spoken to by
    /// HTTP. Everybody on the way can change the code then, unless it is pinned. Default: `false`.
    #[serde(default)]
    plain_http: bool,
    /// Who asks. Default: for `oci` who the file of Docker has for the registry, otherwise nobody.
    #[schemars(with = "Option<CredentialsEntry>")]
    credentials: Option<Spanned<CredentialsEntry>>,
    /// What happens if code that is not pinned cannot be fetched. Default: `use_cached`.
    #[serde(default)]
    if_unavailable: UnavailableEntry,
}

/// Who asks for code: `username` with a password, or a token. Secrets are in environment variables or files, never in this one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CredentialsEntry {
    /// A user.
    username: Option<String>,
    /// The environment variable with the password.
    password_env: Option<String>,
    /// The file with the password, relative to this one; white space at its end does not count.
    password_file: Option<PathBuf>,
    /// The environment variable with a bearer token.
    token_env: Option<String>,
    /// The file with a bearer token, likewise.
    token_file: Option<PathBuf>,
}

/// What happens if code cannot be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum UnavailableEntry {
    /// What was fetched last is used, with a warning; if nothing was, it fails.
    #[default]
    UseCached,
    /// The start, or the reload, fails.
    Fail,
}

/// How code is fetched from URLs and registries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoteCodeEntry {
    /// Where code is kept that was fetched; relative to this file. It is run, so the directory has to belong to the user of this process,
    /// and nobody else may be able to write it; it is made if it is not there. Default: `proxywasm/code` in `$XDG_CACHE_HOME`, or in
    /// `$HOME/.cache`; without these two, nothing is kept.
    directory: Option<PathBuf>,
    /// Of all that is kept; beyond that, what was not used for longest is removed. Default: `1 GiB`.
    size: Option<Size>,
    /// Of a module, and of a layer that it comes in, packed and unpacked. Default: `64 MiB`.
    max_size: Option<Size>,
    /// How long it may take to fetch the code of a plugin, with all that is asked for. Default: `60s`.
    timeout: Option<Period>,
    /// How many times a server may send elsewhere; never from TLS to where there is none. Default: 5.
    redirects: Option<usize>,
    /// The file in which Docker keeps the credentials of registries, relative to this one. Default: `config.json` in `$DOCKER_CONFIG`, or
    /// in `$HOME/.docker`.
    docker_config: Option<PathBuf>,
}

type Wrong = (Location, String);

// === impl CodeEntry ===

impl CodeEntry {
    /// Where the code is and how it is fetched, or what is wrong with that. `location` is that of the entry.
    pub(super) fn source(&self, location: Location, folder: &Path) -> Result<PluginSource, Wrong> {
        let (source, place) = self.place(location, folder)?;
        let sha256 = match &self.sha256 {
            None => None,
            Some(text) => Some(text.value.parse::<Sha256>().map_err(at(text.referenced))?),
        };
        self.check(&source, place)?;
        let credentials = match &self.credentials {
            None => Credentials::Default,
            Some(entry) => entry
                .value
                .credentials(folder)
                .map_err(|message| (entry.referenced, message.to_owned()))?,
        };
        Ok(PluginSource {
            source,
            sha256,
            fetch: FetchOptions {
                ca: self.ca.as_ref().map(|ca| folder.join(&ca.value)),
                plain_http: self.plain_http,
                credentials,
                use_cached: self.if_unavailable == UnavailableEntry::UseCached,
            },
        })
    }

    fn place(&self, location: Location, folder: &Path) -> Result<(CodeSource, Location), Wrong> {
        match (&self.file, &self.url, &self.oci) {
            (Some(file), None, None) => Ok((CodeSource::File(folder.join(&file.value)), file.referenced)),
            (None, Some(url), None) => {
                let parsed: CodeUrl = url.value.parse().map_err(at(url.referenced))?;
                Ok((CodeSource::Url(parsed), url.referenced))
            }
            (None, None, Some(oci)) => {
                let reference = oci.value.strip_prefix("oci://").unwrap_or(&oci.value);
                let parsed = reference.parse().map_err(at(oci.referenced))?;
                Ok((CodeSource::Oci(Box::new(parsed)), oci.referenced))
            }
            _ => Err((
                location,
                "code is exactly one of `file`, `url` and `oci`".to_owned(),
            )),
        }
    }

    /// What does nothing where it stands, or is not possible.
    fn check(&self, source: &CodeSource, place: Location) -> Result<(), Wrong> {
        let wrong = |location, message: &str| Err((location, message.to_owned()));
        match source {
            CodeSource::File(_) => {
                let ca = self.ca.as_ref().map(|ca| ca.referenced);
                let credentials = self.credentials.as_ref().map(|entry| entry.referenced);
                match ca.or(credentials) {
                    Some(location) => wrong(location, "it is for `url` and `oci`; a file is just read"),
                    None => Ok(()),
                }
            }
            _ if !cfg!(feature = "remote-code") => wrong(
                place,
                "this runner was built without the feature `remote-code`: code has to be in a `file`",
            ),
            CodeSource::Url(url) if url.is_exposed() && !self.plain_http => wrong(
                place,
                "without TLS, everybody on the way could change the code: use `https://`, or set `plain_http: true`",
            ),
            CodeSource::Url(_) | CodeSource::Oci(_) => Ok(()),
        }
    }
}

fn at<E: std::fmt::Display>(location: Location) -> impl Fn(E) -> Wrong {
    move |error| (location, error.to_string())
}

// === impl CredentialsEntry ===

impl CredentialsEntry {
    fn credentials(&self, folder: &Path) -> Result<Credentials, &'static str> {
        let secret = |name: &Option<String>, file: &Option<PathBuf>| match (name, file) {
            (Some(name), None) => Ok(Some(Secret::Environment(name.clone()))),
            (None, Some(file)) => Ok(Some(Secret::File(folder.join(file)))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err("a secret is in an environment variable or in a file, not in both"),
        };
        let password = secret(&self.password_env, &self.password_file)?;
        let token = secret(&self.token_env, &self.token_file)?;
        match (&self.username, password, token) {
            (Some(user), Some(password), None) => Ok(Credentials::Password {
                user: user.clone(),
                password,
            }),
            (None, None, Some(token)) => Ok(Credentials::Token(token)),
            _ => Err(
                "credentials are `username` with `password_env` or `password_file`, or one of `token_env` and `token_file`",
            ),
        }
    }
}

// === impl RemoteCodeEntry ===

impl RemoteCodeEntry {
    /// The settings, for a file in a folder.
    pub(super) fn settings(&self, folder: &Path) -> FetchSettings {
        let default =
            FetchSettings::for_user(var_os("XDG_CACHE_HOME"), var_os("HOME"), var_os("DOCKER_CONFIG"));
        let given = |path: &Option<PathBuf>| path.as_ref().map(|path| folder.join(path));
        FetchSettings {
            directory: given(&self.directory).or(default.directory),
            cache_bytes: self.size.map_or(default.cache_bytes, |size| size.0 as u64),
            code_bytes: self.max_size.map_or(default.code_bytes, |size| size.0),
            timeout: self.timeout.map_or(default.timeout, |period| period.0),
            redirects: self.redirects.unwrap_or(default.redirects),
            docker_config: given(&self.docker_config).or(default.docker_config),
            offline: false,
        }
    }
}
