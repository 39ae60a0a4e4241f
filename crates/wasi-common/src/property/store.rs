//! Properties that plugins set, and what they declare of them.

use super::{PropertyPath, PropertyValue};
use crate::Status;
use rustc_hash::FxHashMap;

/// Properties that plugins have set, by their whole path.
#[derive(Debug, Default)]
pub struct PropertyStore {
    values: FxHashMap<Box<[u8]>, Stored>,
    bytes: usize,
}

/// What a plugin has declared of properties that it is going to set, by their whole path.
#[derive(Debug, Default)]
pub struct Declarations(FxHashMap<Box<[u8]>, Declaration>);

/// What a plugin declares of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Declaration {
    /// Whether it can be set only once.
    pub read_only: bool,
    /// Whether it is text rather than bytes, for expressions.
    pub is_text: bool,
}

#[derive(Debug)]
struct Stored {
    value: Vec<u8>,
    declaration: Declaration,
}

/// The path below which the state of filters is.
const FILTER_STATE: &[u8] = b"filter_state";

/// What comes before the names of properties of plugins among the state of filters.
const OF_PLUGINS: &[u8] = b"wasm.";

// === impl PropertyStore ===

impl PropertyStore {
    /// The value at a path: that which was set there, or, below `filter_state`, that of one name, or all. What plugins set is there
    /// under its path behind `wasm.`, as with Envoy.
    pub fn get(&self, path: PropertyPath<'_>) -> Option<&[u8]> {
        self.find(path).map(|stored| stored.value.as_slice())
    }

    /// As [`PropertyStore::get`], with the type; and all of `filter_state` as a map, if there is any.
    pub fn value(&self, path: PropertyPath<'_>) -> Option<PropertyValue> {
        if path.as_bytes() == FILTER_STATE {
            return self.filter_state().map(PropertyValue::Struct);
        }
        self.find(path).map(Stored::value)
    }

    /// Sets a value. `limit` bounds the bytes of all paths and values.
    ///
    /// # Errors
    /// `not_allowed` where it was set as read-only, `unavailable` beyond the limit. Nothing has changed then.
    pub fn set(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declaration: Declaration,
        limit: usize,
    ) -> Result<(), Status> {
        let old = self.values.get(path.as_bytes());
        if old.is_some_and(|old| old.declaration.read_only) {
            return Err(Status::NotAllowed);
        }
        let old = old.map_or(0, |old| path.as_bytes().len() + old.value.len());
        let size = self.bytes - old + path.as_bytes().len() + value.len();
        if size > limit {
            return Err(Status::Unavailable);
        }
        self.bytes = size;
        let value = value.to_vec();
        self.values
            .insert(path.as_bytes().into(), Stored { value, declaration });
        Ok(())
    }

    /// Sets what is at `filter_state` and a name.
    ///
    /// # Errors
    /// As [`PropertyStore::set`].
    pub fn set_filter_state(&mut self, name: &[u8], value: &[u8], limit: usize) -> Result<(), Status> {
        let path = [FILTER_STATE, name].join(&0);
        let declaration = Declaration {
            is_text: true,
            read_only: false,
        };
        self.set(PropertyPath(&path), value, declaration, limit)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if self.bytes > 0 || !self.values.is_empty() {
            *self = Self::default();
        }
    }

    fn find(&self, path: PropertyPath<'_>) -> Option<&Stored> {
        self.values.get(path.as_bytes()).or_else(|| {
            let (root, name) = path.split_first();
            let own = name?.as_bytes().strip_prefix(OF_PLUGINS)?;
            self.values.get(own).filter(|_| root == FILTER_STATE)
        })
    }

    fn filter_state(&self) -> Option<Vec<(Vec<u8>, PropertyValue)>> {
        let members = self.values.iter().map(|(path, stored)| {
            let name = match PropertyPath(path).split_first() {
                (FILTER_STATE, Some(name)) => name.as_bytes().to_vec(),
                _ => [OF_PLUGINS, path].concat(),
            };
            (name, stored.value())
        });
        let mut members: Vec<_> = members.collect();
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        (!members.is_empty()).then_some(members)
    }
}

// === impl Stored ===

impl Stored {
    fn value(&self) -> PropertyValue {
        match self.declaration.is_text {
            true => PropertyValue::Bytes(self.value.clone()),
            false => PropertyValue::Opaque(self.value.clone()),
        }
    }
}

// === impl Declarations ===

impl Declarations {
    /// What was declared of a property; what was not is bytes, and can be set again.
    pub fn get(&self, path: PropertyPath<'_>) -> Declaration {
        self.0.get(path.as_bytes()).copied().unwrap_or_default()
    }

    /// Declares a property.
    ///
    /// # Errors
    /// `bad_argument` where it has been declared, `unavailable` where `limit` others have been.
    pub fn add(
        &mut self,
        path: PropertyPath<'_>,
        declaration: Declaration,
        limit: usize,
    ) -> Result<(), Status> {
        if self.0.contains_key(path.as_bytes()) {
            return Err(Status::BadArgument);
        }
        if self.0.len() >= limit {
            return Err(Status::Unavailable);
        }
        self.0.insert(path.as_bytes().into(), declaration);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_forgetful() {
        let path = PropertyPath::new(b"mine");
        let mut store = PropertyStore::default();
        let mut set = |path: &str, value: &str| {
            store.set(
                PropertyPath::new(path.as_bytes()),
                value.as_bytes(),
                Declaration::default(),
                10,
            )
        };
        assert_eq!(set("mine", "123456"), Ok(()));
        assert_eq!(set("mine", "654321"), Ok(()), "replacing needs no more room");
        assert_eq!(set("b", "1"), Err(Status::Unavailable));
        assert_eq!(set("mine", "1234567"), Err(Status::Unavailable));
        assert_eq!(store.get(path), Some(&b"654321"[..]));
        store.clear();
        assert_eq!(store.get(path), None);
        assert_eq!(store.set(path, b"123456", Declaration::default(), 10), Ok(()));
    }

    #[test]
    fn declared() {
        let mut declarations = Declarations::default();
        let path = PropertyPath::new(b"mine");
        let declaration = Declaration {
            read_only: true,
            is_text: true,
        };
        assert_eq!(declarations.add(path, declaration, 1), Ok(()));
        assert_eq!(declarations.add(path, declaration, 9), Err(Status::BadArgument));
        let other = PropertyPath::new(b"other");
        assert_eq!(declarations.add(other, declaration, 1), Err(Status::Unavailable));
        assert_eq!(declarations.get(other), Declaration::default());
        let mut store = PropertyStore::default();
        assert_eq!(store.set(path, b"a", declarations.get(path), 100), Ok(()));
        assert_eq!(store.set(path, b"b", declaration, 100), Err(Status::NotAllowed));
        assert_eq!(store.value(path), Some(PropertyValue::from("a")));
    }

    #[test]
    fn filter_state() {
        let mut store = PropertyStore::default();
        let path = |text: &'static str| PropertyPath::new(text.as_bytes());
        assert_eq!(store.value(path("filter_state")), None);
        store
            .set(path("mine\0deep"), b"1", Declaration::default(), 100)
            .unwrap();
        store.set_filter_state(b"key", b"2", 100).unwrap();
        let table: &[(&str, Option<&[u8]>)] = &[
            ("mine\0deep", Some(b"1")),
            ("filter_state\0wasm.mine\0deep", Some(b"1")),
            ("filter_state\0key", Some(b"2")),
            ("filter_state\0mine\0deep", None),
            ("other\0wasm.mine\0deep", None),
            ("key", None),
        ];
        for (text, expected) in table {
            assert_eq!(store.get(path(text)), *expected, "{text:?}");
        }
        let member = |name: &str, value| (name.as_bytes().to_vec(), value);
        let all = vec![
            member("key", PropertyValue::from("2")),
            member("wasm.mine\0deep", PropertyValue::Opaque(b"1".to_vec())),
        ];
        assert_eq!(
            store.value(path("filter_state")),
            Some(PropertyValue::Struct(all))
        );
    }
}
