//! What is read from files, and read again when they change.

use super::TlsError;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// Settings that name files, from which a configuration of TLS is made.
pub trait TlsSettings: fmt::Debug + PartialEq + Send + Sync {
    /// What is made.
    type Config: Send + Sync;

    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be read, or have not what they should.
    fn load(&self) -> Result<Self::Config, TlsError>;

    /// The files, as they are named.
    fn files(&self) -> Vec<PathBuf>;
}

/// A configuration of TLS, of which everybody who has it sees the newest version. To clone it is to share it.
pub struct Reloadable<S: TlsSettings>(Arc<Inner<S>>);

struct Inner<S: TlsSettings> {
    settings: S,
    current: RwLock<Arc<S::Config>>,
}

/// A configuration whose files may have changed.
pub(crate) trait Reload: fmt::Debug + Send + Sync {
    /// Reads the files again. On an error, what there was stays.
    fn reload(&self) -> Result<(), TlsError>;

    /// The files.
    fn files(&self) -> Vec<PathBuf>;

    /// Where it is, which tells it from others.
    fn address(&self) -> usize;
}

impl dyn Reload {
    /// Whether it is shared with another.
    pub(crate) fn is_same(&self, other: &dyn Reload) -> bool {
        self.address() == other.address()
    }
}

// === impl Reloadable ===

impl<S: TlsSettings> Reloadable<S> {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be read, or have not what they should.
    pub fn load(settings: S) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(settings.load()?));
        Ok(Self(Arc::new(Inner { settings, current })))
    }

    /// What the files had when they were read last.
    pub(crate) fn current(&self) -> Arc<S::Config> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn settings(&self) -> &S {
        &self.0.settings
    }
}

impl<S: TlsSettings> Reload for Reloadable<S> {
    fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(self.0.settings.load()?);
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.0.settings.files()
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl<S: TlsSettings> Clone for Reloadable<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Equal settings; what the files have is not looked at.
impl<S: TlsSettings> PartialEq for Reloadable<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0.settings == other.0.settings
    }
}

impl<S: TlsSettings> Eq for Reloadable<S> {}

impl<S: TlsSettings> fmt::Debug for Reloadable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.settings.fmt(f)
    }
}
