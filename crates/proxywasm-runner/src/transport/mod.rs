//! Connections as bytes: over TCP or a UNIX socket, with TLS or without. Both sides of the proxy use them.
//!
//! A [`Socket`] is what the system gives, a [`Stream`] what HTTP and TCP plugins read and write. Both are enums, so that nothing on
//! the way of a byte goes through a table of functions.

mod address;
mod executor;
mod flood;
mod listener;
mod socket;
mod stream;
mod watched;

pub use address::{Address, AddressError};
pub(crate) use executor::LocalExecutor;
pub(crate) use flood::{FloodGuard, GOAWAY};
pub(crate) use listener::{BoundListener, Listener};
pub(crate) use socket::{BoundSocket, Socket};
pub(crate) use stream::Stream;
pub(crate) use watched::{Watch, Watched};
