//! The hostcalls of wasi-queue: decode, call the core, encode.

use crate::QueueView;
use crate::bindings::types::{Ciovec, Iovec};
use crate::bindings::wasi_queue::WasiQueue;
use crate::core::Queues;
use wasi_common::guest::{gather, return_all};
use wasi_common::{Common, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-queue work on.
pub struct Host<'a> {
    common: &'a mut Common,
    queues: &'a mut Queues,
}

impl<T: QueueView> crate::bindings::WasiQueueView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_queue(&mut self) -> Host<'_> {
        let (common, queues) = self.queues();
        Host { common, queues }
    }
}

impl Host<'_> {
    /// Bytes that an argument may have.
    fn limit(&self) -> usize {
        let settings = self.common.current_settings();
        settings.map_or(0, |settings| settings.limits.argument_bytes)
    }
}

impl WasiQueue for Host<'_> {
    fn open_shared_queue(
        &mut self,
        memory: &mut GuestMemory<'_>,
        queue_name: GuestPtr<[Ciovec]>,
        create_if_not_exist: u32,
    ) -> Result<u32, Status> {
        let name = gather(memory, queue_name, self.limit())?;
        self.queues.open(self.common, &name, create_if_not_exist != 0)
    }

    fn delete_shared_queue(&mut self, _: &mut GuestMemory<'_>, queue_id: u32) -> Result<(), Status> {
        self.queues.delete(self.common, queue_id)
    }

    fn dequeue_shared_queue_item(
        &mut self,
        memory: &mut GuestMemory<'_>,
        queue_id: u32,
        return_payload: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let payload = self.queues.reserve(self.common, queue_id)?;
        let content = std::iter::once(&payload[..]);
        return_all(memory, return_payload, return_size, payload.len(), content)?;
        self.queues.fetched(self.common, queue_id);
        Ok(())
    }

    fn enqueue_shared_queue_item(
        &mut self,
        memory: &mut GuestMemory<'_>,
        queue_id: u32,
        payload: GuestPtr<[Ciovec]>,
    ) -> Result<(), Status> {
        let payload = gather(memory, payload, self.limit())?;
        self.queues.enqueue(self.common, queue_id, &payload)
    }
}
