//! Key-value stores that plugins share.

use crate::hostcalls::{Region, kvstore};
use crate::status::{Result, Status};
use crate::values::{self, Values};

/// What most values fit into, in bytes.
const USUAL_SIZE: usize = 256;
/// How often [`Store::update`] tries. Of writers that race, one wins in each round.
const ATTEMPTS: usize = 1000;

/// A store that plugins of the same VM id share. It belongs to the plugin that opened it, and goes with it; copies are the same
/// handle. A key has an ordered list of values.
///
/// All calls report [`Status::NOT_FOUND`] once the store was deleted, and [`Status::UNAVAILABLE`] while it cannot be reached.
///
/// ```no_run
/// use proxywasm_sdk::{Cas, Result, Store};
///
/// fn remember(visitor: &str) -> Result<Option<Vec<u8>>> {
///     let store = Store::open_or_create("visitors")?;
///     let before = store.get(visitor)?.and_then(|entry| entry.value().map(<[u8]>::to_vec));
///     store.set(visitor, &["seen"], Cas::ANY)?;
///     Ok(before)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Store {
    id: u32,
}

/// A version of what a key has: a write that is given one fails with [`Status::CAS_MISMATCH`] if somebody else has written the key
/// since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cas(u32);

/// What a key has.
#[derive(Debug, Clone)]
pub struct Entry {
    values: Values,
    cas: Cas,
}

// === impl Store ===

impl Store {
    /// Opens a store that exists.
    ///
    /// # Errors
    /// `not_found` if it does not; `not_allowed` if the host's policy forbids it; `bad_argument` for an empty name; `unavailable` if
    /// there are too many handles, or it cannot be reached.
    pub fn open(name: &str) -> Result<Self> {
        kvstore::open(name, false).map(|id| Self { id })
    }

    /// Opens a store, which is created if there is none.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), but for `not_found`.
    pub fn open_or_create(name: &str) -> Result<Self> {
        kvstore::open(name, true).map(|id| Self { id })
    }

    /// The values of a key; `None` if there is no such key.
    ///
    /// # Errors
    /// `unavailable` if the store cannot be reached. `buffer_too_small` if others make the values larger again and again.
    pub fn get(&self, key: &(impl AsRef<[u8]> + ?Sized)) -> Result<Option<Entry>> {
        let mut block = Vec::with_capacity(USUAL_SIZE);
        match kvstore::get(self.id, key.as_ref(), &mut block) {
            Ok(cas) => Ok(Some(Entry {
                values: Values::new(block),
                cas: Cas(cas),
            })),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Replaces all values of a key.
    ///
    /// # Errors
    /// `cas_mismatch` if the key was written since; `unavailable` if the store is full or cannot be reached. Then nothing has
    /// changed.
    pub fn set<V: AsRef<[u8]>>(
        &self,
        key: &(impl AsRef<[u8]> + ?Sized),
        values: &[V],
        cas: Cas,
    ) -> Result<()> {
        kvstore::set(self.id, key.as_ref(), &values::regions(values), cas.0)
    }

    /// Adds values behind those that a key has. A key that does not exist is created.
    ///
    /// # Errors
    /// Those of [`set`](Self::set).
    pub fn add<V: AsRef<[u8]>>(
        &self,
        key: &(impl AsRef<[u8]> + ?Sized),
        values: &[V],
        cas: Cas,
    ) -> Result<()> {
        kvstore::add(self.id, key.as_ref(), &values::regions(values), cas.0)
    }

    /// Removes a key with all its values.
    ///
    /// # Errors
    /// `not_found` if there is no such key; those of [`set`](Self::set).
    pub fn remove(&self, key: &(impl AsRef<[u8]> + ?Sized), cas: Cas) -> Result<()> {
        kvstore::remove(self.id, key.as_ref(), cas.0)
    }

    /// Replaces the first value of a key by what `change` makes of it, and returns that. No write of another plugin is lost: if one
    /// came between, `change` is called again with what it wrote. `change` gets `None` for a key without values.
    ///
    /// # Errors
    /// `cas_mismatch` if others were faster a thousand times in a row; those of [`get`](Self::get) and [`set`](Self::set).
    pub fn update(
        &self,
        key: &(impl AsRef<[u8]> + ?Sized),
        mut change: impl FnMut(Option<&[u8]>) -> Vec<u8>,
    ) -> Result<Vec<u8>> {
        let key = key.as_ref();
        for _ in 0..ATTEMPTS {
            let Some(entry) = self.get(key)? else {
                // A key that does not exist has no version to hold a write against. Adding nothing creates it without a value.
                kvstore::add(self.id, key, &[], Cas::ANY.0)?;
                continue;
            };
            let value = change(entry.value());
            let mut values = vec![Region::new(&value)];
            values.extend(entry.values.iter().skip(1).map(Region::new));
            match kvstore::set(self.id, key, &values, entry.cas.0) {
                Ok(()) => return Ok(value),
                Err(Status::CAS_MISMATCH) => {}
                Err(status) => return Err(status),
            }
        }
        Err(Status::CAS_MISMATCH)
    }

    /// Deletes the store with all that is in it, for everybody.
    ///
    /// # Errors
    /// `unavailable` if it cannot be reached.
    pub fn delete(self) -> Result<()> {
        kvstore::delete(self.id)
    }
}

// === impl Cas ===

impl Cas {
    /// No condition: the write is made whatever the key has.
    pub const ANY: Self = Self(0);
}

// === impl Entry ===

impl Entry {
    /// The values, in their order.
    pub const fn values(&self) -> &Values {
        &self.values
    }

    /// The first value.
    pub fn value(&self) -> Option<&[u8]> {
        self.values.first()
    }

    /// The version of the values.
    pub const fn cas(&self) -> Cas {
        self.cas
    }
}
