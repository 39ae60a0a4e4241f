//! Certificates and keys from files in PEM format.

use super::provider;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those that lead to one which peers trust.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: pem::Error,
    },
    /// A file has no certificate.
    #[error("{} has no certificate; it has to be PEM, with lines `-----BEGIN CERTIFICATE-----`", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate cannot be used.
    #[error("the certificate in {} cannot be used: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key is none, or of another certificate.
    #[error("the key in {} cannot be used for the certificate in {}: {error}", key.display(), certificate.display())]
    Key {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
        /// Why.
        #[source]
        error: rustls::Error,
    },
    /// The system has no certificates of authorities.
    #[error("this system has no certificates of authorities{0}; name a file with `ca`")]
    NoRoots(String),
    /// No certificate is configured.
    #[error("no certificate is configured; a server needs one")]
    NoIdentity,
    /// The name of a server is none.
    #[error("`{0}` is no name that a server can have in TLS; set `server_name`")]
    ServerName(String),
    /// The TLS library refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(String),
}

/// Reads a certificate with its chain, and its key, which have to fit.
pub(super) fn identity(files: &CertificateFiles) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate)?;
    if let Some(leaf) = chain.first() {
        warn_of_age(leaf, &files.certificate)?;
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| TlsError::Read {
        path: files.key.clone(),
        error,
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| TlsError::Key {
        key: files.key.clone(),
        certificate: files.certificate.clone(),
        error,
    })
}

/// Reads the certificates of authorities.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::Certificate {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// The certificates of authorities that this system trusts.
pub(super) fn system_authorities() -> Result<RootCertStore, TlsError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Old stores have some that cannot be used; nobody is worse off without them.
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let reason = loaded.errors.first();
        let reason = reason.map_or_else(String::new, |error| format!(" ({error})"));
        return Err(TlsError::NoRoots(reason));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |error| TlsError::Read {
        path: path.to_owned(),
        error,
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(read)?.collect();
    let certificates = certificates.map_err(read)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

/// A certificate that is not valid now is used all the same, for a clock may be wrong, but never silently.
fn warn_of_age(leaf: &CertificateDer<'_>, path: &Path) -> Result<(), TlsError> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| TlsError::Certificate {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let validity = parsed.validity();
    if !validity.is_valid() {
        tracing::warn!(
            certificate = %path.display(),
            from = %validity.not_before,
            until = %validity.not_after,
            "a certificate is not valid at this time; peers will refuse it"
        );
    }
    Ok(())
}
