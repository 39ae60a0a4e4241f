//! The hostcall of wasi-context: decode, call the core, encode.

use crate::LifecycleView;
use crate::bindings::wasi_context::WasiContext;
use crate::core::Lifecycle;
use wasi_common::{Common, Status};
use wiggle::GuestMemory;

/// The state that the hostcalls of wasi-context work on.
pub struct Host<'a> {
    common: &'a mut Common,
    lifecycle: &'a mut Lifecycle,
}

impl<T: LifecycleView> crate::bindings::WasiContextView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_context(&mut self) -> Host<'_> {
        let (common, lifecycle) = self.lifecycle();
        Host { common, lifecycle }
    }
}

impl WasiContext for Host<'_> {
    fn plugin_shutdown(&mut self, _: &mut GuestMemory<'_>, plugin_id: u32) -> Result<(), Status> {
        self.lifecycle.plugin_shutdown(self.common, plugin_id)
    }
}
