//! Stores on a Redis or Valkey server, for a fleet of proxies.

mod cache;
mod scripts;

use crate::backend::{Condition, Entry, KvBackend, KvError, KvStore, Quota};
use crate::in_process::{KEY_OVERHEAD, StoreSettings};
use crate::values::ValueList;
use bytes::Bytes;
use cache::{NearCache, Place, Version};
use dashmap::DashMap;
use proxywasm_redis::{
    Answer, CallError, Connector, Listener, Pipeline, Script, Value, cmd, escape, random_id,
};
use scripts::{DELETE, OPEN, REMOVE, WRITE};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Stores on a Redis or Valkey server. They outlive the process, and all processes that use the same server and prefix share them.
///
/// A write is one round trip, and waits for no longer than the connector's bound; then it answers [`KvError::Unreachable`], and may have
/// happened or not. A read that this process has made before costs no round trip until the server tells that the key has changed.
/// While the server is away, everything answers [`KvError::Unreachable`] at once, reads included.
pub struct RedisStores {
    inner: Arc<Inner>,
    /// Stores by the key of their scope and their name, to open them again.
    opened: DashMap<(Vec<u8>, Box<[u8]>), Arc<RedisStore>>,
}

/// How stores are kept on a server.
#[derive(Debug, Clone)]
pub struct RedisStoreSettings {
    /// What all keys on the server begin with. `proxywasm:kv:`
    pub prefix: String,
    /// Quotas. Those of the process that writes are what counts.
    pub quotas: StoreSettings,
    /// Bytes of entries that are kept in this process, to be read without a round trip. 64 mebibytes.
    pub cache_bytes: usize,
}

/// What all stores share.
struct Inner {
    connector: Connector,
    settings: RedisStoreSettings,
    cache: NearCache,
}

struct RedisStore {
    inner: Arc<Inner>,
    /// The key of the scope, and of the store.
    scope: Vec<u8>,
    store: Vec<u8>,
    id: u128,
    /// The version at which it was known to exist.
    existed: Mutex<Option<Version>>,
    /// Ids are not used again: once deleted, for ever deleted.
    deleted: AtomicBool,
}

/// Stores that are remembered by name; when there are more, all are forgotten.
const OPENED: usize = 4096;

// === impl RedisStores ===

impl RedisStores {
    /// Stores on the server of a connector.
    pub fn new(connector: Connector, settings: RedisStoreSettings) -> Self {
        let inner = Arc::new(Inner {
            cache: NearCache::new(settings.cache_bytes),
            connector,
            settings,
        });
        let listener = Arc::downgrade(&inner);
        inner.connector.add_listener(listener);
        Self {
            inner,
            opened: DashMap::new(),
        }
    }
}

impl KvBackend for RedisStores {
    fn open(&self, scope: &[u8], name: &[u8], create: bool) -> Result<Arc<dyn KvStore>, KvError> {
        let inner = &self.inner;
        let scope = format!("{}{{{}}}", inner.settings.prefix, escape(scope)).into_bytes();
        let place = (scope, name.into());
        if let Some(store) = self.opened.get(&place)
            && store.is_known_to_exist()
        {
            return Ok(Arc::clone(&store) as Arc<dyn KvStore>);
        }
        let quotas = &inner.settings.quotas;
        if name.len() > quotas.key_bytes && create {
            return Err(KvError::Full(Quota::KeyBytes));
        }
        let id = random_id().ok_or(KvError::Unreachable)?;
        let first_cas = random_id().ok_or(KvError::Unreachable)? as u32;
        let answer = inner.connector.call(OPEN.request(
            [&*place.0],
            [
                name,
                flag(create),
                hex(id).as_bytes(),
                first_cas.to_string().as_bytes(),
                quotas.stores.to_string().as_bytes(),
            ],
        ));
        let id = parse_hex(&verdict(answer)?).ok_or(KvError::Unreachable)?;
        let store = Arc::new(RedisStore {
            inner: Arc::clone(inner),
            store: [&*place.0, b":", hex(id).as_bytes()].concat(),
            scope: place.0.clone(),
            id,
            existed: Mutex::new(None),
            deleted: AtomicBool::new(false),
        });
        if self.opened.len() >= OPENED {
            self.opened.clear();
        }
        self.opened.insert(place, Arc::clone(&store));
        Ok(store)
    }
}

// === impl RedisStore ===

impl KvStore for RedisStore {
    fn get(&self, key: &[u8]) -> Result<Entry, KvError> {
        self.check_deleted()?;
        let cache = &self.inner.cache;
        let (bucket, bucket_key) = self.bucket(key);
        // The versions before the server is asked are those that count.
        let versions = [cache.version(self.place()), cache.version(bucket)];
        let [store_version, bucket_version] = versions;
        if self.existed_at(store_version)
            && let Some(cached) = cache.get(self.id, key, bucket_version)
        {
            return cached.ok_or(KvError::NoSuchKey);
        }
        let mut caching = cmd("CLIENT");
        caching.arg("CACHING").arg("YES");
        let mut exists = cmd("EXISTS");
        exists.arg(&*self.store);
        let mut read = cmd("HGET");
        read.arg(&*bucket_key).arg(key);
        let mut request = Pipeline::new();
        for command in [caching.clone(), exists, caching, read] {
            request.add_command(command);
        }
        let answers = self.inner.connector.call(request).map_err(unreachable)?;
        let entry = match <[Value; 4]>::try_from(answers) {
            Ok([_, Value::Int(0), _, _]) => {
                self.deleted.store(true, Ordering::Relaxed);
                return Err(KvError::Deleted);
            }
            Ok([_, _, _, Value::Nil]) => None,
            Ok([_, _, _, Value::BulkString(entry)]) => Some(parse_entry(entry).ok_or(KvError::Unreachable)?),
            _ => return Err(KvError::Unreachable),
        };
        *self.existed.lock().unwrap_or_else(PoisonError::into_inner) = Some(store_version);
        cache.put(self.id, key, bucket_version, entry.clone());
        entry.ok_or(KvError::NoSuchKey)
    }

    fn set(&self, key: &[u8], values: ValueList, condition: Condition) -> Result<(), KvError> {
        self.write(key, &values, condition, false)
    }

    fn add(&self, key: &[u8], values: ValueList, condition: Condition) -> Result<(), KvError> {
        self.write(key, &values, condition, true)
    }

    fn remove(&self, key: &[u8], condition: Condition) -> Result<(), KvError> {
        self.check_deleted()?;
        let (condition, cas) = encoded(condition);
        let overhead = KEY_OVERHEAD.to_string();
        let id = hex(self.id);
        let arguments = [id.as_bytes(), key, condition, &cas, overhead.as_bytes()];
        self.change(key, &REMOVE, &arguments)
    }

    fn delete(&self) -> Result<(), KvError> {
        self.check_deleted()?;
        let keys = [&*self.scope, &self.store];
        let answer = self
            .inner
            .connector
            .call(DELETE.request(keys, [hex(self.id).as_bytes()]));
        self.inner.cache.invalidate(self.place());
        self.done(answer)?;
        self.deleted.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl RedisStore {
    fn write(&self, key: &[u8], values: &ValueList, condition: Condition, adds: bool) -> Result<(), KvError> {
        self.check_deleted()?;
        let quotas = &self.inner.settings.quotas;
        let (condition, cas) = encoded(condition);
        let numbers =
            [quotas.keys, quotas.value_bytes, quotas.bytes, KEY_OVERHEAD].map(|number| number.to_string());
        let id = hex(self.id);
        let mut arguments = vec![id.as_bytes(), key, values.packed(), flag(adds), condition, &cas];
        arguments.extend(numbers.iter().map(|number| number.as_bytes()));
        if key.len() > quotas.key_bytes {
            return Err(KvError::Full(Quota::KeyBytes));
        }
        self.change(key, &WRITE, &arguments)
    }

    /// Runs a script that may change a key.
    fn change(&self, key: &[u8], script: &'static Script, arguments: &[&[u8]]) -> Result<(), KvError> {
        let (bucket, bucket_key) = self.bucket(key);
        let keys = [&*self.scope, &self.store, &bucket_key];
        let answer = self
            .inner
            .connector
            .call(script.request(keys, arguments.iter().copied()));
        // Whoever has written reads it; and whoever has lost a race had read something old.
        self.inner.cache.invalidate(bucket);
        self.done(answer)
    }

    fn done(&self, answer: Answer) -> Result<(), KvError> {
        let done = verdict(answer).map(drop);
        if done == Err(KvError::Deleted) {
            self.deleted.store(true, Ordering::Relaxed);
        }
        done
    }

    fn check_deleted(&self) -> Result<(), KvError> {
        match self.deleted.load(Ordering::Relaxed) {
            true => Err(KvError::Deleted),
            false => Ok(()),
        }
    }

    /// Whether nothing has been heard of the store since it was last seen.
    fn is_known_to_exist(&self) -> bool {
        !self.deleted.load(Ordering::Relaxed) && self.existed_at(self.inner.cache.version(self.place()))
    }

    fn existed_at(&self, version: Version) -> bool {
        *self.existed.lock().unwrap_or_else(PoisonError::into_inner) == Some(version)
    }

    /// The place of the store itself.
    fn place(&self) -> Place {
        Place {
            store: self.id,
            bucket: None,
        }
    }

    /// The bucket of a key, and its name on the server.
    fn bucket(&self, key: &[u8]) -> (Place, Vec<u8>) {
        let bucket = bucket(key);
        let place = Place {
            store: self.id,
            bucket: Some(bucket),
        };
        let mut name = Vec::with_capacity(self.store.len() + 3);
        name.extend_from_slice(&self.store);
        name.extend_from_slice(format!(":{bucket:02x}").as_bytes());
        (place, name)
    }
}

// === impl Inner ===

impl Listener for Inner {
    fn disconnected(&self) {
        self.cache.invalidate_all();
    }

    fn invalidated(&self, key: Option<&[u8]>) {
        match key {
            Some(key) => {
                if let Some(place) = key
                    .strip_prefix(self.settings.prefix.as_bytes())
                    .and_then(parse_place)
                {
                    self.cache.invalidate(place);
                }
            }
            None => self.cache.invalidate_all(),
        }
    }
}

impl Default for RedisStoreSettings {
    fn default() -> Self {
        Self {
            prefix: "proxywasm:kv:".to_owned(),
            quotas: StoreSettings::default(),
            cache_bytes: 64 << 20,
        }
    }
}

// === the forms of things on the server ===

/// What a script says.
fn verdict(answer: Answer) -> Result<Vec<u8>, KvError> {
    let refused = match answer.map_err(unreachable)?.pop() {
        Some(Value::BulkString(verdict)) => match &*verdict {
            b"no store" => KvError::NoSuchStore,
            b"deleted" => KvError::Deleted,
            b"no key" => KvError::NoSuchKey,
            b"cas mismatch" => KvError::CasMismatch,
            b"full stores" => KvError::Full(Quota::Stores),
            b"full keys" => KvError::Full(Quota::Keys),
            b"full value_bytes" => KvError::Full(Quota::ValueBytes),
            b"full bytes" => KvError::Full(Quota::Bytes),
            _ => return Ok(verdict),
        },
        _ => KvError::Unreachable,
    };
    Err(refused)
}

/// A server that cannot do what it is asked is as good as none. Why it cannot, the connector says to whoever runs it.
fn unreachable(_: CallError) -> KvError {
    KvError::Unreachable
}

/// A condition, and its compare-and-swap value as it is kept.
fn encoded(condition: Condition) -> (&'static [u8], [u8; 4]) {
    match condition {
        Condition::Always => (b"any", [0; 4]),
        Condition::Unchanged(cas) => (b"same", cas.get().to_le_bytes()),
        Condition::UnchangedOrMissing(cas) => (b"same_or_none", cas.get().to_le_bytes()),
    }
}

fn flag(flag: bool) -> &'static [u8] {
    match flag {
        true => b"1",
        false => b"0",
    }
}

fn hex(id: u128) -> String {
    format!("{id:032x}")
}

fn parse_hex(text: &[u8]) -> Option<u128> {
    u128::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// The compare-and-swap value and the packed list of a key.
fn parse_entry(entry: Vec<u8>) -> Option<Entry> {
    let mut entry = Bytes::from(entry);
    let cas = u32::from_le_bytes(*entry.first_chunk::<4>()?);
    Some(Entry {
        cas: NonZeroU32::new(cas)?,
        values: ValueList::from_packed(entry.split_off(4))?,
    })
}

/// The place that a key of the server is, without the prefix: `{scope}:id` or `{scope}:id:bucket`. A scope has no colon.
fn parse_place(key: &[u8]) -> Option<Place> {
    let mut parts = std::str::from_utf8(key).ok()?.split(':').skip(1);
    let store = u128::from_str_radix(parts.next()?, 16).ok()?;
    let bucket = match parts.next() {
        Some(bucket) => Some(u8::from_str_radix(bucket, 16).ok()?),
        None => None,
    };
    Some(Place { store, bucket })
}

/// The bucket of a key, the same in all processes: the upper bits of its FNV-1a hash.
fn bucket(key: &[u8]) -> u8 {
    let hash = key.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    (hash >> 24) as u8
}
