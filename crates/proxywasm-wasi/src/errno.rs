//! Error numbers of WASI preview 1, as far as this host answers with them.

/// An error number of WASI preview 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Errno {
    /// No error.
    Success = 0,
    /// No such file descriptor.
    Badf = 8,
    /// An address is outside of the memory.
    Fault = 21,
    /// An argument is out of its range.
    Inval = 28,
    /// An input or output error.
    Io = 29,
    /// No such file.
    Noent = 44,
    /// The function is not there.
    Nosys = 52,
    /// Not a directory.
    Notdir = 54,
    /// The host does not support this.
    Notsup = 58,
    /// The host does not allow it.
    Notcapable = 76,
}

// === impl Errno ===

impl Errno {
    /// What a function returns to the guest.
    pub(crate) fn number(result: Result<(), Self>) -> i32 {
        match result {
            Ok(()) => Self::Success as i32,
            Err(errno) => errno as i32,
        }
    }
}
