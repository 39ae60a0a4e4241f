//! TLS to upstreams.

use super::files::{self, CertificateFiles, TlsError};
use super::reloadable::{Reloadable, TlsSettings};
use super::{MinimumVersion, provider};
use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::path::PathBuf;
use std::sync::Arc;

/// TLS to an upstream, ready to be used.
pub type ClientTls = Reloadable<ClientTlsSettings>;

/// How TLS is spoken to an upstream. Its certificate is always verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientTlsSettings {
    /// The authorities that are trusted; without it those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The name that is asked for (SNI) and has to be in the certificate; without it the host of the address.
    pub server_name: Option<String>,
    /// What is shown to a server that asks for a certificate.
    pub certificate: Option<CertificateFiles>,
    /// The oldest version that is spoken.
    pub minimum_version: MinimumVersion,
}

// === impl ClientTlsSettings ===

impl TlsSettings for ClientTlsSettings {
    type Config = ClientConfig;

    fn load(&self) -> Result<ClientConfig, TlsError> {
        let roots = match &self.ca {
            Some(path) => files::authorities(path)?,
            None => files::system_authorities()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.minimum_version.versions())
            .map_err(|error| TlsError::Settings(error.to_string()))?
            .with_root_certificates(roots);
        Ok(match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let identity = files::identity(files)?;
                builder.with_client_cert_resolver(resolver(identity))
            }
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.ca.iter().cloned().collect();
        if let Some(certificate) = &self.certificate {
            files.extend([certificate.certificate.clone(), certificate.key.clone()]);
        }
        files
    }
}

fn resolver(identity: CertifiedKey) -> Arc<dyn ResolvesClientCert> {
    Arc::new(SingleCertAndKey::from(identity))
}

// === impl ClientTls ===

impl ClientTls {
    /// A configuration that offers these protocols, best first.
    pub(crate) fn offering(&self, protocols: &[&[u8]]) -> ClientConfig {
        let mut config = (*self.current()).clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }

    /// The name that is asked for at a host.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.settings().server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
    }
}
