//! The hostcalls of wasi-bytestream: decode, call the core, encode.

use crate::BytestreamView;
use crate::bindings::wasi_bytestream::WasiBytestream;
use crate::core::{Bytestream, Side};
use wasi_common::{Common, Status};
use wiggle::GuestMemory;

/// The state that the hostcalls of wasi-bytestream work on.
pub struct Host<'a> {
    common: &'a mut Common,
    bytestream: &'a mut Bytestream,
}

impl<T: BytestreamView> crate::bindings::WasiBytestreamView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_bytestream(&mut self) -> Host<'_> {
        let (common, bytestream) = self.bytestream();
        Host { common, bytestream }
    }
}

impl WasiBytestream for Host<'_> {
    fn resume_downstream(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.bytestream.resume(self.common, context_id, Side::Downstream)
    }

    fn resume_upstream(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.bytestream.resume(self.common, context_id, Side::Upstream)
    }

    fn close_downstream(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.bytestream.close(self.common, context_id, Side::Downstream)
    }

    fn close_upstream(&mut self, _: &mut GuestMemory<'_>, context_id: u32) -> Result<(), Status> {
        self.bytestream.close(self.common, context_id, Side::Upstream)
    }
}
