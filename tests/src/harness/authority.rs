//! A certificate authority of a test.

use proxywasm_runner::tls::{
    CertificateFiles, ClientCertificates, ClientTls, ClientTlsSettings, HTTP_1, HTTP_2, MinimumVersion,
    ServerTls, ServerTlsSettings,
};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// An authority, and a folder with what it gave out. Both go when it is dropped.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    folder: PathBuf,
    given: AtomicUsize,
}

// === impl Authority ===

impl Authority {
    /// A new one, which nobody trusts.
    ///
    /// # Panics
    /// There is no place for its files.
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("proxywasm-ca-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {number} of a test"));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
            folder,
            given: AtomicUsize::new(0),
        }
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file with its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate with these names; the first is its common name too.
    pub fn certificate(&self, names: &[&str]) -> CertificateFiles {
        self.give(names, |_| {})
    }

    /// One that has expired.
    pub fn expired(&self, names: &[&str]) -> CertificateFiles {
        self.give(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// Puts a new certificate in the place of one, as a renewal does: by renaming.
    ///
    /// # Panics
    /// There is no place for it.
    pub fn renew(&self, files: &CertificateFiles, names: &[&str]) {
        let new = self.certificate(names);
        std::fs::rename(new.key, &files.key).unwrap();
        std::fs::rename(new.certificate, &files.certificate).unwrap();
    }

    fn give(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateFiles {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, names.first().map_or("nobody", String::as_str));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let files = CertificateFiles {
            certificate: self.folder.join(format!("{number}.pem")),
            key: self.folder.join(format!("{number}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// TLS of a listener of HTTP with these certificates, which asks clients for none.
pub fn server_settings(certificates: Vec<CertificateFiles>) -> ServerTlsSettings {
    ServerTlsSettings {
        certificates,
        clients: ClientCertificates::None,
        minimum_version: MinimumVersion::Tls12,
        alpn: vec![HTTP_2.to_vec(), HTTP_1.to_vec()],
    }
}

/// The same, ready to be used.
///
/// # Panics
/// A file has not what it should.
pub fn server_tls(certificates: Vec<CertificateFiles>) -> ServerTls {
    ServerTls::load(server_settings(certificates)).unwrap()
}

/// TLS to an upstream, which trusts an authority and asks for a name.
///
/// # Panics
/// A file has not what it should.
pub fn client_tls(authority: &Authority, server_name: &str) -> ClientTls {
    ClientTls::load(ClientTlsSettings {
        ca: Some(authority.file()),
        server_name: Some(server_name.to_owned()),
        ..ClientTlsSettings::default()
    })
    .unwrap()
}
