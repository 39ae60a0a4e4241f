//! Where stores live, and what a backend promises.

use crate::values::ValueList;
use std::num::NonZeroU32;
use std::sync::Arc;
use thiserror::Error;
use wasi_common::Status;

/// A place where stores live. All workers, and with some backends several processes, share it.
///
/// Backends are called within a hostcall, on the thread of a worker: they must not block for longer than a plugin and the other
/// streams of the worker can wait.
pub trait KvBackend: Send + Sync {
    /// Opens a store. `scope` keeps the names of one group of plugins apart from those of all others.
    ///
    /// # Errors
    /// [`KvError::NoSuchStore`] where there is none and it is not to be created, [`KvError::Full`] where there are too many,
    /// [`KvError::Unreachable`].
    fn open(&self, scope: &[u8], name: &[u8], create: bool) -> Result<Arc<dyn KvStore>, KvError>;
}

/// One store, for as long as it exists: once it was deleted, every call answers [`KvError::Deleted`], even if another one has taken
/// its name.
///
/// Each call is atomic. Each write to a key gives it another compare-and-swap value, one that no earlier key of this name had.
pub trait KvStore: Send + Sync {
    /// The values of a key.
    ///
    /// # Errors
    /// [`KvError::NoSuchKey`], [`KvError::Deleted`], [`KvError::Unreachable`].
    fn get(&self, key: &[u8]) -> Result<Entry, KvError>;

    /// Replaces the values of a key.
    ///
    /// # Errors
    /// [`KvError::CasMismatch`], [`KvError::Full`], [`KvError::Deleted`], [`KvError::Unreachable`].
    fn set(&self, key: &[u8], values: ValueList, condition: Condition) -> Result<(), KvError>;

    /// Adds values behind those of a key, which is created if it does not exist.
    ///
    /// # Errors
    /// As [`KvStore::set`].
    fn add(&self, key: &[u8], values: ValueList, condition: Condition) -> Result<(), KvError>;

    /// Removes a key.
    ///
    /// # Errors
    /// [`KvError::NoSuchKey`] whatever the condition, [`KvError::CasMismatch`], [`KvError::Deleted`], [`KvError::Unreachable`].
    fn remove(&self, key: &[u8], condition: Condition) -> Result<(), KvError>;

    /// Deletes the store with all that is in it.
    ///
    /// # Errors
    /// [`KvError::Deleted`], [`KvError::Unreachable`].
    fn delete(&self) -> Result<(), KvError>;
}

/// What a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its values.
    pub values: ValueList,
    /// Its compare-and-swap value.
    pub cas: NonZeroU32,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// The key exists and has this compare-and-swap value.
    Unchanged(NonZeroU32),
    /// The key has this compare-and-swap value or does not exist, as ABI 0.1.0 to 0.2.1 have it.
    UnchangedOrMissing(NonZeroU32),
}

/// Why a store did not do what it was asked for. Then nothing has changed, but for [`KvError::Unreachable`].
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum KvError {
    /// There is no store of this name.
    #[error("there is no store of this name; open it with create_if_not_exist")]
    NoSuchStore,
    /// The store was deleted.
    #[error("the store was deleted; open it again")]
    Deleted,
    /// There is no such key.
    #[error("the store has no such key")]
    NoSuchKey,
    /// The condition does not hold.
    #[error("the compare-and-swap value is not the key's present one; read the key and try again")]
    CasMismatch,
    /// A quota is exhausted.
    #[error("the store would have more {0} than its quota; remove keys, or raise the quota")]
    Full(Quota),
    /// Whatever holds the store did not answer in time. A write may have happened, or may still happen.
    #[error("the server of the stores did not answer in time; see that it runs and can be reached")]
    Unreachable,
}

/// What a quota is about.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Stores of one scope.
    #[error("stores")]
    Stores,
    /// Keys of one store.
    #[error("keys")]
    Keys,
    /// Bytes of one key, or of the name of a store.
    #[error("bytes of a key")]
    KeyBytes,
    /// Bytes of all values of one key.
    #[error("bytes of values")]
    ValueBytes,
    /// Bytes of all stores of one scope.
    #[error("bytes")]
    Bytes,
}

// === impl Condition ===

impl Condition {
    /// Whether a key whose compare-and-swap value is `current` may be written. `None` is a key that does not exist.
    pub fn holds(self, current: Option<NonZeroU32>) -> bool {
        match self {
            Self::Always => true,
            Self::Unchanged(cas) => current == Some(cas),
            Self::UnchangedOrMissing(cas) => current.is_none_or(|current| current == cas),
        }
    }
}

// === impl KvError ===

impl From<KvError> for Status {
    fn from(error: KvError) -> Self {
        match error {
            KvError::NoSuchStore | KvError::Deleted | KvError::NoSuchKey => Self::NotFound,
            KvError::CasMismatch => Self::CasMismatch,
            KvError::Full(_) | KvError::Unreachable => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let [one, two] = [1, 2].map(|cas| NonZeroU32::new(cas).unwrap());
        let table = [
            (Condition::Always, [true, true, true]),
            (Condition::Unchanged(one), [false, true, false]),
            (Condition::UnchangedOrMissing(one), [true, true, false]),
        ];
        for (condition, expected) in table {
            let held = [None, Some(one), Some(two)].map(|current| condition.holds(current));
            assert_eq!(held, expected, "{condition:?}");
        }
    }
}
