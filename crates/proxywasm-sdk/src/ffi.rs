//! Functions of the host's embedder, and calls from it.

use crate::buffer::Buffer;
use crate::hostcalls::ffi;
use crate::raw::BufferType;
use crate::status::Result;
use crate::values::{self, Values};

/// What most results fit into, in bytes.
const USUAL_SIZE: usize = 256;

/// A function that the embedder of the host registered.
///
/// ```no_run
/// use proxywasm_sdk::{Function, Result};
///
/// /// Where an address is, as the embedder knows.
/// fn country(address: &str) -> Result<Option<Vec<u8>>> {
///     let results = Function::resolve("country")?.call(&[address])?;
///     Ok(results.first().map(<[u8]>::to_vec))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Function {
    id: u32,
}

/// A call from the embedder; what its number means is agreed between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CustomCallback {
    id: u32,
}

// === impl Function ===

impl Function {
    /// Finds a function by its name.
    ///
    /// # Errors
    /// `not_found` if there is none, `not_allowed` if the host's policy forbids it.
    pub fn resolve(name: &str) -> Result<Self> {
        ffi::resolve(name).map(|id| Self { id })
    }

    /// A function whose number is agreed with the embedder.
    pub const fn of_number(id: u32) -> Self {
        Self { id }
    }

    /// Calls the function, and returns its results.
    ///
    /// # Errors
    /// `bad_argument` if there is no such function or it refuses the parameters, `not_allowed` if the host's policy forbids it,
    /// `internal_failure` if it fails.
    pub fn call<V: AsRef<[u8]>>(&self, parameters: &[V]) -> Result<Values> {
        let return_id = ffi::call(self.id, &values::regions(parameters))?;
        let mut results = Vec::with_capacity(USUAL_SIZE);
        ffi::results(return_id, &mut results)?;
        Ok(Values::new(results))
    }
}

// === impl CustomCallback ===

impl CustomCallback {
    pub(crate) const fn new(id: u32) -> Self {
        Self { id }
    }

    /// Its number.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// What the embedder passes.
    ///
    /// # Errors
    /// `bad_argument` once the callback has returned.
    pub fn parameters(&self) -> Result<Values> {
        let block = Buffer::new(self.id, BufferType::CUSTOM_PARAMETERS).read()?;
        Ok(Values::new(block))
    }

    /// Sets what the embedder gets back, in place of what was set before.
    ///
    /// # Errors
    /// `bad_argument` once the callback has returned, `unavailable` if the results are too large for the host.
    pub fn set_results<V: AsRef<[u8]>>(&self, results: &[V]) -> Result<()> {
        ffi::set_callback_results(self.id, &values::regions(results))
    }
}
