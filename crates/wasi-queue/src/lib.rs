//! `wasi-queue`: queues that plugins share, as the wasi-queue page of the Proxy-Wasm talk of April 2021 has them.
//!
//! [`Queues`] is what the plugins of one instance have opened. The queues themselves are in a [`QueueBackend`], which all workers share:
//! [`InProcessQueues`], `RedisQueues` with the feature `redis`, or one of the embedder's. Plugins that create a queue are told of its items: a queue puts notifications into the
//! [`Mailbox`] of a worker, from whatever thread, and wakes it. For each item one consumer is told, and another one if it goes before
//! it was called. [`LocalQueue`] says what holds in detail.
//!
//! It is no message broker: what a plugin has taken is gone even if the plugin fails afterwards, and there is no fan-out. Without
//! the feature `redis` it starts no thread and waits for nothing.
//!
//! # Example
//!
//! A guest that keeps its own notes in a queue. The crate's README has one with a producer and a consumer.
//!
//! ```
//! use std::sync::Arc;
//! use wasi_common::guest::{GuestMemoryView, MemorySlot};
//! use wasi_common::{AbiPolicy, CallScope, Common, CommonView, PluginSettings, Status};
//! use wasi_queue::{InProcessQueues, Mailbox, QueueView, Queues};
//! use wasmtime::{Engine, Linker, Module, Store};
//!
//! struct State {
//!     memory: MemorySlot,
//!     common: Common,
//!     queues: Queues,
//! }
//! # impl GuestMemoryView for State {
//! #     fn memory_slot(&mut self) -> &mut MemorySlot {
//! #         &mut self.memory
//! #     }
//! # }
//! # impl CommonView for State {
//! #     fn common(&mut self) -> &mut Common {
//! #         &mut self.common
//! #     }
//! # }
//!
//! impl QueueView for State {
//!     fn queues(&mut self) -> (&mut Common, &mut Queues) {
//!         (&mut self.common, &mut self.queues)
//!     }
//! }
//!
//! let guest = r#"(module
//!     (import "wasi-queue" "open_shared_queue" (func $open (param i32 i32 i32 i32) (result i32)))
//!     (import "wasi-queue" "enqueue_shared_queue_item" (func $enqueue (param i32 i32 i32) (result i32)))
//!     (import "wasi-queue" "dequeue_shared_queue_item" (func $dequeue (param i32 i32 i32 i32) (result i32)))
//!     (memory (export "memory") 1)
//!     (data (i32.const 0) "\08\00\00\00\05\00\00\00notes")     ;; one iovec, and what it points to
//!     (func (export "open") (result i32)
//!         (call $open (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 16)))
//!     (func (export "add") (result i32)
//!         (call $enqueue (i32.load (i32.const 16)) (i32.const 0) (i32.const 1)))
//!     (func (export "probe") (result i32)
//!         ;; no iovecs: nothing fits, and the size is written to address 20
//!         (call $dequeue (i32.load (i32.const 16)) (i32.const 0) (i32.const 0) (i32.const 20))))"#;
//!
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! wasi_queue::add_to_linker(&mut linker)?;
//! let mut common = Common::default();
//! let plugin_id = common.contexts.add_plugin(Arc::new(PluginSettings::new("notes", AbiPolicy::COMPONENT)));
//! common.scope = CallScope::new(plugin_id, plugin_id, "example");
//! let queues = Queues::new(Arc::new(InProcessQueues::default()), Mailbox::new(), 0);
//! let mut store = Store::new(&engine, State { memory: MemorySlot::default(), common, queues });
//! let instance = linker.instantiate(&mut store, &Module::new(&engine, wat::parse_str(guest)?)?)?;
//!
//! for (call, status) in [("open", Status::Ok), ("add", Status::Ok), ("probe", Status::BufferTooSmall)] {
//!     let call = instance.get_typed_func::<(), u32>(&mut store, call)?;
//!     assert_eq!(call.call(&mut store, ())?, status as u32);
//! }
//! // The item is set aside until the callback has returned.
//! store.data_mut().queues.callback_returned();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
#[cfg(feature = "redis")]
pub use backend::{RedisQueueSettings, RedisQueues};
pub use bindings::{Callbacks, add_to_linker};
pub use callbacks::QueueCallbacks;
pub use local::{Bounds, Consumer, LocalQueue, Subscription};
pub use mailbox::{Mailbox, Notification, Recipient};

/// Store data that holds the queues of its instance.
pub trait QueueView: wasi_common::CommonView {
    /// The shared state and the queues.
    fn queues(&mut self) -> (&mut wasi_common::Common, &mut Queues);
}

/// The example of the README.
#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
