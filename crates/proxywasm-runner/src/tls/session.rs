//! What plugins can ask about the TLS of a connection.

use proxywasm_host::PropertyValue;
use rustls::pki_types::CertificateDer;
use rustls::{CommonState, ProtocolVersion};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What both ends of a connection have agreed on.
#[derive(Debug)]
pub(crate) struct TlsSession {
    version: Option<&'static str>,
    /// What the client has asked for.
    server_name: Option<String>,
    /// The certificate that the peer has shown, which was verified.
    peer: Option<CertificateDer<'static>>,
}

// === impl TlsSession ===

impl TlsSession {
    pub(crate) fn new(state: &CommonState, server_name: Option<&str>) -> Self {
        let certificates = state.peer_certificates();
        Self {
            version: state.protocol_version().and_then(version_name),
            server_name: server_name.map(str::to_owned),
            peer: certificates
                .and_then(|chain| chain.first())
                .map(|leaf| leaf.clone().into_owned()),
        }
    }

    /// The version.
    pub(crate) fn version(&self) -> Option<&'static str> {
        self.version
    }

    /// The name that the client asked for.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Whom the certificate of the client is for, if it has shown one.
    pub(crate) fn subject(&self) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(self.peer.as_ref()?).ok()?;
        Some(certificate.subject().to_string())
    }

    /// A property by the name that it has in `connection` or `upstream`.
    pub(crate) fn property(&self, name: &[u8]) -> Option<PropertyValue> {
        match name {
            b"mtls" => Some(PropertyValue::Bool(self.peer.is_some())),
            b"tls_version" => self.version.map(Into::into),
            b"requested_server_name" => self.server_name.as_deref().map(Into::into),
            b"subject_peer_certificate" => Some(self.subject()?.as_str().into()),
            b"dns_san_peer_certificate" => self.alternative_name(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            }),
            b"uri_san_peer_certificate" => self.alternative_name(|name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            }),
            b"sha256_peer_certificate_digest" => {
                let digest = Sha256::digest(self.peer.as_ref()?);
                let mut text = String::with_capacity(digest.len() * 2);
                for byte in digest {
                    let _ = write!(text, "{byte:02x}");
                }
                Some(text.as_str().into())
            }
            _ => None,
        }
    }

    /// The first alternative name of a kind in the peer's certificate.
    fn alternative_name(&self, choose: impl Fn(&GeneralName<'_>) -> Option<String>) -> Option<PropertyValue> {
        let (_, certificate) = X509Certificate::from_der(self.peer.as_ref()?).ok()?;
        let extension = certificate.subject_alternative_name().ok()??;
        let name = extension.value.general_names.iter().find_map(choose)?;
        Some(name.as_str().into())
    }
}

/// As the well-known properties name them.
fn version_name(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
        ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
        _ => None,
    }
}
