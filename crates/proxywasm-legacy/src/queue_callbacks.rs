//! The callback of queues.

use crate::callbacks::{Callbacks, call};
use crate::view::LegacyView;
use wasi_queue::QueueCallbacks;
use wasmtime::StoreContextMut;

pub(crate) const ON_QUEUE_READY: &str = "proxy_on_queue_ready";

impl<T: LegacyView + 'static> QueueCallbacks<T> for Callbacks {
    fn on_shared_queue_ready(
        &self,
        mut store: StoreContextMut<'_, T>,
        plugin_id: u32,
        queue_id: u32,
    ) -> wasmtime::Result<()> {
        let arguments = (plugin_id, queue_id);
        call(
            &self.on_queue_ready,
            &mut store,
            ON_QUEUE_READY,
            plugin_id,
            arguments,
        )?;
        Ok(())
    }
}
