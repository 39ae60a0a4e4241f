//! What was read from the server and has not changed since.

use crate::backend::Entry;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// A cache whose entries are as good as the version at which they were read.
///
/// A reader takes the version of a place before it asks the server, and puts the answer in under that version. Whatever says that the
/// place has changed only raises its version. So it does not matter in which order an answer and the news that it is out of date come: an
/// entry under an older version is never seen again. Places share versions by hash, which costs a needless read at times.
pub(super) struct NearCache {
    versions: Box<[AtomicU64]>,
    entries: Cache<Key, Cached, Bytes>,
}

/// Something on the server that changes as one: a bucket of a store, or whether the store exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) store: u128,
    pub(super) bucket: Option<u8>,
}

/// The version of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(u64);

struct Key {
    store: u128,
    key: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct KeyRef<'a> {
    store: u128,
    key: &'a [u8],
}

#[derive(Clone)]
struct Cached {
    version: u64,
    /// `None`: there is no such key.
    entry: Option<Entry>,
}

/// Weighs entries by the bytes they take.
#[derive(Clone)]
struct Bytes;

/// Bytes that an entry takes besides its key and values, about.
const OVERHEAD: usize = 128;

/// A power of two, so that the upper bits of a product are an index.
const VERSIONS: usize = 1 << 14;

// === impl NearCache ===

impl NearCache {
    /// A cache of entries that take at most so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            versions: (0..VERSIONS).map(|_| AtomicU64::new(0)).collect(),
            entries: Cache::with_weighter(bytes / 512 + 1, bytes as u64, Bytes),
        }
    }

    pub(super) fn version(&self, place: Place) -> Version {
        Version(self.slot(place).map_or(0, |slot| slot.load(Ordering::Acquire)))
    }

    /// The entry of a key, if it was read since the bucket, of this version, has changed last. The inner option is whether the key
    /// exists.
    pub(super) fn get(&self, store: u128, key: &[u8], version: Version) -> Option<Option<Entry>> {
        let cached = self.entries.get(&KeyRef { store, key })?;
        (cached.version == version.0).then_some(cached.entry)
    }

    /// Keeps what was read after the bucket had this version.
    pub(super) fn put(&self, store: u128, key: &[u8], version: Version, entry: Option<Entry>) {
        let key = key.into();
        let version = version.0;
        self.entries.insert(Key { store, key }, Cached { version, entry });
    }

    /// A place has changed, or might have.
    pub(super) fn invalidate(&self, place: Place) {
        if let Some(slot) = self.slot(place) {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Everything might have changed.
    pub(super) fn invalidate_all(&self) {
        for version in &self.versions {
            version.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn slot(&self, place: Place) -> Option<&AtomicU64> {
        let bucket = place.bucket.map_or(256, u64::from);
        let mixed = (place.store as u64 ^ bucket).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.versions.get((mixed >> (64 - VERSIONS.ilog2())) as usize)
    }
}

impl Weighter<Key, Cached> for Bytes {
    fn weight(&self, key: &Key, cached: &Cached) -> u64 {
        let values = cached
            .entry
            .as_ref()
            .map_or(0, |entry| entry.values.packed().len());
        (key.key.len() + values + OVERHEAD) as u64
    }
}

// === impl Key ===

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { store, key } = self;
        KeyRef { store: *store, key }.hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.store == other.store && self.key == other.key
    }
}

impl Eq for Key {}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.store.hash(state);
        self.key.hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.store == key.store && self.key == &*key.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::ValueList;
    use std::num::NonZeroU32;

    const PLACE: Place = Place {
        store: 1,
        bucket: Some(2),
    };

    fn entry(value: &[u8]) -> Option<Entry> {
        Some(Entry {
            values: ValueList::new([value]),
            cas: NonZeroU32::MIN,
        })
    }

    #[test]
    fn an_answer_and_the_news_that_it_is_old() {
        let cache = NearCache::new(1 << 20);
        let get = || cache.get(1, b"k", cache.version(PLACE));
        assert_eq!(get(), None);

        // The answer is put in, then the news comes.
        cache.put(1, b"k", cache.version(PLACE), entry(b"old"));
        assert_eq!(get(), Some(entry(b"old")));
        cache.invalidate(PLACE);
        assert_eq!(get(), None);

        // The news comes while the answer is on its way to the reader.
        let asked = cache.version(PLACE);
        cache.invalidate(PLACE);
        cache.put(1, b"k", asked, entry(b"old"));
        assert_eq!(get(), None);

        // That there is no key is an answer too.
        cache.put(1, b"k", cache.version(PLACE), None);
        assert_eq!(get(), Some(None));
        cache.invalidate_all();
        assert_eq!(get(), None);
    }

    #[test]
    fn stores_keys_and_buckets_are_told_apart() {
        let cache = NearCache::new(1 << 20);
        cache.put(1, b"k", cache.version(PLACE), entry(b"1"));
        cache.put(2, b"k", cache.version(PLACE), entry(b"2"));
        cache.put(1, b"l", cache.version(PLACE), entry(b"3"));
        for (bucket, store) in [(None, 1), (Some(3), 1), (Some(2), 2)] {
            cache.invalidate(Place { store, bucket });
        }
        for (store, key, value) in [(1, b"k", b"1"), (2, b"k", b"2"), (1, b"l", b"3")] {
            assert_eq!(cache.get(store, key, cache.version(PLACE)), Some(entry(value)));
        }
    }

    #[test]
    fn its_size_is_bounded() {
        let cache = NearCache::new(64 << 10);
        let value = vec![b'v'; 900];
        for key in 0..10_000u32 {
            cache.put(1, &key.to_le_bytes(), cache.version(PLACE), entry(&value));
        }
        let kept = (0..10_000u32)
            .filter(|key| cache.get(1, &key.to_le_bytes(), cache.version(PLACE)).is_some())
            .count();
        assert!((1..=64).contains(&kept), "{kept}");
    }
}
