//! `wasi-queue`: queues that plugins share, as seed page "wasi-queue" of the Proxy-Wasm talk of April 2021 has them.
#![forbid(unsafe_code)]

pub mod backend;
pub mod bindings;
pub mod callbacks;
pub mod core;
pub mod hostcalls;
pub mod local;
pub mod mailbox;

pub use self::core::Queues;
pub use backend::{InProcessQueues, Item, Queue, QueueBackend, QueueError, QueueSettings};
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::QueueCallbacks;
pub use local::{Bounds, Consumer, LocalQueue, Subscription};
pub use mailbox::{Mailbox, Notification, Recipient};

/// Store data that holds the queues of its instance.
pub trait QueueView: wasi_common::CommonView {
    /// The shared state and the queues.
    fn queues(&mut self) -> (&mut wasi_common::Common, &mut Queues);
}
