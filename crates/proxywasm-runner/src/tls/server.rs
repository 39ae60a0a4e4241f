//! TLS of listeners.

use super::files::{self, CertificateFiles, TlsError};
use super::reloadable::{Reloadable, TlsSettings};
use super::sni::Identities;
use super::{MinimumVersion, provider};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use std::path::PathBuf;
use std::sync::Arc;

/// TLS of a listener, ready to be used.
pub type ServerTls = Reloadable<ServerTlsSettings>;

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerTlsSettings {
    /// Its certificates. Clients get the one that has the name they ask for; the first if none has, or if they ask for none.
    pub certificates: Vec<CertificateFiles>,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// The oldest version that is spoken.
    pub minimum_version: MinimumVersion,
    /// The protocols that are offered by ALPN, best first. The one that is agreed on is spoken; without one it is HTTP/1.1.
    pub alpn: Vec<Vec<u8>>,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    None,
    /// They may show one, which has to be of an authority in this file.
    Optional(PathBuf),
    /// They have to show one, of an authority in this file.
    Required(PathBuf),
}

// === impl ServerTlsSettings ===

impl TlsSettings for ServerTlsSettings {
    type Config = ServerConfig;

    fn load(&self) -> Result<ServerConfig, TlsError> {
        let refused = |error: rustls::Error| TlsError::Settings(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.minimum_version.versions())
            .map_err(refused)?;
        let builder = match &self.clients {
            ClientCertificates::None => builder.with_no_client_auth(),
            ClientCertificates::Optional(path) | ClientCertificates::Required(path) => {
                let roots = Arc::new(files::authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = match &self.clients {
                    ClientCertificates::Required(_) => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|error| TlsError::Certificate {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let identities = Identities::load(&self.certificates)?;
        let mut config = builder.with_cert_resolver(Arc::new(identities));
        config.alpn_protocols.clone_from(&self.alpn);
        // Sessions are resumed without memory for each. With the configuration goes the key of its tickets, so that nobody gets in by one
        // who was let in by authorities of before.
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(refused)?;
        Ok(config)
    }

    fn files(&self) -> Vec<PathBuf> {
        let certificates = self.certificates.iter();
        let mut files: Vec<PathBuf> = certificates
            .flat_map(|files| [files.certificate.clone(), files.key.clone()])
            .collect();
        if let ClientCertificates::Optional(path) | ClientCertificates::Required(path) = &self.clients {
            files.push(path.clone());
        }
        files
    }
}
