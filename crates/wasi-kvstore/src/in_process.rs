//! Stores in the memory of this process.

use crate::backend::{Condition, Entry, KvBackend, KvError, KvStore, Quota};
use crate::values::ValueList;
use dashmap::{DashMap, Entry as Slot};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Stores that all workers of this process share. They live as long as this value does.
///
/// Reads and writes of different keys rarely meet: a store is a sharded map, and a lock is held for the time of one copy.
#[derive(Default)]
pub struct InProcessStores {
    settings: StoreSettings,
    scopes: Mutex<HashMap<Box<[u8]>, Arc<Scope>>>,
}

/// What stores may hold. Past one of these, a write answers [`KvError::Full`] and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// Stores of one scope. 1024.
    pub stores: usize,
    /// Keys of one store. 1,048,576.
    pub keys: usize,
    /// Bytes of one key, and of the name of a store. 64 kibibytes.
    pub key_bytes: usize,
    /// Bytes of all values of one key as a packed list. 16 mebibytes.
    pub value_bytes: usize,
    /// Bytes of all stores of one scope: of keys and packed lists, and [`KEY_OVERHEAD`] for each key. 256 mebibytes.
    pub bytes: usize,
}

/// Bytes that count for a key besides its own and those of its values.
pub const KEY_OVERHEAD: usize = 128;

/// The stores of one scope, and what they share.
#[derive(Default)]
struct Scope {
    settings: StoreSettings,
    stores: Mutex<HashMap<Box<[u8]>, Arc<Store>>>,
    bytes: AtomicUsize,
    /// One counter for all stores, so that neither a key nor a store that is made anew repeats a value that somebody still holds.
    last_cas: AtomicU32,
}

struct Store {
    name: Box<[u8]>,
    scope: Arc<Scope>,
    /// Written before the keys are drained and read under the lock of a key's shard, so that no key is left behind in a deleted
    /// store.
    deleted: AtomicBool,
    keys: DashMap<Box<[u8]>, Entry>,
    count: AtomicUsize,
}

// === impl InProcessStores ===

impl InProcessStores {
    /// No stores yet.
    pub fn new(settings: StoreSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    fn scope(&self, name: &[u8]) -> Arc<Scope> {
        let mut scopes = lock(&self.scopes);
        if let Some(scope) = scopes.get(name) {
            return Arc::clone(scope);
        }
        let scope = Arc::new(Scope {
            settings: self.settings,
            ..Scope::default()
        });
        scopes.insert(name.into(), Arc::clone(&scope));
        scope
    }
}

impl KvBackend for InProcessStores {
    fn open(&self, scope: &[u8], name: &[u8], create: bool) -> Result<Arc<dyn KvStore>, KvError> {
        let scope = self.scope(scope);
        let mut stores = lock(&scope.stores);
        if let Some(store) = stores.get(name) {
            return Ok(Arc::clone(store) as Arc<dyn KvStore>);
        }
        if !create {
            return Err(KvError::NoSuchStore);
        }
        within(name.len(), self.settings.key_bytes, Quota::KeyBytes)?;
        within(stores.len() + 1, self.settings.stores, Quota::Stores)?;
        let store = Arc::new(Store {
            name: name.into(),
            scope: Arc::clone(&scope),
            deleted: AtomicBool::new(false),
            keys: DashMap::new(),
            count: AtomicUsize::new(0),
        });
        stores.insert(name.into(), Arc::clone(&store));
        Ok(store)
    }
}

// === impl Store ===

impl KvStore for Store {
    fn get(&self, key: &[u8]) -> Result<Entry, KvError> {
        self.check_exists()?;
        self.keys
            .get(key)
            .map(|entry| entry.clone())
            .ok_or(KvError::NoSuchKey)
    }

    fn set(&self, key: &[u8], values: ValueList, condition: Condition) -> Result<(), KvError> {
        self.write(key, condition, |_| values)
    }

    fn add(&self, key: &[u8], values: ValueList, condition: Condition) -> Result<(), KvError> {
        self.write(key, condition, |current| match current {
            Some(current) => current.followed_by(&values),
            None => values,
        })
    }

    fn remove(&self, key: &[u8], condition: Condition) -> Result<(), KvError> {
        self.check_exists()?;
        let mut refusal = KvError::NoSuchKey;
        let removed = self.keys.remove_if(key, |_, entry| {
            refusal = KvError::CasMismatch;
            condition.holds(Some(entry.cas))
        });
        let (_, entry) = removed.ok_or(refusal)?;
        self.forget(size(key, &entry.values));
        Ok(())
    }

    fn delete(&self) -> Result<(), KvError> {
        let mut stores = lock(&self.scope.stores);
        if self.deleted.swap(true, Ordering::AcqRel) {
            return Err(KvError::Deleted);
        }
        stores.remove(&self.name);
        drop(stores);
        self.keys.retain(|key, entry| {
            self.forget(size(key, &entry.values));
            false
        });
        Ok(())
    }
}

impl Store {
    fn write(
        &self,
        key: &[u8],
        condition: Condition,
        change: impl FnOnce(Option<&ValueList>) -> ValueList,
    ) -> Result<(), KvError> {
        let written = self.try_write(key, condition, change);
        if written == Err(KvError::CasMismatch) {
            fall_out_of_step();
        }
        written
    }

    fn try_write(
        &self,
        key: &[u8],
        condition: Condition,
        change: impl FnOnce(Option<&ValueList>) -> ValueList,
    ) -> Result<(), KvError> {
        if let Some(mut entry) = self.keys.get_mut(key) {
            return self.replace(&mut entry, condition, change);
        }
        within(key.len(), self.scope.settings.key_bytes, Quota::KeyBytes)?;
        match self.keys.entry(key.into()) {
            Slot::Occupied(mut slot) => self.replace(slot.get_mut(), condition, change),
            Slot::Vacant(slot) => {
                self.check_exists()?;
                if !condition.holds(None) {
                    return Err(KvError::CasMismatch);
                }
                let values = change(None);
                self.check_values(&values)?;
                take(&self.count, 1, self.scope.settings.keys).map_err(|()| KvError::Full(Quota::Keys))?;
                if let Err(error) = self.scope.take_bytes(size(key, &values)) {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return Err(error);
                }
                slot.insert(Entry {
                    values,
                    cas: self.scope.next_cas(),
                });
                Ok(())
            }
        }
    }

    fn replace(
        &self,
        entry: &mut Entry,
        condition: Condition,
        change: impl FnOnce(Option<&ValueList>) -> ValueList,
    ) -> Result<(), KvError> {
        self.check_exists()?;
        if !condition.holds(Some(entry.cas)) {
            return Err(KvError::CasMismatch);
        }
        let values = change(Some(&entry.values));
        self.check_values(&values)?;
        let (before, after) = (entry.values.packed().len(), values.packed().len());
        self.scope.take_bytes(after.saturating_sub(before))?;
        self.scope.give_bytes(before.saturating_sub(after));
        *entry = Entry {
            values,
            cas: self.scope.next_cas(),
        };
        Ok(())
    }

    fn check_exists(&self) -> Result<(), KvError> {
        if self.deleted.load(Ordering::Acquire) {
            return Err(KvError::Deleted);
        }
        Ok(())
    }

    fn check_values(&self, values: &ValueList) -> Result<(), KvError> {
        within(
            values.packed().len(),
            self.scope.settings.value_bytes,
            Quota::ValueBytes,
        )
    }

    /// Takes a key that is gone out of the account.
    fn forget(&self, size: usize) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.scope.give_bytes(size);
    }
}

// === impl Scope ===

impl Scope {
    fn next_cas(&self) -> NonZeroU32 {
        loop {
            let last = self.last_cas.fetch_add(1, Ordering::Relaxed);
            if let Some(cas) = NonZeroU32::new(last.wrapping_add(1)) {
                return cas;
            }
        }
    }

    fn take_bytes(&self, bytes: usize) -> Result<(), KvError> {
        if bytes == 0 {
            return Ok(());
        }
        take(&self.bytes, bytes, self.settings.bytes).map_err(|()| KvError::Full(Quota::Bytes))
    }

    fn give_bytes(&self, bytes: usize) {
        if bytes > 0 {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

// === impl StoreSettings ===

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            stores: 1024,
            keys: 1 << 20,
            key_bytes: 64 << 10,
            value_bytes: 16 << 20,
            bytes: 256 << 20,
        }
    }
}

/// Bytes that count for a key.
fn size(key: &[u8], values: &ValueList) -> usize {
    KEY_OVERHEAD + key.len() + values.packed().len()
}

fn within(value: usize, bound: usize, quota: Quota) -> Result<(), KvError> {
    if value > bound {
        return Err(KvError::Full(quota));
    }
    Ok(())
}

/// Adds to an account, if that leaves it within its bound.
fn take(account: &AtomicUsize, amount: usize, bound: usize) -> Result<(), ()> {
    let add = |current: usize| current.checked_add(amount).filter(|sum| *sum <= bound);
    account
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        .map(drop)
        .map_err(drop)
}

/// Two threads that read and write one key in turns, over and over, wait for each other at its lock and so fall into step: then the same
/// one comes too late each time, thousands of times in a row. Whoever has lost waits a moment that is another one each time.
fn fall_out_of_step() {
    static TURN: AtomicU32 = AtomicU32::new(0);
    // Multiples of the golden ratio spread evenly.
    let turn = TURN.fetch_add(0x9E37_79B9, Ordering::Relaxed);
    for _ in 0..turn >> (u32::BITS - 8) {
        std::hint::spin_loop();
    }
}

/// What the lock guards is whole between any two statements, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_given_back() {
        let stores = InProcessStores::default();
        let scope = stores.scope(b"vm");
        let store = stores.open(b"vm", b"store", true).unwrap();
        let values = |text: &[u8]| ValueList::new([text]);
        let packed = |len: usize| 8 + len;
        store.set(b"key", values(b"12345"), Condition::Always).unwrap();
        assert_eq!(scope.bytes.load(Ordering::Relaxed), KEY_OVERHEAD + 3 + packed(5));
        store.set(b"key", values(b"1"), Condition::Always).unwrap();
        assert_eq!(scope.bytes.load(Ordering::Relaxed), KEY_OVERHEAD + 3 + packed(1));
        store.remove(b"key", Condition::Always).unwrap();
        assert_eq!(scope.bytes.load(Ordering::Relaxed), 0);
        store.set(b"key", values(b"1"), Condition::Always).unwrap();
        store.delete().unwrap();
        assert_eq!(scope.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_value_that_means_no_condition_is_skipped() {
        let scope = Scope::default();
        scope.last_cas.store(u32::MAX - 1, Ordering::Relaxed);
        let values = [scope.next_cas(), scope.next_cas()].map(NonZeroU32::get);
        assert_eq!(values, [u32::MAX, 1]);
    }
}
