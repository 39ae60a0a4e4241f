//! Which certificate a client gets.

use super::files::{self, CertificateFiles, TlsError};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The certificates of a listener, by the names in them (RFC 6125, section 6.4: a wildcard stands for one label, the first).
#[derive(Debug)]
pub(super) struct Identities {
    /// For clients that ask for a name that none has, or for none.
    first: Arc<CertifiedKey>,
    /// By name in small letters; by `.example.test` what is for `*.example.test`. A name can have several, of different kinds of keys.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

// === impl Identities ===

impl Identities {
    pub(super) fn load(certificates: &[CertificateFiles]) -> Result<Self, TlsError> {
        let mut by_name: HashMap<String, Vec<Arc<CertifiedKey>>> = HashMap::new();
        let mut first = None;
        for files in certificates {
            let identity = Arc::new(files::identity(files)?);
            for name in names(&identity) {
                by_name.entry(name).or_default().push(Arc::clone(&identity));
            }
            first.get_or_insert(identity);
        }
        Ok(Self {
            first: first.ok_or(TlsError::NoIdentity)?,
            by_name,
        })
    }

    /// The certificates that have a name: by itself, or else by a wildcard.
    fn find(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let exact = self.by_name.get(&name);
        let found = exact.or_else(|| {
            let suffix = name.find('.').and_then(|dot| name.get(dot..))?;
            self.by_name.get(suffix)
        });
        found.map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| self.find(name));
        let candidates = found.unwrap_or(std::slice::from_ref(&self.first));
        let usable = candidates
            .iter()
            .find(|identity| identity.key.choose_scheme(hello.signature_schemes()).is_some());
        usable.or(candidates.first()).cloned()
    }
}

/// The names in a certificate, as [`Identities`] keeps them.
fn names(identity: &CertifiedKey) -> Vec<String> {
    // It was parsed when it was read.
    let Some(Ok((_, certificate))) = identity.cert.first().map(|leaf| X509Certificate::from_der(leaf)) else {
        return Vec::new();
    };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.strip_prefix('*').unwrap_or(name).to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}
