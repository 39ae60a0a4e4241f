//! TLS in the configuration file.

use crate::tls::{
    CertificateFiles, ClientCertificates, ClientTls, ClientTlsSettings, HTTP_1, HTTP_2, MinimumVersion,
    ServerTls, ServerTlsSettings, TlsError,
};
use crate::upstream::UpstreamUrl;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// `tls` of a listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTlsEntry {
    /// The certificates. A client gets the one that has the name it asks for (SNI), exactly or by a wildcard; the first, if none has.
    #[schemars(with = "Vec<CertificateEntry>")]
    certificates: Spanned<Vec<CertificateEntry>>,
    /// Whether clients show certificates: `none`, `optional` (they may) or `required` (they have to). Default: `none`.
    #[serde(default)]
    client_certificates: ClientCertificatesEntry,
    /// File with the certificates of the authorities whose clients are let in, in PEM format, relative to this file.
    #[schemars(with = "Option<PathBuf>")]
    client_ca: Option<Spanned<PathBuf>>,
    /// The oldest version that is spoken: `1.2` or `1.3`. Default: `1.2`.
    #[serde(default)]
    minimum_version: MinimumVersionEntry,
    /// For `protocol: tcp`, the protocols that are offered by ALPN. HTTP offers `h2` and `http/1.1`. Default: none.
    #[schemars(with = "Option<Vec<String>>")]
    alpn: Option<Spanned<Vec<String>>>,
}

/// `tls` of an upstream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientTlsEntry {
    /// File with the certificates of the authorities that are trusted, in PEM format, relative to this file. Default: those that the
    /// system trusts.
    ca: Option<PathBuf>,
    /// The name that is asked for (SNI) and has to be in the certificate. Default: the host of the address.
    server_name: Option<String>,
    /// Certificate and key that are shown to the upstream if it asks. Default: none.
    client_certificate: Option<CertificateEntry>,
    /// The oldest version that is spoken: `1.2` or `1.3`. Default: `1.2`.
    #[serde(default)]
    minimum_version: MinimumVersionEntry,
}

/// A certificate and its key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CertificateEntry {
    /// File with the certificate, and behind it those that lead to an authority, in PEM format, relative to this file.
    certificate: PathBuf,
    /// File with its private key, in PEM format, relative to this file.
    key: PathBuf,
}

/// `client_certificates` of `tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ClientCertificatesEntry {
    /// They are not asked for one.
    #[default]
    None,
    /// They may show one, which has to be of an authority in `client_ca`.
    Optional,
    /// They have to show one, of an authority in `client_ca`.
    Required,
}

/// `minimum_version` of `tls`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
enum MinimumVersionEntry {
    /// TLS 1.2, or newer.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

// === impl ServerTlsEntry ===

impl ServerTlsEntry {
    /// What types cannot say, and where it is wrong.
    pub(super) fn check(&self, is_http: bool) -> Result<(), (Location, &'static str)> {
        if self.certificates.value.is_empty() {
            return Err((
                self.certificates.referenced,
                "a listener with TLS needs a certificate",
            ));
        }
        match (&self.client_ca, self.client_certificates) {
            (None, ClientCertificatesEntry::Optional | ClientCertificatesEntry::Required) => {
                return Err((
                    self.certificates.referenced,
                    "`client_certificates` needs the file `client_ca`, whose authorities they have to be of",
                ));
            }
            (Some(path), ClientCertificatesEntry::None) => {
                return Err((
                    path.referenced,
                    "`client_ca` does nothing without `client_certificates: optional` or `required`",
                ));
            }
            _ => {}
        }
        match &self.alpn {
            Some(alpn) if is_http => Err((alpn.referenced, "`alpn` is for listeners with `protocol: tcp`")),
            _ => Ok(()),
        }
    }

    /// Reads the files, which are relative to `folder`. A listener of HTTP says whether it speaks HTTP/2.
    pub(super) fn load(&self, folder: &Path, http2: Option<bool>) -> Result<ServerTls, TlsError> {
        let alpn = match http2 {
            Some(true) => vec![HTTP_2.to_vec(), HTTP_1.to_vec()],
            Some(false) => vec![HTTP_1.to_vec()],
            None => {
                let names = self.alpn.iter().flat_map(|alpn| &alpn.value);
                names.map(|name| name.clone().into_bytes()).collect()
            }
        };
        let ca = self.client_ca.as_ref().map(|ca| folder.join(&ca.value));
        let clients = match (self.client_certificates, ca) {
            (ClientCertificatesEntry::Optional, Some(ca)) => ClientCertificates::Optional(ca),
            (ClientCertificatesEntry::Required, Some(ca)) => ClientCertificates::Required(ca),
            _ => ClientCertificates::None,
        };
        let certificates = self.certificates.value.iter();
        ServerTls::load(ServerTlsSettings {
            certificates: certificates.map(|entry| entry.files(folder)).collect(),
            clients,
            minimum_version: self.minimum_version.into(),
            alpn,
        })
    }
}

// === impl ClientTlsEntry ===

impl ClientTlsEntry {
    /// Reads the files, which are relative to `folder`.
    pub(super) fn load(&self, folder: &Path) -> Result<ClientTls, TlsError> {
        ClientTls::load(ClientTlsSettings {
            ca: self.ca.as_ref().map(|ca| folder.join(ca)),
            server_name: self.server_name.clone(),
            certificate: self.client_certificate.as_ref().map(|entry| entry.files(folder)),
            minimum_version: self.minimum_version.into(),
        })
    }
}

// === impl CertificateEntry ===

impl CertificateEntry {
    fn files(&self, folder: &Path) -> CertificateFiles {
        CertificateFiles {
            certificate: folder.join(&self.certificate),
            key: folder.join(&self.key),
        }
    }
}

// === impl MinimumVersionEntry ===

impl From<MinimumVersionEntry> for MinimumVersion {
    fn from(entry: MinimumVersionEntry) -> Self {
        match entry {
            MinimumVersionEntry::Tls12 => Self::Tls12,
            MinimumVersionEntry::Tls13 => Self::Tls13,
        }
    }
}

/// The TLS of an upstream, if it is one of TLS; or what is wrong with it, and where. Files are relative to `folder`.
pub(super) fn of_upstream(
    url: &UpstreamUrl,
    entry: Option<&Spanned<ClientTlsEntry>>,
    location: Location,
    folder: &Path,
) -> Result<Option<ClientTls>, (Location, String)> {
    if !url.is_tls() {
        return Ok(None);
    }
    let default = ClientTlsEntry::default();
    let loaded = entry.map_or(&default, |entry| &entry.value).load(folder);
    let location = entry.map_or(location, |entry| entry.referenced);
    loaded.map(Some).map_err(|error| (location, error.to_string()))
}
