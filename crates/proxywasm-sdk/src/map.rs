//! Maps of a stream: headers, trailers, metadata.

use crate::hostcalls::{self, Region};
use crate::pairs::{self, Pairs};
use crate::raw::MapType;
use crate::status::Result;

/// What most reads of a few headers fit into, in bytes.
const USUAL_SIZE: usize = 256;

/// A map of a stream, as a view: every call asks the host. Keys are in lower case, their order and duplicates
/// are kept.
///
/// All calls report [`Status::INVALID_OPERATION`](crate::Status::INVALID_OPERATION) when the map does not
/// exist in the phase that the stream is in.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    id: u32,
    kind: MapType,
}

/// Changes of a map that are made together, by one hostcall: all or none. Removals come first, whatever their
/// order here.
#[derive(Debug, Clone)]
#[must_use = "nothing changes before `apply`"]
pub struct Edit<'a> {
    map: Map,
    remove: Vec<&'a [u8]>,
    add: Vec<(&'a [u8], &'a [u8])>,
}

// === impl Map ===

impl Map {
    pub(crate) const fn new(id: u32, kind: MapType) -> Self {
        Self { id, kind }
    }

    /// The first value of a key; `None` if there is none.
    ///
    /// # Errors
    /// What [`Map`] tells.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.read(&[key])?.get(key).map(<[u8]>::to_vec))
    }

    /// All values of a key, in their order.
    ///
    /// # Errors
    /// What [`Map`] tells.
    pub fn get_all(&self, key: &str) -> Result<Vec<Vec<u8>>> {
        Ok(self.read(&[key])?.get_all(key).map(<[u8]>::to_vec).collect())
    }

    /// All pairs.
    ///
    /// # Errors
    /// What [`Map`] tells.
    pub fn pairs(&self) -> Result<Pairs> {
        self.read(&[])
    }

    /// All pairs of some keys, by one hostcall; without keys, the whole map. `*` stands for all keys that do
    /// not start with a colon, `:*` for all that do.
    ///
    /// # Errors
    /// What [`Map`] tells.
    pub fn read(&self, keys: &[&str]) -> Result<Pairs> {
        let mut pairs = Pairs::new();
        self.read_into(keys, &mut pairs)?;
        Ok(pairs)
    }

    /// Like [`read`](Self::read), but reuses the memory of earlier pairs, which are gone.
    ///
    /// # Errors
    /// What [`Map`] tells; then there are no pairs.
    pub fn read_into(&self, keys: &[&str], pairs: &mut Pairs) -> Result<()> {
        let block = pairs.cleared();
        block.reserve(USUAL_SIZE);
        // A few keys need no allocation.
        match keys {
            [] => hostcalls::get_map_values(self.id, self.kind, &[], block),
            [key] => hostcalls::get_map_values(self.id, self.kind, &[Region::new(key.as_bytes())], block),
            keys => {
                let keys: Vec<_> = keys.iter().map(|key| Region::new(key.as_bytes())).collect();
                hostcalls::get_map_values(self.id, self.kind, &keys, block)
            }
        }
    }

    /// Adds a pair behind all others.
    ///
    /// # Errors
    /// What [`Map`] tells; `bad_argument` for a key or value that must not be in such a map,
    /// `invalid_operation` for a read-only map, `unavailable` when it would become larger than the host
    /// permits. Then nothing has changed.
    pub fn add(&self, key: &str, value: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        self.change(&[], key, value.as_ref())
    }

    /// Removes all pairs of a key and adds one.
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    pub fn set(&self, key: &str, value: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        self.change(&[Region::new(key.as_bytes())], key, value.as_ref())
    }

    /// Removes all pairs of a key, if there are any.
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    pub fn remove(&self, key: &str) -> Result<()> {
        hostcalls::set_map_values(self.id, self.kind, &[Region::new(key.as_bytes())], &[])
    }

    /// Starts changes that are made together.
    pub const fn edit<'a>(&self) -> Edit<'a> {
        Edit {
            map: *self,
            remove: Vec::new(),
            add: Vec::new(),
        }
    }

    fn change(&self, remove: &[Region<'_>], key: &str, value: &[u8]) -> Result<()> {
        let (count, key_len, value_len) = (pairs::wire(1), pairs::wire(key.len()), pairs::wire(value.len()));
        let content = [&count[..], &key_len, &value_len, key.as_bytes(), value].map(Region::new);
        hostcalls::set_map_values(self.id, self.kind, remove, &content)
    }
}

// === impl Edit ===

impl<'a> Edit<'a> {
    /// Adds a pair behind all others.
    pub fn add(mut self, key: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.add.push((key.as_bytes(), value.as_ref()));
        self
    }

    /// Removes all pairs of a key and adds one.
    pub fn set(self, key: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.remove(key).add(key, value)
    }

    /// Removes all pairs of a key, if there are any. `*` stands for all keys that do not start with a colon,
    /// `:*` for all that do.
    pub fn remove(mut self, key: &'a str) -> Self {
        self.remove.push(key.as_bytes());
        self
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// Those of [`Map::add`]; then nothing has changed.
    pub fn apply(self) -> Result<()> {
        let content = pairs::block(&self.add);
        let remove: Vec<_> = self.remove.iter().map(|key| Region::new(key)).collect();
        hostcalls::set_map_values(self.map.id, self.map.kind, &remove, &[Region::new(&content)])
    }
}
