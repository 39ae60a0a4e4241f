//! `wasi-kvstore`: key-value stores that plugins share, as seed page "wasi-kvstore" of the Proxy-Wasm talk of April 2021 has them.
//!
//! A key has an ordered list of values and a compare-and-swap value, which every write changes. Stores are shared by all plugins of a VM
//! id, across instances and workers, and live in a [`KvBackend`] that the embedder chooses: [`InProcessStores`], or one of its own.
//!
//! It is no database: it neither lists keys nor expires them, and what [`InProcessStores`] holds goes with the process. With the feature
//! `redis` there are `RedisStores`, which a fleet of proxies shares and which outlive each of them.
//!
//! All semantics are in [`KvStores`], typed and free of guest memory. [`hostcalls`] is the codec of the component ABI over it. The
//! *shared data* of the older ABIs is a store of the same backend, with one value for each key ([`KvStores::shared_data`]).
//!
//! # Example
//!
//! A backend without any guest. The README has one with a guest, on a bare linker.
//!
//! ```
//! use wasi_kvstore::{Condition, InProcessStores, KvBackend, KvError, ValueList};
//!
//! let stores = InProcessStores::default();
//! let store = stores.open(b"my VM id", b"sessions", true)?;
//! store.set(b"alice", ValueList::new([&b"admin"[..]]), Condition::Always)?;
//! store.add(b"alice", ValueList::new([&b"editor"[..]]), Condition::Always)?;
//!
//! let entry = store.get(b"alice")?;
//! assert!(entry.values.iter().eq([&b"admin"[..], b"editor"]));
//!
//! // Two writers have read the same entry: the second one loses, and reads again.
//! let unchanged = Condition::Unchanged(entry.cas);
//! store.set(b"alice", ValueList::new([&b"guest"[..]]), unchanged)?;
//! assert_eq!(store.remove(b"alice", unchanged), Err(KvError::CasMismatch));
//! # Ok::<(), KvError>(())
//! ```
#![forbid(unsafe_code)]

pub mod backend;
pub mod bindings;
pub mod core;
pub mod hostcalls;
pub mod in_process;
#[cfg(feature = "redis")]
pub mod redis;
pub mod values;

pub use self::core::KvStores;
pub use backend::{Condition, Entry, KvBackend, KvError, KvStore, Quota};
pub use bindings::add_to_linker;
pub use in_process::{InProcessStores, StoreSettings};
#[cfg(feature = "redis")]
pub use redis::{RedisStoreSettings, RedisStores};
pub use values::ValueList;

/// Store data that holds the stores which plugins have opened.
pub trait KvStoreView: wasi_common::CommonView {
    /// The shared state and the stores.
    fn kv_stores(&mut self) -> (&mut wasi_common::Common, &mut KvStores);
}

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
