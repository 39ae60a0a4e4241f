//! Sockets as they are handed over to another process.

use super::Name;
use super::inherited::WITH_FILE;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A second descriptor of a socket that is listened on. While there is one, connections can wait there, though nobody may accept them.
#[derive(Debug)]
pub(crate) struct Held {
    name: Name,
    with_file: bool,
    descriptor: OwnedFd,
}

// === impl Held ===

impl Held {
    pub(super) fn new(name: &Name, with_file: bool, socket: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self {
            name: name.clone(),
            with_file,
            descriptor: socket.try_clone_to_owned()?,
        })
    }

    /// How it is called, and a descriptor to give away.
    pub(crate) fn handed_over(&self) -> io::Result<(String, OwnedFd)> {
        let mut name = self.name.encode();
        if self.with_file {
            name.push_str(WITH_FILE);
        }
        Ok((name, self.descriptor.try_clone()?))
    }
}
