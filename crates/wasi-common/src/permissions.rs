//! What a plugin may reach by name, as the embedder's policy has it.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The names that a plugin may use, for each kind of thing that plugins reach by name. One that is not allowed answers `not_allowed`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Permissions {
    /// Upstreams of HTTP and gRPC calls.
    pub upstreams: Allowed,
    /// Key-value stores.
    pub stores: Allowed,
    /// Queues.
    pub queues: Allowed,
    /// Functions of the embedder.
    pub functions: Allowed,
}

/// A set of names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Allowed {
    /// Every name.
    #[default]
    All,
    /// These names and no others.
    Only(BTreeSet<String>),
}

/// The upstreams that calls of plugins can go to. Asked within a hostcall: it must not block.
pub trait Upstreams: Send + Sync {
    /// Whether there is an upstream of this name.
    fn has(&self, name: &[u8]) -> bool;
}

// === impl Allowed ===

impl Allowed {
    /// Whether a name is in the set. A name that is not UTF-8 is in no set but [`Allowed::All`].
    pub fn allows(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => std::str::from_utf8(name).is_ok_and(|name| names.contains(name)),
        }
    }
}

impl<S: Into<String>> FromIterator<S> for Allowed {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self::Only(names.into_iter().map(Into::into).collect())
    }
}

impl Upstreams for BTreeSet<String> {
    fn has(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.contains(name))
    }
}

impl<U: Upstreams + ?Sized> Upstreams for Arc<U> {
    fn has(&self, name: &[u8]) -> bool {
        (**self).has(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let only = Allowed::from_iter(["a", "b"]);
        let table: &[(&Allowed, &[u8], bool)] = &[
            (&Allowed::All, b"a", true),
            (&Allowed::All, b"\xff", true),
            (&only, b"a", true),
            (&only, b"", false),
            (&only, b"A", false),
            (&only, b"\xff", false),
        ];
        for (allowed, name, expected) in table {
            assert_eq!(allowed.allows(name), *expected, "{allowed:?} {name:?}");
        }
    }
}
