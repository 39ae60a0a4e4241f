//! The environment variables of a plugin.

use crate::output::Unfinished;
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// What WASI knows of one instance. Cheap to clone: instances of the same plugin share it.
#[derive(Debug, Clone, Default)]
pub struct Wasi {
    environment: Arc<Environment>,
    pub(crate) unfinished: Unfinished,
}

#[derive(Debug, Default)]
struct Environment {
    /// `NAME=value` and a NUL, one after the other.
    block: Vec<u8>,
    /// Where each begins.
    starts: Vec<u32>,
}

/// An environment variable that cannot be handed to a plugin.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EnvironmentError {
    /// The name is empty, or holds an equals sign or a NUL.
    #[error("environment variable {0:?}: a name must not be empty, nor hold '=' or a NUL; rename it")]
    Name(String),
    /// The value holds a NUL.
    #[error("environment variable {0:?}: its value holds a NUL, which ends a value; remove it")]
    Value(String),
    /// All together are too long.
    #[error(
        "the environment variables take {0} bytes, more than the {MAX_ENVIRONMENT_BYTES} a plugin may get; drop some"
    )]
    TooLong(usize),
}

/// Bytes of all environment variables together.
pub const MAX_ENVIRONMENT_BYTES: usize = 1 << 20;

// === impl Wasi ===

impl Wasi {
    /// Offers environment variables. A plugin sees them sorted by name, so that it behaves the same on every run; of two with
    /// the same name it sees the last.
    ///
    /// # Errors
    /// A name or value that has no form `NAME=value`, and more than [`MAX_ENVIRONMENT_BYTES`].
    pub fn new<K: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, EnvironmentError> {
        let sorted: BTreeMap<String, String> = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let mut environment = Environment::default();
        for (name, value) in sorted {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(EnvironmentError::Name(name));
            }
            if value.contains('\0') {
                return Err(EnvironmentError::Value(name));
            }
            environment.starts.push(environment.block.len() as u32);
            environment
                .block
                .extend_from_slice(format!("{name}={value}\0").as_bytes());
            if environment.block.len() > MAX_ENVIRONMENT_BYTES {
                return Err(EnvironmentError::TooLong(environment.block.len()));
            }
        }
        Ok(Self {
            environment: Arc::new(environment),
            unfinished: Unfinished::default(),
        })
    }

    /// All variables, each as `NAME=value` and a NUL.
    pub(crate) fn block(&self) -> &[u8] {
        &self.environment.block
    }

    /// Where in the block each variable begins.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.environment.starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused() {
        let table = [
            (("", "v"), EnvironmentError::Name(String::new())),
            (("A=B", "v"), EnvironmentError::Name("A=B".into())),
            (("A\0", "v"), EnvironmentError::Name("A\0".into())),
            (("A", "\0"), EnvironmentError::Value("A".into())),
        ];
        for (variable, expected) in table {
            assert_eq!(Wasi::new([variable]).unwrap_err(), expected);
        }
        let long = "x".repeat(MAX_ENVIRONMENT_BYTES);
        assert_eq!(
            Wasi::new([("A", long)]).unwrap_err(),
            EnvironmentError::TooLong(MAX_ENVIRONMENT_BYTES + 3)
        );
    }

    #[test]
    fn sorted_and_the_last_wins() {
        let wasi = Wasi::new([("B", "1"), ("A", "2"), ("B", "3=")]).unwrap();
        assert_eq!(wasi.block(), b"A=2\0B=3=\0");
        assert_eq!(wasi.starts(), [0, 4]);
    }
}
