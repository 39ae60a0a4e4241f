//! TLS on both sides, by rustls: what is configured, and what becomes of it.
//!
//! Settings name files. They are read when the runner starts, so that what is wrong is told before anything is bound, and again when
//! they change ([`Reloadable`]): connections that begin later get the new certificate. What cannot be used leaves the old one in
//! place.

mod client;
mod files;
mod reloadable;
mod server;
mod session;
mod sni;
mod watch;

pub use client::{ClientTls, ClientTlsSettings};
pub use files::{CertificateFiles, TlsError};
pub(crate) use reloadable::Reload;
pub use reloadable::{Reloadable, TlsSettings};
pub use server::{ClientCertificates, ServerTls, ServerTlsSettings};
pub(crate) use session::TlsSession;
pub(crate) use watch::{Watch, WatchTrigger};

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use std::sync::{Arc, OnceLock};

/// ALPN's name of HTTP/2.
pub const HTTP_2: &[u8] = b"h2";
/// ALPN's name of HTTP/1.1.
pub const HTTP_1: &[u8] = b"http/1.1";

/// The oldest version of TLS that is spoken. Older ones than these are not secure, and rustls does not have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinimumVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

// === impl MinimumVersion ===

impl MinimumVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static FROM_12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
        static FROM_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            Self::Tls12 => FROM_12,
            Self::Tls13 => FROM_13,
        }
    }
}

/// The cryptography, the same for all.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}
