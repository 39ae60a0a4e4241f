//! The functions of the embedder.

use crate::call::CallContext;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;
use wasi_common::Status;

/// The functions that plugins can call, by name and by number. It is filled once and then shared by all workers.
#[derive(Default)]
pub struct FunctionRegistry {
    by_number: BTreeMap<u32, Registered>,
    by_name: HashMap<String, u32>,
}

/// A function of the embedder: gets the parameters in their order and returns any number of results.
///
/// Of its caller it sees, and may change, what the [`CallContext`] offers. It is called within a hostcall, on whichever worker the plugin runs, so it must not block and cannot enter a plugin.
pub type Function = dyn Fn(&mut CallContext<'_>, &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> + Send + Sync;

/// Why a function of the embedder did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FunctionError {
    /// The parameters are wrong: `bad_argument`.
    #[error("the parameters are refused: {0}")]
    BadArgument(String),
    /// What the parameters name does not exist: `not_found`.
    #[error("not found: {0}")]
    NotFound(String),
    /// The plugin may not do this: `not_allowed`.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// It cannot be done now, and may be later: `unavailable`.
    #[error("not now: {0}")]
    Unavailable(String),
    /// Anything else: `internal_failure`.
    #[error("{0}")]
    Failed(String),
}

/// Why a function cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// Another function has the name.
    #[error("the function `{name}` is registered already; give each function a name of its own")]
    NameInUse {
        /// The name.
        name: String,
    },
    /// Another function has the number.
    #[error("the number {number} of the function `{name}` is that of `{other}`; choose another one")]
    NumberInUse {
        /// The number.
        number: u32,
        /// The function that was to get it.
        name: String,
        /// The function that has it.
        other: String,
    },
    /// No number is left.
    #[error("no number is left for the function `{name}`; choose lower numbers for the others")]
    NoNumberLeft {
        /// The function that was to get one.
        name: String,
    },
}

pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) function: Arc<Function>,
}

// === impl FunctionRegistry ===

impl FunctionRegistry {
    /// A registry without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function and returns its number: the next one after the greatest.
    ///
    /// # Errors
    /// The name is in use, or no number is left.
    pub fn register<F>(&mut self, name: impl Into<String>, function: F) -> Result<u32, RegisterError>
    where
        F: Fn(&mut CallContext<'_>, &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> + Send + Sync + 'static,
    {
        let name = name.into();
        let greatest = self.by_number.last_key_value().map_or(0, |(number, _)| *number);
        let Some(number) = greatest.checked_add(1) else {
            return Err(RegisterError::NoNumberLeft { name });
        };
        self.register_as(number, name, function)?;
        Ok(number)
    }

    /// Adds a function under a number that plugins know.
    ///
    /// # Errors
    /// The name or the number is in use.
    pub fn register_as<F>(
        &mut self,
        number: u32,
        name: impl Into<String>,
        function: F,
    ) -> Result<(), RegisterError>
    where
        F: Fn(&mut CallContext<'_>, &[&[u8]]) -> Result<Vec<Bytes>, FunctionError> + Send + Sync + 'static,
    {
        let name = name.into();
        if self.by_name.contains_key(&name) {
            return Err(RegisterError::NameInUse { name });
        }
        if let Some(other) = self.by_number.get(&number) {
            let other = other.name.clone();
            return Err(RegisterError::NumberInUse { number, name, other });
        }
        self.by_name.insert(name.clone(), number);
        let function = Arc::new(function);
        self.by_number.insert(number, Registered { name, function });
        Ok(())
    }

    /// The names and numbers of all functions, by number.
    pub fn names(&self) -> impl Iterator<Item = (u32, &str)> {
        let all = self.by_number.iter();
        all.map(|(number, registered)| (*number, registered.name.as_str()))
    }

    pub(crate) fn number(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(std::str::from_utf8(name).ok()?).copied()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Registered> {
        self.by_number.get(&number)
    }
}

impl fmt::Debug for FunctionRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.names()).finish()
    }
}

// === impl FunctionError ===

impl FunctionError {
    /// The status that the plugin gets.
    pub fn status(&self) -> Status {
        match self {
            Self::BadArgument(_) => Status::BadArgument,
            Self::NotFound(_) => Status::NotFound,
            Self::NotAllowed(_) => Status::NotAllowed,
            Self::Unavailable(_) => Status::Unavailable,
            Self::Failed(_) => Status::InternalFailure,
        }
    }
}

impl From<Status> for FunctionError {
    /// The error by which a function passes on what a core answered.
    fn from(status: Status) -> Self {
        let text = format!("{status:?}");
        match status {
            Status::NotFound => Self::NotFound(text),
            Status::NotAllowed => Self::NotAllowed(text),
            Status::Unavailable | Status::BufferTooSmall => Self::Unavailable(text),
            Status::InternalFailure | Status::Unimplemented => Self::Failed(text),
            _ => Self::BadArgument(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let mut registry = FunctionRegistry::new();
        let nothing = |_: &mut CallContext<'_>, _: &[&[u8]]| Ok(Vec::new());
        assert_eq!(registry.register("a", nothing), Ok(1));
        assert_eq!(registry.register_as(0, "zero", nothing), Ok(()));
        assert_eq!(registry.register_as(70, "b", nothing), Ok(()));
        assert_eq!(registry.register("c", nothing), Ok(71));
        let refused = registry.register("a", nothing).unwrap_err();
        assert!(refused.to_string().contains("`a`"));
        let refused = registry.register_as(70, "d", nothing).unwrap_err();
        assert!(refused.to_string().contains("70") && refused.to_string().contains("`b`"));
        assert_eq!(registry.register_as(u32::MAX, "last", nothing), Ok(()));
        let none_left = RegisterError::NoNumberLeft { name: "d".into() };
        assert_eq!(registry.register("d", nothing), Err(none_left));
        let names: Vec<_> = registry.names().collect();
        assert_eq!(
            names,
            [(0, "zero"), (1, "a"), (70, "b"), (71, "c"), (u32::MAX, "last")]
        );
        let numbers: &[(&[u8], Option<u32>)] =
            &[(b"b", Some(70)), (b"d", None), (b"\xff", None), (b"", None)];
        for (name, expected) in numbers {
            assert_eq!(registry.number(name), *expected);
        }
    }
}
