//! The hostcalls of wasi-grpc: decode, call the core, encode.

use crate::GrpcView;
use crate::bindings::types::{Ciovec, Iovec};
use crate::bindings::wasi_grpc::WasiGrpc;
use crate::core::Grpc;
use crate::request::Target;
use bytes::Bytes;
use std::borrow::Cow;
use std::time::Duration;
use wasi_common::guest::{gather, return_all};
use wasi_common::packed::{Layout, unpack};
use wasi_common::{CalloutKind, Common, Status};
use wiggle::{GuestMemory, GuestPtr};

/// The state that the hostcalls of wasi-grpc work on.
pub struct Host<'a> {
    common: &'a mut Common,
    grpc: &'a mut Grpc,
}

/// The parts of a target that were gathered.
struct Gathered<'a> {
    upstream: Cow<'a, [u8]>,
    service: Cow<'a, [u8]>,
    method: Cow<'a, [u8]>,
    metadata: Cow<'a, [u8]>,
}

impl<T: GrpcView> crate::bindings::WasiGrpcView for T {
    type Host<'a>
        = Host<'a>
    where
        T: 'a;

    fn wasi_grpc(&mut self) -> Host<'_> {
        let (common, grpc) = self.grpc();
        Host { common, grpc }
    }
}

impl WasiGrpc for Host<'_> {
    fn dispatch_grpc_call(
        &mut self,
        memory: &mut GuestMemory<'_>,
        upstream_name: GuestPtr<[Ciovec]>,
        service_name: GuestPtr<[Ciovec]>,
        method_name: GuestPtr<[Ciovec]>,
        initial_metadata: GuestPtr<[Ciovec]>,
        message: GuestPtr<[Ciovec]>,
        timeout: u32,
    ) -> Result<u32, Status> {
        let limit = self.argument_bytes();
        let parts = [upstream_name, service_name, method_name, initial_metadata];
        let gathered = Gathered::new(memory, parts, limit)?;
        let message = Bytes::copy_from_slice(&gather(memory, message, limit)?);
        let timeout = (timeout != 0).then(|| Duration::from_millis(timeout.into()));
        gathered.with_target(|target| self.grpc.dispatch_call(self.common, target, message, timeout))
    }

    fn close_grpc_call(&mut self, _: &mut GuestMemory<'_>, callout_id: u32) -> Result<(), Status> {
        self.grpc
            .close(self.common, callout_id, Some(CalloutKind::GrpcCall))
    }

    fn open_grpc_stream(
        &mut self,
        memory: &mut GuestMemory<'_>,
        upstream_name: GuestPtr<[Ciovec]>,
        service_name: GuestPtr<[Ciovec]>,
        method_name: GuestPtr<[Ciovec]>,
        initial_metadata: GuestPtr<[Ciovec]>,
    ) -> Result<u32, Status> {
        let limit = self.argument_bytes();
        let parts = [upstream_name, service_name, method_name, initial_metadata];
        let gathered = Gathered::new(memory, parts, limit)?;
        gathered.with_target(|target| self.grpc.open_stream(self.common, target))
    }

    fn send_grpc_stream_message(
        &mut self,
        memory: &mut GuestMemory<'_>,
        callout_id: u32,
        message: GuestPtr<[Ciovec]>,
        end_of_stream: u32,
    ) -> Result<(), Status> {
        let (_, regions) = message.offset();
        let gathered = gather(memory, message, self.argument_bytes())?;
        let message = (regions != 0).then(|| Bytes::copy_from_slice(&gathered));
        self.grpc
            .send(self.common, callout_id, message, end_of_stream != 0)
    }

    fn close_grpc_stream(&mut self, _: &mut GuestMemory<'_>, callout_id: u32) -> Result<(), Status> {
        self.grpc
            .close(self.common, callout_id, Some(CalloutKind::GrpcStream))
    }

    fn resume_grpc_stream(&mut self, _: &mut GuestMemory<'_>, callout_id: u32) -> Result<(), Status> {
        self.grpc.resume(self.common, callout_id)
    }

    fn get_callout_status(
        &mut self,
        memory: &mut GuestMemory<'_>,
        callout_id: u32,
        return_code: GuestPtr<u32>,
        return_message: GuestPtr<[Iovec]>,
        return_size: GuestPtr<u32>,
    ) -> Result<(), Status> {
        let status = self.common.callout_status(callout_id, CalloutKind::is_grpc)?;
        // Looked at first: a call that fails writes no code.
        memory.read(return_code)?;
        let message = std::iter::once(&status.message[..]);
        return_all(memory, return_message, return_size, status.message.len(), message)?;
        Ok(memory.write(return_code, status.code)?)
    }
}

// === impl Host ===

impl Host<'_> {
    fn argument_bytes(&self) -> usize {
        let settings = self.common.current_settings();
        settings.map_or(0, |settings| settings.limits.argument_bytes)
    }
}

// === impl Gathered ===

impl<'a> Gathered<'a> {
    fn new(
        memory: &'a GuestMemory<'_>,
        [upstream, service, method, metadata]: [GuestPtr<[Ciovec]>; 4],
        limit: usize,
    ) -> Result<Self, Status> {
        Ok(Self {
            upstream: gather(memory, upstream, limit)?,
            service: gather(memory, service, limit)?,
            method: gather(memory, method, limit)?,
            metadata: gather(memory, metadata, limit)?,
        })
    }

    fn with_target<R>(&self, call: impl FnOnce(Target<'_>) -> Result<R, Status>) -> Result<R, Status> {
        let metadata = unpack(&self.metadata, Layout::Flat).map_err(|_| Status::BadArgument)?;
        call(Target {
            upstream: &self.upstream,
            service: &self.service,
            method: &self.method,
            metadata: &metadata,
        })
    }
}
